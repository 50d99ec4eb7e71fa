"""The cells of a plot: braille dots, two by four in a cell, or other characters over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.widgets.plot_scale import Scale
from tui.widgets.plot_series import Border, Point

POINT, BEST, BORDER = "•", "◆", "│"
CELLS_PER_POINT = 3
"""Points at least so far apart are drawn as points on their line."""
_LEFT_DOTS, _RIGHT_DOTS = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
_LEFT_MASKS, _RIGHT_MASKS = (
    [[sum(dots[top : bottom + 1]) for bottom in range(4)] for top in range(4)] for dots in (_LEFT_DOTS, _RIGHT_DOTS)
)
"""[first][last] -> the dots of a cell's left or right column from the first row to the last."""
_DASH = 3
"""Dots of a dash, and of the gap after it."""

Run = tuple[str, str]
"""Text and its style."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line as it is drawn. `sets_scale`: whether the y axis has to include it. `from_left`: whether it begins before the first
    point of `points` that is shown, so that its first point is none of its own.
    """

    points: Sequence[Point]
    style: str
    dashed: bool = False
    sets_scale: bool = True
    from_left: bool = False


class Canvas:
    """Cells of braille dots, or of other characters over them, each with one style."""

    def __init__(self, width: int, height: int, x_scale: Scale, y_scale: Scale) -> None:
        self._width, self._height = width, height
        self._x_scale, self._y_scale = x_scale, y_scale
        self._dots = [bytearray(width) for _ in range(height)]
        self._styles = [[""] * width for _ in range(height)]
        self._characters: dict[tuple[int, int], str] = {}
        """(row, column) -> what is drawn there instead of dots."""

    def add_line(self, curve: Curve) -> None:
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
