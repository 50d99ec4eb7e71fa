"""The parts of the page about the threshold: precision against recall, both over the threshold, and the confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from tui.report.chart import Line, Mark, Point, line_chart
from tui.report.content import ReportContent
from tui.report.elements import element
from tui.text import _
from tui.wizard.evaluation_curves import (
    best_f1,
    mean_curve,
    precision_points,
    precision_recall_points,
    threshold_points,
    weakest_classes,
)

MAX_CLASSES = 5
"""Curves beside the mean."""
MAX_MATRIX = 14
"""Classes of a confusion matrix that fits on a page."""
MEAN, PRECISION, RECALL, F1 = "#16161a", "#015e99", "#b86a00", "#5e005d"


def evaluation_charts(content: ReportContent) -> Iterator[Element]:
    """Precision over recall of the weakest classes, and the means over the threshold."""
    if content.results is None:
        return
    from engine.evaluation.colours import colour_of

    measured = content.results.measured
    classes = weakest_classes(measured)
    if not classes:
        return
    numbers = {name: number for number, name in enumerate(measured.scores.per_class)}
    curves = {name: precision_recall_points(measured, name) for name in classes}
    lines = [
        Line(name, curves[name], "#{:02x}{:02x}{:02x}".format(*colour_of(numbers[name])))
        for name in classes[:MAX_CLASSES]
    ]
    if len(classes) > 1:
        lines.append(Line(_("mean"), mean_curve(curves.values()), MEAN, is_dashed=True))
    title = _("precision, by recall (IoU 0.5)")
    charts = [line_chart(title, lines, x_title=_("recall"), y_range=(0.0, 1.0))]
    f1 = mean_curve(threshold_points(measured, name, "f1") for name in classes)
    precision = mean_curve(precision_points(measured, name) for name in classes)
    means = [
        Line(_("precision"), _finite(precision), PRECISION),
        Line(
            _("recall"),
            mean_curve(threshold_points(measured, name, "recall") for name in classes),
            RECALL,
            is_dashed=True,
        ),
        Line("F1", f1, F1),
    ]
    best = best_f1(f1, measured.details.best_threshold)
    marks = () if best is None else (Mark(best, f"F1 {best[1]:.3f}", F1),)
    charts.append(
        line_chart(
            _("mean of the classes, by threshold"),
            means,
            x_title=_("confidence threshold"),
            marks=marks,
            y_range=(0.0, 1.0),
        )
    )
    yield element("div", *charts, class_="charts")


def confusion_part(content: ReportContent) -> Iterator[Element]:
    """The confusion matrix, unless there are too many classes for a page."""
    if content.results is None or len(content.results.measured.scores.per_class) > MAX_MATRIX:
        return
    measured = content.results.measured
    names = [*measured.scores.per_class, _("no object")]
    counts: list[list[int]] = measured.confusion.tolist()
    header = (element("th", name, scope="col") for name in names)
    rows = (
        element(
            "tr",
            element("th", name, scope="row"),
            *(_cell(count, sum(row), is_background=number == len(names) - 1) for count in row),
        )
        for number, (name, row) in enumerate(zip(names, counts, strict=True))
    )
    yield element("h3", _("Confusion matrix"))
    yield element(
        "p",
        _(
            "A row for each true class, a column for each detected class; the darker, the larger the share of the true class."
        ),
        class_="hint",
    )
    yield element(
        "table",
        element("thead", element("tr", element("th", _("true ↓  detected →"), scope="col"), *header)),
        element("tbody", *rows),
        class_="confusion",
    )


def _cell(count: int, total: int, *, is_background: bool) -> Element:
    """A number of the matrix; the row of the background is no number of objects, and has no share."""
    share = 0.0 if is_background or not total else count / total
    style = f"background: rgb(36 48 184 / {share:.2f}); color: {'#fff' if share > 0.5 else 'inherit'}"
    return element("td", str(count) if count else "·", style=style)


def _finite(points: Sequence[Point] | Iterable[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point[1])]
