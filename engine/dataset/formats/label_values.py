"""Values of labels whose file may hold anything in their place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Corners = tuple[float, float, float, float]
"""x1 y1 x2 y2."""

_MAX_SIDE = 1 << 20


def text_of_name(value: object) -> str | None:
    """A name from a label: text or a number; None if it is empty or anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    # Half of a surrogate pair cannot be written to a file.
    return str(value).strip().encode("utf-8", "replace").decode("utf-8") or None


def number_of(value: object) -> float:
    """A number, or the one that a text states; it may be infinite or NaN.

    Raises:
        ValueError: it is no number, or one that is too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("no number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("too large a number") from error


def side_of(value: object) -> int:
    """A width or height in pixels; 0 if `value` is not a plausible one."""
    try:
        side = number_of(value)
    except ValueError:
        return 0
    return int(side) if 0 < side < _MAX_SIDE else 0


def box_around(points: Iterable[object]) -> Corners | None:
    """The box around points, each of which is a pair of numbers; None if one is not, or if there are fewer than two."""
    pairs: list[tuple[float, float]] = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            return None
        try:
            x, y = number_of(point[0]), number_of(point[1])
        except ValueError:
            return None
        pairs.append((x, y))
    xs, ys = [x for x, _y in pairs], [y for _x, y in pairs]
    if len(pairs) < 2 or not all(map(math.isfinite, (*xs, *ys))):
        return None
    return min(xs), min(ys), max(xs), max(ys)


def join_boxes(boxes: Sequence[Corners]) -> Corners:
    """The box around all of `boxes`."""
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return min(x1), min(y1), max(x2), max(y2)
