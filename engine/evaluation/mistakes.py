"""Compares the detections in an image with its labels, at one threshold.

The kinds of mistakes are those of TIDE (Bolya et al., ECCV 2020, section 2.2), tested in the order of its code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.detect import Detections, TrueBoxes

MIN_IOU = 0.5
"""A detection is correct if it overlaps a true box of its class by at least this IoU, as in AP50."""
BACKGROUND_IOU = 0.1
"""A detection that overlaps every true box by less is on the background."""


class Kind(StrEnum):
    """Why a detection is wrong, or that an object was missed. The values are keys in JSON."""

    MISSED = "missed"
    """An object that was not found, and that no detection of the wrong class or badly placed one belongs to."""
    WRONG_CLASS = "wrong_class"
    """The IoU with an object of another class is 0.5 or more."""
    BADLY_PLACED = "badly_placed"
    """The best IoU with an object of its class is from 0.1 to 0.5."""
    DOUBLE = "double"
    """The object was already found by a more confident detection."""
    BACKGROUND = "background"
    """No object overlaps by 0.1."""
    BOTH_WRONG = "both_wrong"
    """The best IoU with an object of another class is from 0.1 to 0.5, and of its class below 0.1."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The detections of an image from a threshold on, compared with its true boxes."""

    labels: NDArray[np.int32]
    """(detections,): the class numbers, the most confident first."""
    true_labels: NDArray[np.int32]
    """(true boxes,)."""
    ious: NDArray[np.float64]
    """(detections, true boxes)."""
    found: NDArray[np.int64]
    """(detections,): the true box that each correct detection found; -1 for a wrong one."""
    kinds: tuple[Kind | None, ...]
    """(detections,): None for a correct one."""
    missed: NDArray[np.bool_]
    """(true boxes,): whether each is a mistake of kind `Kind.MISSED`."""

    def not_found(self) -> NDArray[np.bool_]:
        """(true boxes,): whether each was not found, whatever the reason."""
        return ~np.isin(np.arange(len(self.true_labels)), self.found)

    def count_kinds(self) -> Counter[Kind]:
        """The number of mistakes of each kind."""
        kinds = Counter(kind for kind in self.kinds if kind is not None)
        kinds[Kind.MISSED] = int(self.missed.sum())
        return +kinds

    def severity(self) -> float:
        """For sorting images, the worst first: the number of mistakes times their share of all that could be right.

        The number alone would put crowded images first in which nearly everything is right, the share alone images with a single object.
        """
        count = self.count_kinds().total()
        found = int((self.found >= 0).sum())
        return count * count / (count + found) if count else 0.0

    def count_mistakes(self) -> Mistakes:
        """How many objects were found and missed, whatever the reason, and how many detections are wrong."""
        found = int((self.found >= 0).sum())
        return Mistakes(found, len(self.true_labels) - found, len(self.found) - found)


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


def match_boxes(detections: Detections, truth: TrueBoxes, threshold: float) -> Matches:
    """Match the detections from `threshold` on with true boxes, the most confident first; each true box once."""
    count = int((detections.scores >= threshold).sum())  # the scores are in descending order
    labels = detections.labels[:count]
    ious = _ious(detections.boxes[:count], truth.boxes)
    is_same_class = labels[:, None] == truth.labels[None]
    found = _match(np.where(is_same_class, ious, 0.0))
    is_found = np.isin(np.arange(len(truth.labels)), found)
    explained = is_found.copy()
    kinds: list[Kind | None] = []
    for own_ious, is_same, number in zip(ious, is_same_class, found.tolist(), strict=True):
        if number >= 0:
            kinds.append(None)
            continue
        kind, cause = _kind(np.where(is_same, own_ious, 0.0), np.where(is_same, 0.0, own_ious))
        kinds.append(kind)
        if cause is not None:
            explained[cause] = True
    return Matches(labels, truth.labels, ious, found, tuple(kinds), ~explained)


def count_mistakes(detections: Detections, truth: TrueBoxes, threshold: float) -> Mistakes:
    """How many objects are found and missed at `threshold`, and how many detections are wrong."""
    return match_boxes(detections, truth, threshold).count_mistakes()


def sum_mistakes(mistakes: Iterable[Mistakes]) -> Mistakes:
    """The mistakes of several images together."""
    total = Mistakes(0, 0, 0)
    for each in mistakes:
        total = Mistakes(total.found + each.found, total.missed + each.missed, total.wrong + each.wrong)
    return total


def confusion_matrix(images: Iterable[Matches], classes: int) -> NDArray[np.int64]:
    """How often an object of one class (row) was detected as another (column): (classes + 1, classes + 1).

    The last row and column are the background: detections without an object, and objects without a detection. Each true box and
    each detection counts once. An object that was found is on the diagonal, so precision and recall can be read from it; of the
    others, a wrong detection takes the one that it overlaps most, by an IoU of 0.5 or more, the most confident first.
    """
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for image in images:
        is_free = ~np.isin(np.arange(len(image.true_labels)), image.found)
        taken = image.found.copy()
        wrong = np.flatnonzero(image.found < 0)
        # No free box is of the detection's class: it would have found that one.
        taken[wrong] = _match(np.where(is_free[None], image.ious[wrong], 0.0))
        rows = np.append(image.true_labels, classes)[taken]  # -1 is the background
        np.add.at(matrix, (rows, image.labels), 1)
        missed = ~np.isin(np.arange(len(image.true_labels)), taken)
        matrix[:classes, classes] += np.bincount(image.true_labels[missed], minlength=classes)
    return matrix


def _match(ious: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each detection, in order, the free true box of the largest IoU, if that is MIN_IOU; else -1. `ious` (detections, boxes)."""
    found = np.full(len(ious), -1, np.int64)
    if not ious.size:
        return found
    ious = ious.copy()
    for number in np.flatnonzero((ious >= MIN_IOU).any(axis=1)).tolist():
        best = int(ious[number].argmax())
        if ious[number, best] >= MIN_IOU:
            found[number] = best
            ious[:, best] = 0
    return found


def _kind(same: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[Kind, int | None]:
    """Why a detection is wrong, and the true box that it would have found without that.

    `same`, `other`: its IoU with each true box of its class and of other classes, elsewhere 0; (true boxes,) each.
    """
    best_same, best_other = same.max(initial=0.0), other.max(initial=0.0)
    if BACKGROUND_IOU <= best_same < MIN_IOU:
        return Kind.BADLY_PLACED, int(same.argmax())
    if best_other >= MIN_IOU:
        return Kind.WRONG_CLASS, int(other.argmax())
    if best_same >= MIN_IOU:
        return Kind.DOUBLE, None
    if best_other < BACKGROUND_IOU:
        return Kind.BACKGROUND, None
    return Kind.BOTH_WRONG, None


def _ious(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """IoU (n, m) of boxes (n, 4) with others (m, 4), all x1 y1 x2 y2; computed in double precision."""
    a, b = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    shared = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - shared
    result: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result
