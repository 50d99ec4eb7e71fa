"""Detection metrics: AP as COCO defines it, in total and by the size of the objects; precision, recall and F1 at any threshold."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from engine.evaluation.detect import MAX_DETECTIONS, Detections

logging.getLogger("faster_coco_eval").setLevel(logging.ERROR)
_THRESHOLDS = np.linspace(0.05, 0.99, 95)
"""From which the best is chosen. With fewer than one in twenty boxes right, no threshold is a useful one."""
_IOUS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_NO_BEST_THRESHOLD = 0.5
_CURVE_THRESHOLDS = np.linspace(0.01, 0.99, 99)
_ANY_SIZE = (0.0, 1e10)
SIZES: Mapping[str, tuple[float, float]] = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""The smallest and the largest area of a box, in pixels of the original image; both are included, as COCO does."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: average precision at IoU 0.5 and over 0.5 to 0.95; precision, recall, F1 at the best threshold of all classes."""

    ap50: float
    ap50_95: float
    boxes: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Scores:
    """The result of an evaluation; `threshold` is the confidence at which the mean F1 of the classes is best."""

    images: int
    map50: float
    map50_95: float
    per_class: Mapping[str, ClassScore]
    threshold: float

    def to_json(self) -> dict[str, Any]:
        """The output of `evaluate --json`."""
        return {
            "images": self.images,
            "map50": self.map50,
            "map50_95": self.map50_95,
            "threshold": self.threshold,
            "per_class": {
                name: {key: getattr(score, key) for key in ClassScore.__dataclass_fields__}
                for name, score in self.per_class.items()
            },
        }


@dataclass(frozen=True, slots=True)
class SizeScore:
    """Objects of one size: their number, and average precision; None where there are no such objects."""

    boxes: int
    ap50: float | None
    ap50_95: float | None


@dataclass(frozen=True, slots=True)
class ClassDetails:
    """One class: its scores by size, and its precision, recall and F1 over the threshold, at IoU 0.5."""

    sizes: Mapping[str, SizeScore]
    best_threshold: float | None
    """The confidence of its best F1; None if none of its objects is detected."""
    precision: NDArray[np.float64]
    """(thresholds,), as `recall` and `f1`."""
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    precision_at_recall: NDArray[np.float64]
    """(recalls,): the precision-recall curve. Its mean is AP50."""


@dataclass(frozen=True, slots=True)
class Details:
    """What `Scores` leaves out."""

    sizes: Mapping[str, SizeScore]
    """small, medium, large; AP is the mean of the classes that have objects of that size."""
    best_threshold: float
    """The confidence at which the mean F1 of the classes is best."""
    thresholds: NDArray[np.float64]
    recalls: NDArray[np.float64]
    per_class: Mapping[str, ClassDetails]


class DetectionMetrics:
    """Collects ground truth and detections image by image, in pixels of the original images."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._images: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._detections: list[NDArray[np.float64]] = []

    def add(
        self,
        size: tuple[int, int],
        true_boxes: NDArray[np.float32],
        true_labels: NDArray[np.int32],
        detections: Detections,
    ) -> None:
        """Add one image of `size` (width, height): true boxes (n, 4) x1 y1 x2 y2 with classes (n,), and detections."""
        image_id = len(self._images) + 1
        self._images.append({"id": image_id, "width": size[0], "height": size[1]})
        for (x1, y1, x2, y2), label in zip(true_boxes.tolist(), true_labels.tolist(), strict=True):
            self._truth.append(
                {
                    "id": len(self._truth) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
        boxes, scores, labels = detections.boxes, detections.scores, detections.labels
        if len(scores):
            sides = boxes[:, 2:] - boxes[:, :2]
            # image, x, y, w, h, score, category
            image_ids = np.full((len(scores), 1), image_id)
            rows = np.hstack((image_ids, boxes[:, :2], sides, scores[:, None], labels[:, None] + 1))
            self._detections.append(rows.astype(np.float64))

    def result(self, threshold: float | None = None) -> Scores:
        """The scores of all images. Classes without a true box are left out of the means.

        `threshold`: the confidence for precision, recall and F1; None: where the mean F1 of the classes is best.
        """
        counts = self._count_boxes(_ANY_SIZE)
        precisions, confidences = self._evaluate(counts, [_ANY_SIZE])
        if threshold is None:
            threshold = confidences.best_threshold()
        ap = precisions[..., 0].mean(axis=1)  # (ious, classes)
        precision, recall, f1 = confidences.at(np.array([threshold]))
        per_class = {
            name: ClassScore(
                ap50=float(ap[0, number]),
                ap50_95=float(ap[:, number].mean()),
                boxes=int(counts[number]),
                precision=float(precision[number, 0]),
                recall=float(recall[number, 0]),
                f1=float(f1[number, 0]),
            )
            for number, name in enumerate(self.classes)
        }
        total = _size_score(counts, ap)
        return Scores(
            images=len(self._images),
            map50=total.ap50 or 0.0,
            map50_95=total.ap50_95 or 0.0,
            per_class=per_class,
            threshold=threshold,
        )

    def details(self) -> Details:
        """AP by size, and the curves."""
        counts = {size: self._count_boxes(area) for size, area in SIZES.items()}
        precisions, confidences = self._evaluate(self._count_boxes(_ANY_SIZE), [_ANY_SIZE, *SIZES.values()])
        by_size = {size: precisions[..., n].mean(axis=1) for n, size in enumerate(SIZES, start=1)}
        precision, recall, f1 = confidences.at(_CURVE_THRESHOLDS)
        return Details(
            sizes={size: _size_score(counts[size], ap) for size, ap in by_size.items()},
            best_threshold=confidences.best_threshold(),
            thresholds=_CURVE_THRESHOLDS,
            recalls=_RECALLS,
            per_class={
                name: ClassDetails(
                    sizes={size: _size_score(counts[size][[number]], ap[:, [number]]) for size, ap in by_size.items()},
                    best_threshold=confidences.best_threshold_of(number),
                    precision=precision[number],
                    recall=recall[number],
                    f1=f1[number],
                    precision_at_recall=precisions[0, :, number, 0],
                )
                for number, name in enumerate(self.classes)
            },
        )

    def _count_boxes(self, area: tuple[float, float]) -> NDArray[np.int64]:
        """The number of true boxes of each class whose area is in this range."""
        labels = [truth["category_id"] - 1 for truth in self._truth if area[0] <= truth["area"] <= area[1]]
        return np.bincount(np.array(labels, np.int64), minlength=len(self.classes))

    def _evaluate(
        self, counts: NDArray[np.int64], areas: Sequence[tuple[float, float]]
    ) -> tuple[NDArray[np.float64], _Confidences]:
        """Precision (ious, recalls, classes, areas), and the detections with whether they are correct at IoU 0.5.

        A precision is 0 where the class has no true box. `counts`: the true boxes of each class.
        """
        rows = np.concatenate([np.zeros((0, 7)), *self._detections])
        correct = np.zeros(len(rows), np.bool_)
        precisions = np.zeros((len(_IOUS), len(_RECALLS), len(self.classes), len(areas)))
        if self._truth and len(rows):
            categories = [{"id": number + 1, "name": name} for number, name in enumerate(self.classes)]
            dataset = {"images": self._images, "annotations": self._truth, "categories": categories}
            truth = COCO(dataset, print_function=_no_print)
            detections = truth.loadRes(_as_annotations(rows))
            results = _run(truth, detections, _IOUS, areas)
            # (ious, recalls, classes, areas, max_detections); -1 stands for a class without truth.
            precisions = np.clip(results["precision"][..., -1], 0, None)
            # The matches of several IoUs are not kept apart, and a box can have several: so IoU 0.5 is run once more, alone.
            for pair in _run(truth, detections, _IOUS[:1], [_ANY_SIZE])["matched"]:
                correct[int(pair.split("_")[0]) - 1] = True
        return precisions, _Confidences(rows[:, 5], rows[:, 6].astype(np.int64) - 1, correct, counts)


class _Confidences:
    """The detections of all images by confidence: how many are correct above any threshold, at IoU 0.5."""

    def __init__(
        self,
        scores: NDArray[np.float64],
        labels: NDArray[np.int64],
        correct: NDArray[np.bool_],
        counts: NDArray[np.int64],
    ) -> None:
        numbers = range(len(counts))
        self._all = [np.sort(scores[labels == number]) for number in numbers]
        self._correct = [np.sort(scores[(labels == number) & correct]) for number in numbers]
        self._counts = counts

    def at(self, thresholds: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Precision, recall and F1 of the detections from each threshold on, each (classes, thresholds); 0 for 0/0."""
        detected, correct = (
            np.array([len(scores) - np.searchsorted(scores, thresholds) for scores in per_class], np.float64)
            for per_class in (self._all, self._correct)
        )
        true = np.broadcast_to(self._counts[:, None], correct.shape)
        fractions = ((correct, detected), (correct, true), (2 * correct, detected + true))
        return tuple(np.divide(a, b, out=np.zeros_like(a), where=b > 0) for a, b in fractions)

    def best_threshold(self) -> float:
        """The confidence at which the mean F1 of the classes with truth is best; 0.5 without truth or detections.

        With few images whole ranges of confidences are equally good: then the middle of the widest range.
        """
        if not self._counts.any() or not any(map(len, self._all)):
            return _NO_BEST_THRESHOLD
        return _best_threshold(self.at(_THRESHOLDS)[2][self._counts > 0].mean(axis=0))

    def best_threshold_of(self, number: int) -> float | None:
        """The confidence at which the F1 of one class is best; None if none of its objects is detected."""
        f1 = self.at(_THRESHOLDS)[2][number]
        return _best_threshold(f1) if f1.any() else None


def _best_threshold(f1: NDArray[np.float64]) -> float:
    """The best of `_THRESHOLDS`; `f1` (thresholds,)."""
    best = np.flatnonzero(f1 >= f1.max() - 1e-9)
    ranges = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    widest = max(ranges, key=len)
    return float(_THRESHOLDS[widest[len(widest) // 2]])


def _size_score(counts: NDArray[np.int64], ap: NDArray[np.float64]) -> SizeScore:
    """The mean of the classes with boxes; `counts` (classes,), `ap` (ious, classes)."""
    present = counts > 0
    if not present.any():
        return SizeScore(0, None, None)
    return SizeScore(int(counts.sum()), float(ap[0, present].mean()), float(ap[:, present].mean()))


def _run(
    truth: COCO, detections: COCO, ious: NDArray[np.float64], areas: Sequence[tuple[float, float]]
) -> Mapping[str, Any]:
    """The library's results at these IoUs for boxes of these areas, at most 100 per image."""
    run = COCOeval_faster(truth, detections, "bbox", print_function=_no_print)
    run.params.iouThrs = ious
    run.params.maxDets = [MAX_DETECTIONS]
    run.params.areaRng = [list(area) for area in areas]
    run.params.areaRngLbl = [str(number) for number in range(len(areas))]
    run.evaluate()
    run.accumulate()
    results: Mapping[str, Any] = run.eval
    return results


def _as_annotations(rows: NDArray[np.float64]) -> list[dict[str, Any]]:
    """The library's format of detections; from the rows themselves it would make a polygon of eight numbers for each box."""
    ids = rows[:, [0, 6]].astype(np.int64).tolist()
    boxes, scores = rows[:, 1:5].tolist(), rows[:, 5].tolist()
    return [
        {"image_id": image, "category_id": category, "bbox": box, "score": score, "segmentation": ()}
        for (image, category), box, score in zip(ids, boxes, scores, strict=True)
    ]


def _no_print(*_: object) -> None:
    """Replaces the library's progress output."""
