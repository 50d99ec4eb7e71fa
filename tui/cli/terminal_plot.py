"""Two curves over common axes in plain characters: 1 and 2, and + where both are. Any terminal shows them, also without colours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

Point = tuple[float, float]

HEIGHT = 12
"""Lines of the plot area."""
_SCALE_WIDTH = 9
_MIN_WIDTH = 20


def plot_curves(curves: Sequence[Sequence[Point]], width: int, x_title: str) -> Iterator[str]:
    """Lines of text, at most `width` columns wide; nothing where the curves have no point.

    Args:
        curves: up to nine, drawn with their numbers.
        width: columns of the terminal.
        x_title: of the horizontal axis.
    """
    points = [point for curve in curves for point in curve]
    if not points:
        return
    columns = max(_MIN_WIDTH, width - _SCALE_WIDTH - 1)
    x_low, x_high = _limits([x for x, _y in points])
    y_low, y_high = _limits([y for _x, y in points])
    rows = [[" "] * columns for _ in range(HEIGHT)]
    for number, curve in enumerate(curves, 1):
        for x, y in _dense(curve, columns):
            row = rows[round((y_high - y) / (y_high - y_low) * (HEIGHT - 1))]
            column = round((x - x_low) / (x_high - x_low) * (columns - 1))
            row[column] = str(number) if row[column] in (" ", str(number)) else "+"
    for index, row in enumerate(rows):
        is_named = index in (0, HEIGHT // 2, HEIGHT - 1)
        value = f"{y_high - (y_high - y_low) * index / (HEIGHT - 1):.4g}" if is_named else ""
        yield f"{value:>{_SCALE_WIDTH - 1}} |{''.join(row)}".rstrip()
    yield " " * _SCALE_WIDTH + "+" + "-" * columns
    first, last = f"{x_low:.4g}", f"{x_high:.4g}"
    middle = max(1, columns - len(first) - len(last))
    yield " " * (_SCALE_WIDTH + 1) + first + f"{x_title:^{middle}}" + last


def _dense(curve: Sequence[Point], columns: int) -> Iterator[Point]:
    """The points, and between neighbouring ones enough more for an unbroken line."""
    yield from curve[:1]
    for (x, y), (next_x, next_y) in itertools.pairwise(curve):
        for part in range(1, columns + 1):
            yield x + (next_x - x) * part / columns, y + (next_y - y) * part / columns


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
