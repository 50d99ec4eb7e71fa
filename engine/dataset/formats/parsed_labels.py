"""What the reader of each format returns, and the checks that every box goes through."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.dataset_builder import DatasetBuilder
from engine.dataset.index import Finding, Severity, finding

Boxes = NDArray[np.float32]
ClassIds = NDArray[np.int32]

MAX_CLASSES = 10_000
"""A class id beyond this is taken for a mistake."""


@dataclass(slots=True)
class ParsedLabels:
    """Labels as they are on disk, before classes are mapped and missing splits drawn."""

    root: Path
    format: str
    unit: Literal["pixel", "fraction"]
    names: list[str] = field(default_factory=list)
    """The class name of each class id."""
    builder: DatasetBuilder = field(default_factory=DatasetBuilder)
    splits: dict[str, list[int]] = field(default_factory=dict)
    """Image indices of the splits that the data set itself defines."""
    findings: list[Finding] = field(default_factory=list)

    def class_id(self, name: str) -> int:
        """The class id of a name; a new name gets the next one."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def name_classes_by_id(self) -> None:
        """Call the classes "class 0", "class 1" and so on, where no file names them."""
        self.names = [f"class {class_id}" for class_id in range(self.builder.max_class_id() + 1)]

    def add_finding(self, severity: Severity, code: str, file: Path, template: str, **values: object) -> None:
        """Add a finding about `file`; `template` is a format string over `file` and `values`."""
        self.findings.append(finding(severity, code, relative_path(file, self.root), template, **values))

    def add_image(
        self,
        image: Path,
        size: tuple[int, int],
        boxes: Boxes,
        class_ids: list[int],
        label_file: Path,
        split: str | None,
    ) -> None:
        """Add an image with its boxes, without those that nothing can be learned from.

        Args:
            image: the path of the image.
            size: width and height as the label states them, 0 where it does not.
            boxes: (n, 4) x1 y1 x2 y2 in `unit`.
            class_ids: the class id of each box.
            label_file: for findings.
            split: the data set's own split that contains the image, if any.
        """
        valid, valid_ids = self._valid_boxes(boxes.reshape(-1, 4), np.array(class_ids, np.int32), size, label_file)
        index = self.builder.add(relative_path(image, self.root), size, valid, valid_ids)
        if split is not None:
            self.splits.setdefault(split, []).append(index)

    def _valid_boxes(
        self, boxes: Boxes, class_ids: ClassIds, size: tuple[int, int], label_file: Path
    ) -> tuple[Boxes, ClassIds]:
        """The boxes that are finite, have an area and are given once, clipped to the image; with their class ids."""
        if not len(boxes):
            return boxes, class_ids
        finite = np.asarray(np.isfinite(boxes).all(axis=1))
        if count := int((~finite).sum()):
            self.add_finding(
                "error",
                "label.not_a_number",
                label_file,
                "{file}: boxes without numbers: {count}; left out.",
                count=count,
            )
        boxes, class_ids = boxes[finite], class_ids[finite]
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        if count := int((~has_area).sum()):
            self.add_finding(
                "warning",
                "label.zero_size",
                label_file,
                "{file}: boxes without width or height: {count}; left out.",
                count=count,
            )
        boxes, class_ids = boxes[has_area], class_ids[has_area]
        limit = self._limit(size)
        if limit is not None and len(boxes):
            clipped = np.clip(boxes, 0, limit)
            # A pixel beyond the edge is rounding; more is a mistake.
            tolerance = 0.01 * limit + (1 if self.unit == "pixel" else 0)
            if count := int((np.abs(clipped - boxes) > tolerance).any(axis=1).sum()):
                self.add_finding(
                    "warning",
                    "label.outside_image",
                    label_file,
                    "{file}: boxes that extend beyond the image: {count}; clipped to it.",
                    count=count,
                )
            has_area = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
            boxes, class_ids = clipped[has_area], class_ids[has_area]
        # A dictionary, since np.unique takes a third of the whole reading for so few rows.
        rows: dict[tuple[float, ...], int] = {}
        for row, (box, class_id) in enumerate(zip(boxes.tolist(), class_ids.tolist(), strict=True)):
            rows.setdefault((*box, class_id), row)
        if count := len(boxes) - len(rows):
            self.add_finding(
                "warning",
                "label.duplicate",
                label_file,
                "{file}: boxes that are given twice: {count}; used once.",
                count=count,
            )
            boxes, class_ids = boxes[list(rows.values())], class_ids[list(rows.values())]
        return boxes.astype(np.float32), class_ids

    def _limit(self, size: tuple[int, int]) -> Boxes | None:
        """The largest x1 y1 x2 y2 of a box, or None where the size of the image is unknown."""
        if self.unit == "fraction":
            return np.ones(4, np.float32)
        return np.array([*size, *size], np.float32) if min(size) > 0 else None


def relative_path(path: Path, root: Path) -> str:
    """`path` relative to `root` with forward slashes where it is inside, else as it is."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path stays in `folder` once its `..` are resolved; links inside the folder may lead anywhere."""
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))
