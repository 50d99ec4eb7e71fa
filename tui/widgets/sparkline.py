"""A curve in one row of block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

LEVELS = "▁▂▃▄▅▆▇█"
CONSTANT = LEVELS[3]
"""Values that do not differ, one alone included: neither low nor high."""


def sparkline(
    values: Sequence[float], width: int, *, minimum: float | None = None, maximum: float | None = None
) -> str:
    """`width` cells. A cell shows the mean of its values; fewer values than cells leave the rest blank.

    Args:
        values: from left to right; NaN and infinity leave a gap.
        width: in cells.
        minimum: what the lowest block stands for; None: the smallest value.
        maximum: what the highest block stands for; None: the largest value.
    """
    cells = resample(values, width)
    finite = [value for value in cells if math.isfinite(value)]
    if not finite:
        return " " * width
    low = min(finite) if minimum is None else minimum
    high = max(finite) if maximum is None else maximum
    return "".join(_block(value, low, high) for value in cells).ljust(width)


def resample(values: Sequence[float], width: int) -> list[float]:
    """At most `width` values: the values themselves, or means of neighbours. What is not finite does not count in a mean."""
    count = len(values)
    if count <= width:
        return list(values)
    edges = [cell * count // width for cell in range(width + 1)]
    return [_mean(values[start:stop]) for start, stop in pairwise(edges)]


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def _block(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    if high <= low:
        return CONSTANT
    fraction = min(1.0, max(0.0, (value - low) / (high - low)))
    return LEVELS[round(fraction * (len(LEVELS) - 1))]
