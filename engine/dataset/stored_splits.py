"""The splits of a run in its dataset.json: a resumed run trains on the images that it started with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.dataset.index import Dataset
from engine.dataset.splits import SPLITS
from engine.messages import bad_input


def splits_to_json(dataset: Dataset) -> dict[str, Any]:
    """The content of dataset.json: the paths of the images of each split, and the fingerprint of their labels."""
    return {
        "root": str(dataset.root),
        "format": dataset.format,
        "classes": list(dataset.classes),
        "drawn": dataset.splits_drawn,
        "splits": {name: [dataset.images[i] for i in dataset.splits[name]] for name in SPLITS},
        "fingerprint": fingerprint(dataset),
    }


def restore_splits(dataset: Dataset, stored: Mapping[str, Any]) -> Dataset:
    """`dataset` with the splits of `stored` (see `splits_to_json`); images that were added later are in no split.

    Raises:
        BadInput: an image of a split no longer exists.
    """
    indices = {path: index for index, path in enumerate(dataset.images)}
    splits = {}
    for name in SPLITS:
        paths = stored.get("splits", {}).get(name, [])
        for path in paths:
            if path not in indices:
                raise bad_input(
                    "dataset.image_gone",
                    "{path}: the run trains on this image, and the image or its label no longer exists; put it back.",
                    path=dataset.root / path,
                )
        splits[name] = np.array([indices[path] for path in paths], dtype=np.int32)
    return replace(dataset, splits=splits, splits_drawn=bool(stored.get("drawn", False)))


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over the class names and, for every image of a split, its path, boxes and labels."""
    digest = hashlib.sha256("\0".join(dataset.classes).encode())
    for name in SPLITS:
        digest.update(name.encode())
        for index in dataset.splits[name]:
            boxes, labels = dataset.boxes_of(int(index))
            digest.update(dataset.images[index].encode("utf-8", "surrogatepass"))
            digest.update(boxes.astype("<f4").tobytes())
            digest.update(labels.astype("<i4").tobytes())
    return digest.hexdigest()
