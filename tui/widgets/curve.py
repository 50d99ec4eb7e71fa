"""A curve in one or a few lines of block characters, with its name on the left and its latest value on the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

BARS = " ▁▂▃▄▅▆▇█"
BOUNDARY = "│"


@dataclass(frozen=True, slots=True)
class _Plot:
    """What is drawn, to redraw only when it changes."""

    size: Size
    rows: tuple[str, ...]
    value_text: str
    boundary_column: int | None


class Curve(Widget):
    """Values from left to right over the whole width; `boundary` marks where the stage changes."""

    SCOPED_CSS = False  # the size of the screen decides the height
    DEFAULT_CSS = """
    Curve { height: 1; }
    .-high Curve { height: 2; }
    """

    LABEL_WIDTH = 14
    VALUE_WIDTH = 25

    def __init__(
        self, label: str, *, logarithmic: bool = False, minimum: float | None = None, id: str | None = None
    ) -> None:
        """Create an empty curve.

        Args:
            label: the name of the values.
            logarithmic: whether the scale is logarithmic, as suits losses.
            minimum: the lower end of the scale; None: the smallest value.
            id: the widget's id.
        """
        super().__init__(id=id)
        self._label = label
        self._logarithmic = logarithmic
        self._minimum = minimum
        self._points: Sequence[float] = ()
        self._value_text = ""
        self._boundary: float | None = None
        self._plot: _Plot | None = None

    def show(self, points: Sequence[float], value_text: str, boundary: float | None = None) -> None:
        """Show values at equal distances; `boundary` is a fraction of the width, 0 to 1."""
        self._points, self._value_text, self._boundary = tuple(points), value_text, boundary
        if (plot := self._make_plot()) != self._plot:  # most steps of a long run change no cell of most curves
            self._plot = plot
            self.refresh()

    def set_label(self, label: str) -> None:
        """Change the name."""
        if label != self._label:
            self._label = label
            self.refresh()

    def _make_plot(self) -> _Plot:
        width = max(1, self.size.width - self.LABEL_WIDTH - self.VALUE_WIDTH - 2)
        height = max(1, self.size.height)
        rows = plot_rows(self._points, width, height, logarithmic=self._logarithmic, minimum=self._minimum)
        column = None if self._boundary is None or not self._points else min(width - 1, round(self._boundary * width))
        return _Plot(self.size, tuple(rows), self._value_text, column)

    def render(self) -> Content:
        """Name and value are in the first line."""
        if self._plot is None or self._plot.size != self.size:
            self._plot = self._make_plot()
        lines = []
        for index, row in enumerate(self._plot.rows):
            lines.append(
                Content.assemble(
                    _fit(self._label if index == 0 else "", self.LABEL_WIDTH).stylize("$text-muted"),
                    *_with_boundary(row, self._plot.boundary_column),
                    "  ",
                    _fit(self._plot.value_text if index == 0 else "", self.VALUE_WIDTH),
                )
            )
        return Content("\n").join(lines)


def plot_rows(
    points: Sequence[float], width: int, height: int, *, logarithmic: bool = False, minimum: float | None = None
) -> list[str]:
    """`height` rows of `width` cells. A cell shows the mean of its points; NaN and infinity leave a gap."""
    cells = [_scaled(value, logarithmic=logarithmic) for value in resample(points, width)]
    finite = [value for value in cells if value is not None]
    if not finite:
        return [" " * width] * height
    scaled_minimum = None if minimum is None else _scaled(minimum, logarithmic=logarithmic)
    low = min(finite) if scaled_minimum is None else scaled_minimum
    span = max(finite) - low
    max_level = 8 * height - 1
    levels = [
        0 if value is None else 1 + (round((value - low) / span * max_level) if span > 0 else 0) for value in cells
    ]
    return [
        "".join(BARS[max(0, min(8, level - 8 * (height - 1 - row)))] for level in levels).ljust(width)
        for row in range(height)
    ]


def resample(points: Sequence[float], width: int) -> list[float]:
    """One value a cell: the mean of several points, or the same point in several cells."""
    count = len(points)
    if count == 0:
        return []
    if count <= width:
        return [points[cell * count // width] for cell in range(width)]
    edges = [cell * count // width for cell in range(width + 1)]
    return [math.fsum(points[start:stop]) / (stop - start) for start, stop in pairwise(edges)]


def _scaled(value: float, *, logarithmic: bool) -> float | None:
    if not math.isfinite(value):
        return None
    if not logarithmic:
        return value
    return math.log(value) if value > 0 else None


def _with_boundary(row: str, column: int | None) -> list[tuple[str, str]]:
    if column is None:
        return [(row, "$primary")]
    return [(row[:column], "$primary"), (BOUNDARY, "$warning"), (row[column + 1 :], "$primary")]


def _fit(text: str, width: int) -> Content:
    """Exactly `width` cells; Chinese characters take two."""
    content = Content(text)
    if content.cell_length > width:
        return content.truncate(width, ellipsis=True)
    return content.pad_right(width - content.cell_length)
