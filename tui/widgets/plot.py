"""Curves over a common x axis, in braille characters: two by four dots a cell.

Drawn here and not by plotext: textual-plotext needs plotext 5, plotext 6 takes three times as long for a plot (9 ms for 120 x 20
cells, every second, on the training's time), and neither uses the theme's variables or redraws single rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from tui.text import _
from tui.widgets.plot_canvas import BEST, BORDER, Canvas, Curve, Run
from tui.widgets.plot_scale import Scale
from tui.widgets.plot_series import Border, Drawing, Mark, Point, Series

LABEL_WIDTH = 7
"""Cells of the labels of the y axis, the same in all plots: their x axes are aligned."""
LOGARITHMIC_RATIO = 10.0
"""A largest value of so many times the smallest suits a logarithmic scale."""
RAW_STYLE = "dim"
"""Added to the colour of a curve behind its smoothed form."""
SMOOTHING = 0.05
"""A smoothed point is the mean over this part of all points, at most."""

AXIS = "─"
SOLID_SWATCH, DASHED_SWATCH = "━━", "╍╍"
LABEL_STYLE = "$text-muted"

Row = tuple[Run, ...]


class Plot(Widget):
    """A legend, the curves, and on the left and below their axes. It takes the size that its container gives it."""

    DEFAULT_CSS = "Plot { height: 1fr; min-height: 4; }"

    def __init__(
        self, title: str, *, x_title: str | None = None, may_be_logarithmic: bool = False, id: str | None = None
    ) -> None:
        """Create an empty plot.

        Args:
            title: what the y axis shows.
            x_title: what the x axis shows; None: no x axis, as in a plot above another one.
            may_be_logarithmic: whether the y axis is logarithmic where the values differ much, as suits losses.
            id: the widget's id.
        """
        super().__init__(id=id)
        self._title = title
        self._x_title = x_title
        self._may_be_logarithmic = may_be_logarithmic
        self._drawing = Drawing((), None, None, None, ())
        self._rows: tuple[Row, ...] = ()
        self._drawn_size: Size | None = None
        self._strips: dict[Row, Strip] = {}
        self._strip_colours: tuple[str, Style] | None = None
        """The theme, and the style of the widget, in which `_strips` are drawn."""

    def show(
        self,
        series: Sequence[Series],
        *,
        x_range: tuple[float, float] | None = None,
        y_range: tuple[float, float] | None = None,
        border: Border | None = None,
        marks: Sequence[Mark] = (),
    ) -> None:
        """Show curves; the first one is drawn first. Only rows that changed are redrawn.

        Args:
            series: with their points; points outside of the ranges are not shown.
            x_range: ends of the x axis; None: those of the points.
            y_range: ends of the y axis; None: those of the points within `x_range`.
            border: a vertical line.
            marks: single points, drawn over the curves.
        """
        self._drawing = Drawing(tuple(series), x_range, y_range, border, tuple(marks))
        before, size = self._rows, self.size
        is_same_size = self._drawn_size == size
        self._draw()
        if not is_same_size:
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            if old != new:
                self.refresh(Region(0, y, size.width, 1))

    def set_title(self, title: str) -> None:
        """Change what the y axis is said to show, with the next `show`."""
        self._title = title

    def _draw(self) -> None:
        self._drawn_size = self.size
        self._rows = tuple(
            _rows(self._drawing, self._title, self._x_title, self.size, may_be_logarithmic=self._may_be_logarithmic)
        )

    def render_line(self, y: int) -> Strip:
        """One row; rows that did not change keep their strip."""
        if self._drawn_size != self.size:
            self._draw()
        if y >= len(self._rows):
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        if (colours := (self.app.theme, self.visual_style)) != self._strip_colours:
            self._strip_colours = colours
            self._strips.clear()
        row = self._rows[y]
        if (strip := self._strips.get(row)) is None:
            if len(self._strips) > 4 * len(self._rows):
                self._strips.clear()
            strip = self._strips[row] = self._strip(row)
        return strip

    def _strip(self, row: Row) -> Strip:
        base = self.visual_style
        parse = self.app.stylesheet.parse_style
        segments = [
            Segment(text, (base + parse(style)).rich_style if style else base.rich_style) for text, style in row
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base.rich_style)


def _rows(drawing: Drawing, title: str, x_title: str | None, size: Size, *, may_be_logarithmic: bool) -> Iterator[Row]:
    """Legend, canvas with the y axis, and the x axis if it has a title."""
    width, height = size.width - LABEL_WIDTH - 1, size.height - 1 - (x_title is not None)
    if width < 2 or height < 1:
        return
    x_scale = Scale(*(drawing.x_range or _ends(x for series in drawing.series for x, _y in series.points)))
    curves = list(_curves(drawing.series, x_scale))
    y_scale = _y_scale(drawing.y_range, curves, may_be_logarithmic=may_be_logarithmic)
    yield _legend(_("{title} (log)", title=title) if y_scale.logarithmic else title, drawing, size.width)
    canvas = Canvas(width, height, x_scale, y_scale)
    for curve in curves:
        canvas.add_line(curve)
    for mark in drawing.marks:
        canvas.add_character(mark.x, mark.y, BEST, mark.colour)
    if drawing.border is not None:
        canvas.add_border(drawing.border)
    has_values = any(curve.points for curve in curves) or drawing.y_range is not None
    labels = _y_labels(y_scale, height) if has_values else {}
    for y in range(height):
        label = labels.get(y)
        yield (f"{label or '':>{LABEL_WIDTH}}{'┤' if label else BORDER}", LABEL_STYLE), *canvas.row(y)
    if x_title is not None:
        yield _x_axis(x_scale, x_title, width)


def _curves(all_series: Iterable[Series], x_scale: Scale) -> Iterator[Curve]:
    for series in all_series:
        points: Sequence[Point] = series.points
        if series.smoothed:
            shown, from_left = _cut(points, x_scale)
            yield Curve(shown, f"{series.colour} {RAW_STYLE}", sets_scale=False, from_left=from_left)
            points = smooth(points)
        shown, from_left = _cut(points, x_scale)
        yield Curve(shown, series.colour, series.dashed, from_left=from_left)


def _cut(points: Sequence[Point], x_scale: Scale) -> tuple[list[Point], bool]:
    """The points on the x axis; and, first, where the line crosses its left end, if it does."""
    shown = [point for point in points if x_scale.low <= point[0] <= x_scale.high]
    before = sum(x < x_scale.low for x, _y in points)
    if not before or not shown:
        return shown, False
    (x, y), (next_x, next_y) = points[before - 1], shown[0]
    if next_x <= x:
        return shown, False
    return [(x_scale.low, y + (next_y - y) * (x_scale.low - x) / (next_x - x)), *shown], True


def smooth(points: Sequence[Point]) -> list[Point]:
    """The mean of each point and its neighbours on both sides, as many before as behind it; points that are not finite are left out."""
    finite = [point for point in points if math.isfinite(point[1])]
    reach, last = round(len(finite) * SMOOTHING / 2), len(finite) - 1
    sums = list(itertools.accumulate((y for _x, y in finite), initial=0.0))
    smoothed = []
    for index, (x, _y) in enumerate(finite):
        side = min(reach, index, last - index)
        smoothed.append((x, (sums[index + side + 1] - sums[index - side]) / (2 * side + 1)))
    return smoothed


def _ends(values: Iterable[float]) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 1.0)


def _y_scale(y_range: tuple[float, float] | None, curves: Iterable[Curve], *, may_be_logarithmic: bool) -> Scale:
    if y_range is not None:
        return Scale(*y_range)
    low, high = _ends(y for curve in curves if curve.sets_scale for _x, y in curve.points)
    return Scale(low, high, may_be_logarithmic and low > 0 and high / low >= LOGARITHMIC_RATIO)


def _number(value: float) -> str:
    """At most `LABEL_WIDTH` cells."""
    text = f"{value:.3g}"
    return text if len(text) <= LABEL_WIDTH else f"{value:.0e}"


def _y_labels(scale: Scale, height: int) -> dict[int, str]:
    """Row -> label: the ends of the axis, and round values that are not beside another label."""
    if scale.high <= scale.low:
        return {height // 2: _number(scale.low)}
    if height == 1:
        return {0: _number(scale.high)}
    labels = {0: _number(scale.high), height - 1: _number(scale.low)}
    for row, tick in tick_rows(scale, height).items():
        if not {row - 1, row, row + 1} & labels.keys():
            labels[row] = _number(tick)
    return labels


def tick_rows(scale: Scale, height: int) -> dict[int, float]:
    """Row -> round value; on a linear axis so few that none is beside another, since a gap between even ones looks like a mistake."""
    for count in range(max(1, height // 2), 0, -1):
        ticks = scale.ticks(count)
        rows = {round((1 - scale.place(tick)) * (height - 1)): tick for tick in ticks}
        if scale.logarithmic or (len(rows) == len(ticks) and not any(row + 1 in rows for row in rows)):
            return rows
    return {}


def _x_axis(scale: Scale, title: str, width: int) -> Row:
    """A line with round values in it, and the title at its right end."""
    title = f" {title}"
    line = [AXIS] * max(0, width - cell_len(title))
    next_free = 0
    min_step = 1.0 if scale.high - scale.low > 1 else 0.0  # no half epochs; recalls and thresholds end at 1
    for tick in scale.ticks(max(1, width // 12), min_step):
        text = f"{tick:.10g}"
        column = min(round(scale.place(tick) * (width - 1)), len(line)) - len(text) // 2
        column = max(0, column)
        if column >= next_free and column + len(text) <= len(line):
            line[column : column + len(text)] = text
            next_free = column + len(text) + 2
    return ((f"{' ' * LABEL_WIDTH}└{''.join(line)}{title}", LABEL_STYLE),)


def _legend(title: str, drawing: Drawing, width: int) -> Row:
    """The title, then names and values; the last ones are left out if they do not fit."""
    parts: list[list[Run]] = [[(f" {title}", "bold")]]
    for series in drawing.series:
        swatch = DASHED_SWATCH if series.dashed else SOLID_SWATCH
        text = " ".join(filter(None, (series.name, series.value_text)))
        parts.append([(swatch, series.colour), (f" {text}", "")])
    parts += [[(BEST, mark.colour), (f" {mark.text}", "")] for mark in drawing.marks if mark.text]
    runs: list[Run] = []
    left = width
    for index, part in enumerate(parts):
        gap = [("   ", "")] if index else []
        needed = sum(cell_len(text) for text, _style in gap + part)
        if needed > left:
            break
        runs += gap + part
        left -= needed
    return tuple(runs) or ((set_cell_size(title, width), "bold"),)
