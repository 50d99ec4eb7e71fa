"""Points of the curves of an evaluation, for plots and charts: (x, y) pairs; y is NaN where there is no value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.evaluation.run_report import RunReport

Point = tuple[float, float]


def weakest_classes(report: RunReport) -> list[str]:
    """The classes with boxes, the weakest first."""
    present = ((name, score.ap50) for name, score in report.scores.per_class.items() if score.boxes)
    return [name for name, _ap50 in sorted(present, key=lambda row: row[1])]


def precision_recall_points(report: RunReport, name: str) -> list[Point]:
    """Precision over recall of a class, at IoU 0.5."""
    details = report.details
    return list(zip(details.recalls.tolist(), details.per_class[name].precision_at_recall.tolist(), strict=True))


def threshold_points(report: RunReport, name: str, value: Literal["recall", "f1"]) -> list[Point]:
    """Recall or F1 of a class over the confidence threshold."""
    details = report.details
    values = details.per_class[name].recall if value == "recall" else details.per_class[name].f1
    return list(zip(details.thresholds.tolist(), values.tolist(), strict=True))


def precision_points(report: RunReport, name: str) -> list[Point]:
    """Precision of a class over the confidence threshold; there is none where nothing is found: 0 divided by 0."""
    details, curves = report.details, report.details.per_class[name]
    found = zip(details.thresholds.tolist(), curves.precision.tolist(), curves.recall.tolist(), strict=True)
    return [(threshold, precision if recall > 0 else math.nan) for threshold, precision, recall in found]


def mean_curve(curves: Iterable[list[Point]]) -> list[Point]:
    """The mean of curves over the same x; of those that have a value there."""
    mean = []
    for column in zip(*curves, strict=True):
        values = [y for _x, y in column if not math.isnan(y)]
        mean.append((column[0][0], sum(values) / len(values) if values else math.nan))
    return mean


def best_f1(f1: list[Point], threshold: float | None) -> Point | None:
    """The point of an F1 curve at its best threshold; None if there is none."""
    if threshold is None or not f1:
        return None
    return min(f1, key=lambda point: abs(point[0] - threshold))
