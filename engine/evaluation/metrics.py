"""Detection metrics: mAP as COCO defines it, and precision, recall and F1 at the best threshold."""

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

    def result(self) -> Scores:
        """The scores of all images. Classes without a true box are left out of the means."""
        counts = np.bincount([t["category_id"] - 1 for t in self._truth], minlength=len(self.classes))
        if not self._truth or not self._detections:
            zeros = {n: ClassScore(0.0, 0.0, int(c), 0.0, 0.0, 0.0) for n, c in zip(self.classes, counts, strict=True)}
            return Scores(len(self._images), 0.0, 0.0, zeros, 0.5)
        ap, confidences = self._evaluate(counts)
        threshold = confidences.best_threshold()
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
        present = counts > 0
        return Scores(
            images=len(self._images),
            map50=float(ap[0, present].mean()),
            map50_95=float(ap[:, present].mean()),
            per_class=per_class,
            threshold=threshold,
        )

    def _evaluate(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], _Confidences]:
        """Average precision (ious, classes), and the detections with whether they are correct at IoU 0.5."""
        categories = [{"id": number + 1, "name": name} for number, name in enumerate(self.classes)]
        truth = COCO(
            {"images": self._images, "annotations": self._truth, "categories": categories}, print_function=_no_print
        )
        rows = np.concatenate(self._detections)
        detections = truth.loadRes(_as_annotations(rows))
        results = _run(truth, detections, _IOUS)
        # (ious, recalls, classes, areas, max_detections) -> (ious, classes); -1 stands for a class without truth.
        ap = np.clip(results["precision"][..., 0, -1], 0, None).mean(axis=1)
        # The matches of several IoUs are not kept apart, and a box can have several: so IoU 0.5 is run once more, alone.
        correct = np.zeros(len(rows), np.bool_)
        for pair in _run(truth, detections, _IOUS[:1])["matched"]:
            correct[int(pair.split("_")[0]) - 1] = True
        return ap, _Confidences(rows[:, 5], rows[:, 6].astype(np.int64) - 1, correct, counts)


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
        """The confidence at which the mean F1 of the classes with truth is best.

        With few images whole ranges of confidences are equally good: then the middle of the widest range.
        """
        mean = self.at(_THRESHOLDS)[2][self._counts > 0].mean(axis=0)
        best = np.flatnonzero(mean >= mean.max() - 1e-9)
        ranges = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
        widest = max(ranges, key=len)
        return float(_THRESHOLDS[widest[len(widest) // 2]])


def _run(truth: COCO, detections: COCO, ious: NDArray[np.float64]) -> Mapping[str, Any]:
    """The library's results at these IoUs for boxes of any size, at most 100 per image."""
    run = COCOeval_faster(truth, detections, "bbox", print_function=_no_print)
    run.params.iouThrs = ious
    run.params.maxDets = [MAX_DETECTIONS]
    run.params.areaRng = [[0, 1e10]]
    run.params.areaRngLbl = ["all"]
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
