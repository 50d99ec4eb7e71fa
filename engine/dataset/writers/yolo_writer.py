"""YOLO: images/SPLIT/NAME.jpg, labels/SPLIT/NAME.txt and data.yaml, as Ultralytics reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import yaml

from engine.dataset.splits import SPLITS
from engine.dataset.writers.labelled_file import NO_SPLIT, LabelledFile, number_text, write_lines

_DIGITS = 9
"""Of a fraction of the image: less than the float32 in which boxes are kept can tell apart."""


class YoloWriter:
    """See `DatasetWriter`."""

    def __init__(self, folder: Path, classes: Sequence[str], final_folder: Path) -> None:
        self._folder = folder
        self._classes = classes
        self._final_folder = final_folder
        self._splits: set[str | None] = set()

    def image_folder(self, split: str | None) -> str:
        """See `DatasetWriter`."""
        return f"images/{split or NO_SPLIT}"

    def write(self, image: LabelledFile) -> None:
        """See `DatasetWriter`."""
        self._splits.add(image.split)
        width, height, _ = image.size
        lines = []
        for (x1, y1, x2, y2), label in zip(image.boxes.tolist(), image.labels.tolist(), strict=True):
            row = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
            lines.append(" ".join([str(label), *(number_text(value, _DIGITS) for value in row)]))
        stem = PurePosixPath(image.file).stem
        write_lines(self._folder / "labels" / (image.split or NO_SPLIT) / f"{stem}.txt", lines)

    def finish(self) -> None:
        """See `DatasetWriter`."""
        settings = {
            "path": str(self._final_folder),
            **{split: f"images/{split}" for split in SPLITS if split in self._splits},
            "nc": len(self._classes),
            "names": dict(enumerate(self._classes)),
        }
        text = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False, width=1000)
        write_lines(self._folder / "data.yaml", text.splitlines())

    def close(self) -> None:
        """See `DatasetWriter`."""
