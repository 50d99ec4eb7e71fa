"""The checks that every box goes through, whatever its format: finite, with an area, inside the image, given once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.header_size import size_in_header
from engine.dataset.formats.reading_log import MAX_NAMES, ReadingLog
from engine.dataset.index import Finding, Severity, finding
from engine.messages import join_names

_EDGE_TOLERANCE = 0.01
"""A box may extend beyond the image by this fraction of its side (and by a pixel) before that is a mistake of the label."""


class Boxes(NamedTuple):
    """The boxes of all images."""

    corners: NDArray[np.float64]
    """(boxes, 4) x1 y1 x2 y2."""
    class_ids: NDArray[np.int32]
    image_index: NDArray[np.int32]
    """(boxes,) the image of each box."""
    row: NDArray[np.int32]
    """(boxes,) an index into `LabelledImages.row_files`."""

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Boxes:
        """The boxes that a mask or an order selects."""
        return Boxes(self.corners[which], self.class_ids[which], self.image_index[which], self.row[which])


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """What is known about the images of the boxes."""

    names: Sequence[str]
    sizes: list[tuple[int, int]]
    """Width and height as the labels state them, 0 where they do not; `BoxChecks` corrects those that are wrong."""
    row_files: Sequence[str]
    """The label file of each row."""
    unit: Literal["pixel", "fraction"]


class BoxChecks:
    """The checks of one data set; what they find goes into `log`."""

    def __init__(self, images: LabelledImages, log: ReadingLog) -> None:
        self._images = images
        self._log = log

    def valid_boxes(self, boxes: Boxes) -> Boxes:
        """The boxes that are finite, have an area and are given once, clipped to the image."""
        boxes = self._without(
            boxes,
            np.asarray(~np.isfinite(boxes.corners).all(axis=1)),
            "error",
            "label.not_a_number",
            "{file}: boxes without numbers: {count}; left out.",
        )
        sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
        boxes = self._without(
            boxes,
            np.asarray((sides < 0).any(axis=1)),
            "warning",
            "label.swapped",
            "{file}: boxes whose first corner is not the upper left one: {count}; left out.",
        )
        sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
        boxes = self._without(
            boxes,
            np.asarray((sides == 0).any(axis=1)),
            "warning",
            "label.zero_size",
            "{file}: boxes without width or height: {count}; left out.",
        )
        boxes = self._clipped(boxes)
        return self._without(
            boxes,
            _duplicates(boxes),
            "warning",
            "label.duplicate",
            "{file}: boxes that are given twice: {count}; used once.",
        )

    def _clipped(self, boxes: Boxes) -> Boxes:
        if not len(boxes.class_ids):
            return boxes
        limits = self._limits(boxes)
        clipped = np.empty_like(boxes.corners)
        beyond = np.zeros(len(clipped), bool)
        rounding = 1 if self._images.unit == "pixel" else 0  # a pixel beyond the edge is rounding; more is a mistake
        for column in range(4):  # one at a time needs a quarter of the memory
            limit, values = limits[:, column % 2], boxes.corners[:, column]
            np.clip(values, 0, limit, out=clipped[:, column])
            tolerance = _EDGE_TOLERANCE * np.where(np.isfinite(limit), limit, 0) + rounding
            beyond |= np.abs(clipped[:, column] - values) > tolerance
        outside = np.asarray(~(clipped[:, 2:] > clipped[:, :2]).all(axis=1))
        self._log.findings += self._reasons(
            boxes.row[beyond & ~outside],
            "warning",
            "label.outside_image",
            "{file}: boxes that extend beyond the image: {count}; clipped to it.",
        )
        return self._without(
            boxes._replace(corners=clipped),
            outside,
            "warning",
            "label.wholly_outside",
            "{file}: boxes that lie outside the image: {count}; left out.",
        )

    def _limits(self, boxes: Boxes) -> NDArray[np.float64]:
        """(boxes, 2) the largest x and y of each box; infinite where the size of the image is unknown."""
        if self._images.unit == "fraction":
            return np.ones((len(boxes.class_ids), 2))
        self._correct_sizes(boxes)
        sizes = np.array(self._images.sizes, np.float64).reshape(-1, 2)
        for index in np.unique(boxes.image_index[(sizes[boxes.image_index] <= 0).any(axis=1)]).tolist():
            sizes[index] = size_in_header(self._path(index))
        sizes[(sizes <= 0).any(axis=1)] = np.inf
        return sizes[boxes.image_index]

    def _correct_sizes(self, boxes: Boxes) -> None:
        """Where boxes reach beyond the size that the labels state, the image itself decides: the size may be wrong."""
        stated_sizes = self._images.sizes
        sizes = np.array(stated_sizes, np.float64).reshape(-1, 2)
        beyond = (boxes.corners[:, 2:] > _with_tolerance(sizes[boxes.image_index])).any(axis=1)
        suspects = np.unique(boxes.image_index[beyond])
        ends = np.zeros_like(sizes)  # the largest x and y that boxes of the image reach
        np.maximum.at(ends, boxes.image_index[beyond], boxes.corners[beyond, 2:])
        wrong = []
        for index in suspects[(sizes[suspects] > 0).all(axis=1)].tolist():
            size, stated = _size_on_disk(self._path(index)), stated_sizes[index]
            if size is None or size == stated:
                continue
            # Width and height may be exchanged on purpose: by EXIF.
            if size != stated[::-1] or (ends[index] <= _with_tolerance(np.array(size))).all():
                wrong.append(self._images.names[index])
                stated_sizes[index] = size
        if wrong:
            self._log.add_finding(
                "warning",
                "image.size_wrong",
                self._log.root,
                "{file}: images that have another size than their label says, which cuts boxes: {count} ({names}); the size of "
                "the image is used.",
                count=len(wrong),
                names=join_names(wrong[:MAX_NAMES]),
            )

    def _path(self, image_index: int) -> Path:
        return self._log.root / self._images.names[image_index]

    def _without(self, boxes: Boxes, mask: NDArray[np.bool_], severity: Severity, code: str, template: str) -> Boxes:
        """`boxes` without those in `mask`, which are reported for each label file."""
        if not mask.any():
            return boxes
        self._log.leave_out_boxes(self._reasons(boxes.row[mask], severity, code, template), int(mask.sum()))
        return boxes.take(~mask)

    def _reasons(self, rows: NDArray[np.int32], severity: Severity, code: str, template: str) -> list[Finding]:
        """A finding for each label file that has some of `rows`."""
        counts = Counter(self._images.row_files[row] for row in rows.tolist())
        return [finding(severity, code, file, template, count=count) for file, count in counts.items()]


def _duplicates(boxes: Boxes) -> NDArray[np.bool_]:
    """(boxes,) whether the same box of the same class was given before for the image."""
    order = np.lexsort((*boxes.corners.T, boxes.class_ids, boxes.image_index))
    same = np.ones(max(len(order) - 1, 0), bool)
    for column in (boxes.image_index, boxes.class_ids, *boxes.corners.T):
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    duplicate = np.zeros(len(order), bool)
    duplicate[order[1:]] = same  # the sort is stable: of equal boxes the first one stays
    return duplicate


def _with_tolerance(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(sizes * (1 + _EDGE_TOLERANCE) + 1)


def _size_on_disk(path: Path) -> tuple[int, int] | None:
    """Width and height of an image as it is read; None if it cannot be."""
    # Here, since OpenCV takes long to import and labels are hardly ever wrong about sizes.
    from engine.dataset.images import UnreadableImage, read_image

    try:
        height, width = read_image(path).shape[:2]
    except UnreadableImage:
        return None
    return width, height
