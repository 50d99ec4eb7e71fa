"""A Dataset as one file of arrays, so that another process, or the next start, need not read the labels again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dataset.index import Dataset, Finding
from engine.messages import from_record, to_record

_ARRAYS = ("sizes", "boxes", "labels", "offsets")
_SPLITS = ("splits", "own_splits")


def save_index(dataset: Dataset, path: Path) -> None:
    """Write `dataset` to `path` (.npz)."""
    header = {
        "root": str(dataset.root),
        "format": dataset.format,
        "classes": dataset.classes,
        "images": dataset.images,
        "unit": dataset.unit,
        "splits_drawn": dataset.splits_drawn,
        "findings": [(item.severity, item.file, to_record(item.message)) for item in dataset.findings],
        "books": dataset.books,
    }
    arrays = {name: getattr(dataset, name) for name in _ARRAYS}
    for group in _SPLITS:
        arrays |= {f"{group}.{name}": indices for name, indices in getattr(dataset, group).items()}
    # ASCII with escapes: an image name that is not valid UTF-8 keeps its bytes.
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


def load_index(path: Path) -> Dataset:
    """Read what `save_index` wrote."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        header: dict[str, Any] = json.loads(stored["header"].tobytes())
        return Dataset(
            root=Path(header["root"]),
            format=header["format"],
            classes=tuple(header["classes"]),
            images=tuple(header["images"]),
            sizes=stored["sizes"],
            boxes=stored["boxes"],
            labels=stored["labels"],
            offsets=stored["offsets"],
            unit=header["unit"],
            splits=_arrays_of(stored, "splits."),
            splits_drawn=header["splits_drawn"],
            own_splits=_arrays_of(stored, "own_splits."),
            findings=tuple(
                Finding(severity, file, from_record(record, "")) for severity, file, record in header["findings"]
            ),
            books=header["books"],
        )


def _arrays_of(stored: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(prefix): stored[key] for key in stored if key.startswith(prefix)}
