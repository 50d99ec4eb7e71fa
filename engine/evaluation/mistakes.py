"""Compares the detections in an image with its labels, at one threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.detect import Detections, TrueBoxes

MIN_IOU = 0.5
"""A detection is correct if it overlaps a true box of its class by at least this IoU, as in AP50."""


@dataclass(frozen=True, slots=True)
class Mistakes:
    """How many objects of an image were found and missed, and how many detections are wrong."""

    found: int
    missed: int
    wrong: int

    @property
    def total(self) -> int:
        """Missed objects and wrong detections."""
        return self.missed + self.wrong


def count_mistakes(detections: Detections, truth: TrueBoxes, threshold: float) -> Mistakes:
    """Match the detections from `threshold` on with true boxes, the most confident first; each true box once."""
    count = int((detections.scores >= threshold).sum())  # the scores are in descending order
    free = np.ones(len(truth.labels), np.bool_)
    for box, label in zip(detections.boxes[:count], detections.labels[:count], strict=True):
        overlaps = np.where(free & (truth.labels == label), _iou(box, truth.boxes), 0.0)
        if len(overlaps) and overlaps.max() >= MIN_IOU:
            free[overlaps.argmax()] = False
    found = int((~free).sum())
    return Mistakes(found, len(free) - found, count - found)


def sum_mistakes(mistakes: Iterable[Mistakes]) -> Mistakes:
    """The mistakes of several images together."""
    total = Mistakes(0, 0, 0)
    for each in mistakes:
        total = Mistakes(total.found + each.found, total.missed + each.missed, total.wrong + each.wrong)
    return total


def _iou(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """IoU of a box (4,) with boxes (n, 4), all x1 y1 x2 y2."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.clip(sides.astype(np.float64), 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64).prod(axis=1)
    union = (box[2:] - box[:2]).astype(np.float64).prod() + areas - shared
    result: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result
