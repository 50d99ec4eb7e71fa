"""What is unusual about the boxes of one image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dataset.index import Finding, finding

MIN_INPUT_SIDE = 8.0
"""Pixels of the input: the finest grid of the networks has cells of this size, so a smaller box is less than a cell."""
MAX_ASPECT = 10.0
"""A box this many times as long as wide fits no anchor."""
SAME_BOX_IOU = 0.9
"""Two boxes of one class with a larger IoU are around one object."""
SAME_OBJECT_IOU = 0.95
"""The same for boxes of two classes, which may belong to two objects, one in front of the other."""


class ImageBoxes(NamedTuple):
    """The boxes of an image."""

    boxes: NDArray[np.float32]
    """(n, 4) x1 y1 x2 y2 in pixels of the image."""
    labels: NDArray[np.int32]
    """(n,) class ids."""
    size: tuple[int, int]
    """(width, height) of the image."""


def check_boxes(image: ImageBoxes, input_shape: tuple[int, int], file: str) -> Iterator[Finding]:
    """Findings about the boxes of one image.

    Args:
        image: the boxes.
        input_shape: (height, width) of the network's input, into which the image is fitted.
        file: the name of the image.
    """
    sides = image.boxes[:, 2:] - image.boxes[:, :2]
    total = len(sides)
    scale = min(input_shape[1] / image.size[0], input_shape[0] / image.size[1])
    if tiny := int((sides * scale < MIN_INPUT_SIDE).any(axis=1).sum()):
        yield finding(
            "info",
            "label.tiny",
            file,
            "{file}: boxes narrower than {pixels} pixels in an input of {width}x{height}: {count} of {total}; a larger "
            "input_shape detects more of them.",
            pixels=int(MIN_INPUT_SIDE),
            width=input_shape[1],
            height=input_shape[0],
            count=tiny,
            total=total,
        )
    if extreme := int((sides.max(axis=1, initial=0) > MAX_ASPECT * sides.min(axis=1, initial=np.inf)).sum()):
        yield finding(
            "info",
            "label.extreme_aspect",
            file,
            "{file}: boxes more than {ratio} times as long as wide: {count} of {total}; no anchor fits them.",
            ratio=int(MAX_ASPECT),
            count=extreme,
            total=total,
        )
    of_one_class, of_two_classes = _count_overlaps(image)
    if of_one_class:
        yield finding(
            "warning",
            "label.overlap",
            file,
            "{file}: pairs of boxes of one class that cover each other almost wholly: {count}; one object may be labelled twice.",
            count=of_one_class,
        )
    if of_two_classes:
        yield finding(
            "warning",
            "label.two_classes",
            file,
            "{file}: pairs of boxes of two classes at the same place: {count}; one of the two classes may be wrong.",
            count=of_two_classes,
        )


def _count_overlaps(image: ImageBoxes) -> tuple[int, int]:
    """Pairs of boxes that cover each other almost wholly: of one class, and of two classes."""
    # With such an IoU, the left edges are at most this part of a width apart, so only neighbours in their order are compared.
    reach = 1 - min(SAME_BOX_IOU, SAME_OBJECT_IOU)
    order = np.argsort(image.boxes[:, 0], kind="stable")
    boxes, labels = image.boxes[order].astype(np.float64), image.labels[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    ends = np.searchsorted(boxes[:, 0], boxes[:, 0] + reach * (boxes[:, 2] - boxes[:, 0]), side="right")
    of_one_class = of_two_classes = 0
    for index, end in enumerate(ends.tolist()):
        others = boxes[index + 1 : end]
        if not len(others):
            continue
        overlap = np.minimum(others[:, 2:], boxes[index, 2:]) - np.maximum(others[:, :2], boxes[index, :2])
        shared = overlap.clip(0).prod(axis=1)
        iou = shared / np.maximum(areas[index] + areas[index + 1 : end] - shared, 1e-9)
        same_class = labels[index + 1 : end] == labels[index]
        of_one_class += int((same_class & (iou > SAME_BOX_IOU)).sum())
        of_two_classes += int((~same_class & (iou > SAME_OBJECT_IOU)).sum())
    return of_one_class, of_two_classes
