"""How good detections are: mAP as COCO defines it, and precision, recall, F1 at the best threshold."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from engine.evaluation.detect import MOST_BOXES, Detections

logging.getLogger("faster_coco_eval").setLevel(logging.ERROR)
_THRESHOLDS = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: average precision at IoU 0.5 and over 0.5 to 0.95; precision, recall, F1 at the common best threshold."""

    ap50: float
    ap50_95: float
    boxes: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Scores:
    """What an evaluation found; `threshold` is the confidence at which the mean F1 of the classes is best."""

    images: int
    map50: float
    map50_95: float
    per_class: Mapping[str, ClassScore]
    threshold: float

    def to_json(self) -> dict[str, Any]:
        """The form of `evaluate --json`."""
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


class Scorer:
    """Collects truth and detections picture by picture, in pixels of the original pictures."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._images: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._found: list[NDArray[np.float64]] = []

    def add(
        self, size: tuple[int, int], boxes: NDArray[np.float32], labels: NDArray[np.int32], found: Detections
    ) -> None:
        """Take in one picture of `size` (width, height): true boxes (n, 4) x1 y1 x2 y2 with classes (n,), and detections."""
        number = len(self._images) + 1
        self._images.append({"id": number, "width": size[0], "height": size[1]})
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            self._truth.append(
                {
                    "id": len(self._truth) + 1,
                    "image_id": number,
                    "category_id": label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
        if len(found.scores):
            sides = found.boxes[:, 2:] - found.boxes[:, :2]
            # The library's own rows: image, x, y, w, h, score, category.
            numbers = np.full((len(found.scores), 1), number)
            rows = np.hstack((numbers, found.boxes[:, :2], sides, found.scores[:, None], found.labels[:, None] + 1))
            self._found.append(rows.astype(np.float64))

    def result(self) -> Scores:
        """The scores of everything taken in. Classes without a true box take no part in the means."""
        counts = np.bincount([t["category_id"] - 1 for t in self._truth], minlength=len(self.classes))
        if not self._truth or not self._found:
            none = {n: ClassScore(0.0, 0.0, int(c), 0.0, 0.0, 0.0) for n, c in zip(self.classes, counts, strict=True)}
            return Scores(len(self._images), 0.0, 0.0, none, 0.5)
        curves = _Curves(self._evaluated())
        present = counts > 0
        threshold = curves.best_threshold(present)
        per_class = {}
        for number, name in enumerate(self.classes):
            precision, recall, f1 = curves.at(threshold, number)
            per_class[name] = ClassScore(
                ap50=float(curves.ap[0, number]),
                ap50_95=float(curves.ap[:, number].mean()),
                boxes=int(counts[number]),
                precision=precision,
                recall=recall,
                f1=f1,
            )
        return Scores(
            images=len(self._images),
            map50=float(curves.ap[0, present].mean()),
            map50_95=float(curves.ap[:, present].mean()),
            per_class=per_class,
            threshold=threshold,
        )

    def _evaluated(self) -> Any:
        categories = [{"id": number + 1, "name": name} for number, name in enumerate(self.classes)]
        truth = COCO(
            {"images": self._images, "annotations": self._truth, "categories": categories}, print_function=_silent
        )
        ev = COCOeval_faster(truth, truth.loadRes(np.concatenate(self._found)), "bbox", print_function=_silent)
        ev.params.maxDets = [MOST_BOXES]
        ev.params.areaRng = [[0, 1e10]]
        ev.params.areaRngLbl = ["all"]
        ev.evaluate()
        ev.accumulate()
        return ev


class _Curves:
    """Precision over recall of each class, and the confidence at which each recall is reached.

    Recall runs in COCO's 101 steps, and precision is the best that any larger recall reaches too, as in its definition of AP.
    """

    def __init__(self, evaluated: Any) -> None:
        # (ious, recalls, classes); -1 stands for a class without truth.
        precision: NDArray[np.float64] = np.clip(evaluated.eval["precision"][..., 0, -1], 0, None)
        self.ap = precision.mean(axis=1)  # (ious, classes)
        self.precision = precision[0].T  # (classes, recalls) at IoU 0.5
        self.score: NDArray[np.float64] = evaluated.eval["scores"][0, :, :, 0, -1].T
        self.recall: NDArray[np.float64] = evaluated.params.recThrs

    def at(self, threshold: float, number: int) -> tuple[float, float, float]:
        """Precision, recall and F1 of one class when only detections above `threshold` count."""
        reached = np.flatnonzero((self.score[number] >= threshold) & (self.precision[number] > 0))
        if not len(reached):
            return 0.0, 0.0, 0.0
        precision, recall = float(self.precision[number, reached[-1]]), float(self.recall[reached[-1]])
        together = precision + recall
        return precision, recall, 2 * precision * recall / together if together else 0.0

    def best_threshold(self, present: NDArray[np.bool_]) -> float:
        """The confidence at which the mean F1 of the classes that are `present` is best."""
        classes = np.flatnonzero(present)
        means = [np.mean([self.at(t, int(number))[2] for number in classes]) for t in _THRESHOLDS]
        return float(_THRESHOLDS[int(np.argmax(means))])


def _silent(*_: object) -> None:
    """The library tells its progress; here it is nobody's."""
