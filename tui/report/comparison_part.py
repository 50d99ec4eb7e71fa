"""The part of the page that compares the run with another one."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from tui.report.chart import Line, line_chart
from tui.report.content import ReportContent
from tui.report.elements import element, table
from tui.text import _
from tui.wizard.comparison_text import describe_limits, result_rows, setting_name, setting_text
from tui.wizard.run_comparison import loss_curves, map_curves

COLOURS = ("#015e99", "#b86a00")


def comparison_section(content: ReportContent) -> Iterator[Element]:
    """What limits the comparison, results and settings of both runs, their curves over common axes."""
    comparison = content.comparison
    if comparison is None:
        return
    for sentence in describe_limits(comparison):
        yield element("p", sentence, class_="warning" if comparison.limits else "hint")
    left, right = result_rows(comparison.left), result_rows(comparison.right)
    results = [
        (name, value, other) for (name, value), (_name, other) in zip(left, right, strict=True) if value or other
    ]
    settings = ((setting_name(name), *map(setting_text, pair)) for name, pair in comparison.settings.items())
    yield table(("", "1", "2"), (*results, *settings))
    split, losses = loss_curves(comparison)
    title = _("validation loss") if split == "val" else _("training loss")
    charts = [_chart(title, losses, None), _chart("mAP50", map_curves(comparison), (0.0, 1.0))]
    yield element("div", *(chart for chart in charts if chart is not None), class_="charts")


def _chart(
    title: str, curves: tuple[list[tuple[float, float]], list[tuple[float, float]]], y_range: tuple[float, float] | None
) -> Element | None:
    lines = [
        Line(str(number), curve, colour, is_dashed=number == 2)
        for number, (curve, colour) in enumerate(zip(curves, COLOURS, strict=True), 1)
        if curve
    ]
    return line_chart(title, lines, x_title=_("epoch"), y_range=y_range) if lines else None
