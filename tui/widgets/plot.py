"""Curves over a common x axis, in braille characters: two by four dots a cell.

Drawn here and not by plotext: textual-plotext needs plotext 5, plotext 6 takes three times as long for a plot (9 ms for 120 x 20
cells, every second, on the training's time), and neither uses the theme's variables or redraws single rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from tui.text import _

LABEL_WIDTH = 7
"""Cells of the labels of the y axis, the same in all plots: their x axes are aligned."""
LOGARITHMIC_RATIO = 10.0
"""A largest value of so many times the smallest suits a logarithmic scale."""
CELLS_PER_POINT = 3
"""Points at least so far apart are drawn as points on their line."""
RAW_STYLE = "dim"
"""Added to the colour of a curve behind its smoothed form."""
SMOOTHING = 0.05
"""A smoothed point is the mean over this part of all points, at most."""

POINT, BEST, BORDER, AXIS = "•", "◆", "│", "─"
SOLID_SWATCH, DASHED_SWATCH = "━━", "╍╍"
LABEL_STYLE = "$text-muted"
_LEFT_DOTS, _RIGHT_DOTS = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
_LEFT_MASKS, _RIGHT_MASKS = (
    [[sum(dots[top : bottom + 1]) for bottom in range(4)] for top in range(4)] for dots in (_LEFT_DOTS, _RIGHT_DOTS)
)
"""[first][last] -> the dots of a cell's left or right column from the first row to the last."""
_DASH = 3
"""Dots of a dash, and of the gap after it."""

Point = tuple[float, float]
Run = tuple[str, str]
"""Text and its style."""
Row = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A curve.

    Attributes:
        name: in the legend.
        points: (x, y) pairs in the order of x; a y that is not finite leaves a gap.
        colour: a style, such as a variable of the theme.
        smoothed: whether the points are drawn faintly behind their running mean.
        dashed: so that it can be told from another one without colours.
        value_text: behind the name in the legend.
    """

    name: str
    points: Sequence[Point]
    colour: str = "$train"
    smoothed: bool = False
    dashed: bool = False
    value_text: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that stands out, such as the best one, and its text in the legend."""

    x: float
    y: float
    text: str = ""
    colour: str = "$success"


@dataclass(frozen=True, slots=True)
class Border:
    """A vertical line where something begins, and its name."""

    x: float
    name: str
    colour: str = "$stage"


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places: `low` is at 0, `high` at 1."""

    low: float
    high: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where `value` is; NaN if it is nowhere."""
        return self.places((value,))[0]

    def places(self, values: Iterable[float]) -> list[float]:
        """Where each value is; NaN if it is nowhere."""
        if self.logarithmic:
            low, high = math.log(self.low), math.log(self.high)
            values = [math.log(value) if value > 0 else math.nan for value in values]
        else:
            low, high = self.low, self.high
        if high <= low:
            return [0.5 if math.isfinite(value) else math.nan for value in values]
        factor = 1 / (high - low)
        return [(value - low) * factor for value in values]

    def ticks(self, count: int) -> list[float]:
        """About `count` round values, the roundest first."""
        if self.high <= self.low or count < 1:
            return [self.low]
        if self.logarithmic:
            exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = max(1, len(exponents) // count)
            candidates = (factor * 10.0**exponent for factor in (1, 3, 2, 5) for exponent in exponents[::every])
            return [tick for tick in candidates if self.low <= tick <= self.high]
        step = _round_step((self.high - self.low) / count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


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
        self._drawing = _Drawing((), None, None, None, ())
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
        self._drawing = _Drawing(tuple(series), x_range, y_range, border, tuple(marks))
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


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What `Plot.show` was given."""

    series: tuple[Series, ...]
    x_range: tuple[float, float] | None
    y_range: tuple[float, float] | None
    border: Border | None
    marks: tuple[Mark, ...]


def _rows(drawing: _Drawing, title: str, x_title: str | None, size: Size, *, may_be_logarithmic: bool) -> Iterator[Row]:
    """Legend, canvas with the y axis, and the x axis if it has a title."""
    width, height = size.width - LABEL_WIDTH - 1, size.height - 1 - (x_title is not None)
    if width < 2 or height < 1:
        return
    x_scale = Scale(*(drawing.x_range or _ends(x for series in drawing.series for x, _y in series.points)))
    curves = list(_curves(drawing.series, x_scale))
    y_scale = _y_scale(drawing.y_range, curves, may_be_logarithmic=may_be_logarithmic)
    yield _legend(_("{title} (log)", title=title) if y_scale.logarithmic else title, drawing, size.width)
    canvas = _Canvas(width, height, x_scale, y_scale)
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


@dataclass(frozen=True, slots=True)
class _Curve:
    """A line as it is drawn. `sets_scale`: whether the y axis has to include it. `from_left`: whether it begins before the first
    point of `points` that is shown, so that its first point is none of its own.
    """

    points: Sequence[Point]
    style: str
    dashed: bool = False
    sets_scale: bool = True
    from_left: bool = False


def _curves(all_series: Iterable[Series], x_scale: Scale) -> Iterator[_Curve]:
    for series in all_series:
        points: Sequence[Point] = series.points
        if series.smoothed:
            shown, from_left = _cut(points, x_scale)
            yield _Curve(shown, f"{series.colour} {RAW_STYLE}", sets_scale=False, from_left=from_left)
            points = smooth(points)
        shown, from_left = _cut(points, x_scale)
        yield _Curve(shown, series.colour, series.dashed, from_left=from_left)


def _cut(points: Sequence[Point], x_scale: Scale) -> tuple[list[Point], bool]:
    """The points on the x axis; and, first, where the line crosses its left end, if it does."""
    shown = [point for point in points if x_scale.low <= point[0] <= x_scale.high]
    before = len(points) - len([point for point in points if point[0] >= x_scale.low])
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


def _y_scale(y_range: tuple[float, float] | None, curves: Iterable[_Curve], *, may_be_logarithmic: bool) -> Scale:
    if y_range is not None:
        return Scale(*y_range)
    low, high = _ends(y for curve in curves if curve.sets_scale for _x, y in curve.points)
    return Scale(low, high, may_be_logarithmic and low > 0 and high / low >= LOGARITHMIC_RATIO)


def _round_step(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not less than `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


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
    for tick in scale.ticks(max(1, height // 2)):
        row = round((1 - scale.place(tick)) * (height - 1))
        if not {row - 1, row, row + 1} & labels.keys():
            labels[row] = _number(tick)
    return labels


def _x_axis(scale: Scale, title: str, width: int) -> Row:
    """A line with round values in it, and the title at its right end."""
    title = f" {title}"
    line = [AXIS] * max(0, width - cell_len(title))
    next_free = 0
    for tick in scale.ticks(max(1, width // 12)):
        text = f"{tick:.10g}"
        column = min(round(scale.place(tick) * (width - 1)), len(line)) - len(text) // 2
        column = max(0, column)
        if column >= next_free and column + len(text) <= len(line):
            line[column : column + len(text)] = text
            next_free = column + len(text) + 2
    return ((f"{' ' * LABEL_WIDTH}└{''.join(line)}{title}", LABEL_STYLE),)


def _legend(title: str, drawing: _Drawing, width: int) -> Row:
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


class _Canvas:
    """Cells of braille dots, or of other characters over them, each with one style."""

    def __init__(self, width: int, height: int, x_scale: Scale, y_scale: Scale) -> None:
        self._width, self._height = width, height
        self._x_scale, self._y_scale = x_scale, y_scale
        self._dots = [bytearray(width) for _ in range(height)]
        self._styles = [[""] * width for _ in range(height)]
        self._characters: dict[tuple[int, int], str] = {}
        """(row, column) -> what is drawn there instead of dots."""

    def add_line(self, curve: _Curve) -> None:
        """Draw a line through points. Few points are marked; points above or below the canvas are left out."""
        columns, rows = 2 * self._width - 1, 4 * self._height - 1
        spans: dict[int, tuple[int, int]] = {}
        previous: tuple[int, int] | None = None
        x_places = self._x_scale.places(x for x, _y in curve.points)
        y_places = self._y_scale.places(y for _x, y in curve.points)
        for x, y in zip(x_places, y_places, strict=True):
            if not -1e-9 <= y <= 1 + 1e-9:  # NaN is not either
                previous = None
                continue
            point = round(x * columns), round((1 - y) * rows)
            _connect(spans, previous, point)
            previous = point
        for column, (top, bottom) in spans.items():
            if not curve.dashed or column // _DASH % 2 == 0:
                self._fill(column, top, bottom, curve.style)
        if len(curve.points) * CELLS_PER_POINT <= self._width:
            for x, y in curve.points[curve.from_left :]:
                self.add_character(x, y, POINT, curve.style)

    def _fill(self, column: int, top: int, bottom: int, style: str) -> None:
        """Set the dots of a column from `top` to `bottom`, both included."""
        masks = _RIGHT_MASKS if column % 2 else _LEFT_MASKS
        x = column // 2
        for y in range(top // 4, bottom // 4 + 1):
            self._dots[y][x] |= masks[max(0, top - 4 * y)][min(3, bottom - 4 * y)]
            self._styles[y][x] = style

    def add_character(self, x: float, y: float, character: str, style: str) -> None:
        """Draw a character in the cell of a point, if the point is on the canvas."""
        x_place, y_place = self._x_scale.place(x), self._y_scale.place(y)
        if 0 <= x_place <= 1 and 0 <= y_place <= 1:
            # As the dots are rounded: the cell is that of the dot.
            row = round((1 - y_place) * (4 * self._height - 1)) // 4
            column = round(x_place * (2 * self._width - 1)) // 2
            self._characters[row, column] = character
            self._styles[row][column] = style

    def add_border(self, border: Border) -> None:
        """Draw a line behind the curves, with its name in the first row where it hides nothing."""
        place = self._x_scale.place(border.x)
        if not 0 <= place <= 1:
            return
        column = round(place * (2 * self._width - 1)) // 2
        for row in range(self._height):
            if self._is_empty(row, column):
                self._characters[row, column] = BORDER
                self._styles[row][column] = border.colour
        self._write_beside(column, border.name, border.colour)

    def _write_beside(self, column: int, text: str, style: str) -> None:
        length = cell_len(text)
        for start in (column + 2, column - 1 - length):
            if start < 0 or start + length > self._width:
                continue
            for row in range(self._height):
                if all(self._is_empty(row, cell) for cell in range(start, start + length)):
                    self._write(row, start, text, style)
                    return

    def _write(self, row: int, column: int, text: str, style: str) -> None:
        for character in text:
            self._characters[row, column] = character
            self._styles[row][column] = style
            for covered in range(column + 1, column + cell_len(character)):
                self._characters[row, covered] = ""
                self._styles[row][covered] = style
            column += cell_len(character)

    def _is_empty(self, row: int, column: int) -> bool:
        return not self._dots[row][column] and (row, column) not in self._characters

    def row(self, y: int) -> Iterator[Run]:
        """Cells of one style are one run."""
        texts = [chr(0x2800 + dots) if dots else " " for dots in self._dots[y]]
        for (row, column), character in self._characters.items():
            if row == y:
                texts[column] = character
        for style, cells in itertools.groupby(range(self._width), key=self._styles[y].__getitem__):
            yield "".join(texts[cell] for cell in cells), style


def _connect(spans: dict[int, tuple[int, int]], previous: tuple[int, int] | None, point: tuple[int, int]) -> None:
    """Add the line from `previous` to `point` to the spans (column -> first and last row) of its columns."""
    x, y = point
    if previous is None or previous[0] == x:
        top, bottom = spans.get(x, (y, y))
        spans[x] = min(top, y), max(bottom, y)
        return
    before_x, before_y = previous
    slope, last_y = (y - before_y) / (x - before_x), before_y
    for column in range(before_x + 1, x + 1):
        next_y = round(before_y + slope * (column - before_x))
        spans[column] = (last_y, next_y) if last_y < next_y else (next_y, last_y)
        last_y = next_y
