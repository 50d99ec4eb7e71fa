"""What every reader of labels hands over, and the checks every box goes through."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.dataset.image_files import is_image_file
from engine.dataset.index import DatasetBuilder, Finding, Severity
from engine.files import read_text
from engine.messages import Message

Boxes = NDArray[np.float32]


@dataclass(slots=True)
class Reading:
    """Labels as they stand on disk: class numbers point into `names`, splits hold image numbers."""

    root: Path
    format: str
    unit: Literal["pixel", "fraction"]
    names: list[str] = field(default_factory=list)
    packer: DatasetBuilder = field(default_factory=DatasetBuilder)
    splits: dict[str, list[int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def number_of(self, name: str) -> int:
        """The class number of a name, new ones at the end."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def find(self, severity: Severity, code: str, file: Path | str, template: str, **values: object) -> None:
        """Note something about `file`."""
        shown = relative(Path(file), self.root)
        self.findings.append(Finding(severity, shown, Message(code, "{file}: " + template, {"file": shown, **values})))

    def add(
        self, image: Path, size: tuple[int, int], boxes: Boxes, labels: list[int], file: Path, split: str | None
    ) -> None:
        """Take in an image with its (n, 4) boxes, leaving out those that cannot be learned from.

        Args:
            image: where the picture lies.
            size: width and height as the label says, 0 where it says nothing.
            boxes: x1 y1 x2 y2 in the reading's unit.
            labels: a class number for each.
            file: the label file, for findings.
            split: the data set's own split that the image is in, if any.
        """
        kept, kept_labels = self._sound(boxes.reshape(-1, 4), np.array(labels, np.int32), size, file)
        number = self.packer.add(relative(image, self.root), size, kept, kept_labels)
        if split is not None:
            self.splits.setdefault(split, []).append(number)

    def _sound(
        self, boxes: Boxes, labels: NDArray[np.int32], size: tuple[int, int], file: Path
    ) -> tuple[Boxes, NDArray[np.int32]]:
        if not len(boxes):
            return boxes, labels
        keep = np.asarray(np.isfinite(boxes).all(axis=1))
        self._count("error", "label.not_a_number", file, (~keep).sum(), "boxes without numbers: {count}; left out.")
        boxes, labels = boxes[keep], labels[keep]
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        self._count(
            "warning", "label.zero_size", file, (~has_area).sum(), "boxes without width or height: {count}; left out."
        )
        boxes, labels = boxes[has_area], labels[has_area]
        limit = self._limit(size)
        if limit is not None and len(boxes):
            clipped = np.clip(boxes, 0, limit)
            # A pixel over the edge is rounding; more is a mistake.
            over = (np.abs(clipped - boxes) > 0.01 * limit + (1 if self.unit == "pixel" else 0)).any(axis=1)
            self._count(
                "warning",
                "label.outside_image",
                file,
                over.sum(),
                "boxes that reach beyond the image: {count}; cut at its edge.",
            )
            inside = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
            boxes, labels = clipped[inside], labels[inside]
        # A dictionary, since numpy's own way takes a third of the whole reading for so few rows.
        places: dict[tuple[float, ...], int] = {}
        for place, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
            places.setdefault((*box, label), place)
        twice = len(boxes) - len(places)
        self._count("warning", "label.duplicate", file, twice, "boxes that stand there twice: {count}; taken once.")
        if twice:
            boxes, labels = boxes[list(places.values())], labels[list(places.values())]
        return boxes.astype(np.float32), labels

    def _limit(self, size: tuple[int, int]) -> Boxes | None:
        if self.unit == "fraction":
            return np.ones(4, np.float32)
        return np.array([*size, *size], np.float32) if min(size) > 0 else None

    def _count(self, severity: Severity, code: str, file: Path, count: int, template: str) -> None:
        if count:
            self.find(severity, code, file, template, count=int(count))


def relative(path: Path, root: Path) -> str:
    """`path` relative to `root` with forward slashes where it lies inside, else as it is."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)


def lies_inside(path: Path, folder: Path) -> bool:
    """Whether a path stays in `folder` once its dots are resolved; links inside the folder may lead anywhere."""
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))


def by_stem(folder: Path) -> Mapping[str, Path]:
    """The pictures of one folder by their name without suffix."""
    return {path.stem: path for path in sorted(folder.iterdir()) if is_image_file(path)} if folder.is_dir() else {}


def split_named(text: str) -> str | None:
    """The split that a file's or folder's name speaks of."""
    words = text.lower().replace("-", "_").replace(".", "_").split("_")
    for split, names in (
        ("train", ("train", "training")),
        ("val", ("val", "valid", "validation")),
        ("test", ("test", "testing")),
    ):
        if any(word.rstrip("0123456789") in names for word in words):
            return split
    return None


def read_names(path: Path) -> list[str]:
    """The class names in a file of one name a line."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]
