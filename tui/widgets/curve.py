"""A curve in a few cells, with its name before and its newest value behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

BARS = " ▁▂▃▄▅▆▇█"
BORDER = "│"


@dataclass(frozen=True, slots=True)
class _Drawn:
    size: Size
    rows: tuple[str, ...]
    figure: str
    column: int | None
    """Of the border."""


class Curve(Widget):
    """Values from left to right over the whole width; `border` marks where something changed."""

    SCOPED_CSS = False  # the screen's size decides
    DEFAULT_CSS = """
    Curve { height: 1; }
    .-high Curve { height: 2; }
    """

    LABEL_WIDTH = 14
    FIGURE_WIDTH = 25

    def __init__(
        self, label: str, *, logarithmic: bool = False, least: float | None = None, id: str | None = None
    ) -> None:
        """`logarithmic`: losses fall by shares. `least`: where the scale begins; None: at the least value."""
        super().__init__(id=id)
        self._label = label
        self._logarithmic = logarithmic
        self._least = least
        self._points: Sequence[float] = ()
        self._figure = ""
        self._border: float | None = None
        self._drawn: _Drawn | None = None

    def show(self, points: Sequence[float], figure: str, border: float | None = None) -> None:
        """`points` at equal distances; `border` as a share of the way, 0 to 1."""
        self._points, self._figure, self._border = tuple(points), figure, border
        if (now := self._draw()) != self._drawn:  # most steps of a long run change no cell of most curves
            self._drawn = now
            self.refresh()

    def name_it(self, label: str) -> None:
        """Another name."""
        if label != self._label:
            self._label = label
            self.refresh()

    def _draw(self) -> _Drawn:
        """What stands in the cells, for the size that there is now."""
        width = max(1, self.size.width - self.LABEL_WIDTH - self.FIGURE_WIDTH - 2)
        height = max(1, self.size.height)
        rows = drawn(self._points, width, height, logarithmic=self._logarithmic, least=self._least)
        column = None if self._border is None or not self._points else min(width - 1, round(self._border * width))
        return _Drawn(self.size, tuple(rows), self._figure, column)

    def render(self) -> Content:
        """The name and the figure stand on the first line."""
        if self._drawn is None or self._drawn.size != self.size:
            self._drawn = self._draw()
        rows, figure, column = self._drawn.rows, self._drawn.figure, self._drawn.column
        lines = []
        for number, row in enumerate(rows):
            label = self._label if number == 0 else ""
            value = figure if number == 0 else ""
            lines.append(
                Content.assemble(
                    _fitted(label, self.LABEL_WIDTH).stylize("$text-muted"),
                    *_with_border(row, column),
                    "  ",
                    _fitted(value, self.FIGURE_WIDTH),
                )
            )
        return Content("\n").join(lines)


def drawn(
    points: Sequence[float], width: int, height: int, *, logarithmic: bool = False, least: float | None = None
) -> list[str]:
    """`height` rows of `width` cells; every point takes part in the mean of its cell. What is no number leaves a gap."""
    cells = [_scaled(value, logarithmic=logarithmic) for value in resampled(points, width)]
    there = [value for value in cells if value is not None]
    if not there:
        return [" " * width] * height
    floor = min(there) if least is None else _scaled(least, logarithmic=logarithmic)
    low = min(there) if floor is None else floor
    span = max(there) - low
    steps = 8 * height - 1
    levels = [0 if value is None else 1 + (round((value - low) / span * steps) if span > 0 else 0) for value in cells]
    return [
        "".join(BARS[max(0, min(8, level - 8 * (height - 1 - row)))] for level in levels).ljust(width)
        for row in range(height)
    ]


def resampled(points: Sequence[float], width: int) -> list[float]:
    """One value a cell: means where there are more points than cells, else each point as often as there is room."""
    count = len(points)
    if count == 0:
        return []
    if count <= width:
        return [points[cell * count // width] for cell in range(width)]
    edges = [cell * count // width for cell in range(width + 1)]
    return [math.fsum(points[begin:end]) / (end - begin) for begin, end in pairwise(edges)]


def _scaled(value: float, *, logarithmic: bool) -> float | None:
    if not math.isfinite(value):
        return None
    if not logarithmic:
        return value
    return math.log(value) if value > 0 else None


def _with_border(row: str, column: int | None) -> list[tuple[str, str]]:
    if column is None:
        return [(row, "$primary")]
    return [(row[:column], "$primary"), (BORDER, "$warning"), (row[column + 1 :], "$primary")]


def _fitted(text: str, width: int) -> Content:
    """Exactly `width` cells; Chinese characters take two."""
    content = Content(text)
    if content.cell_length > width:
        return content.truncate(width, ellipsis=True)
    return content.pad_right(width - content.cell_length)
