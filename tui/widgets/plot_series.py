"""What a plot shows: curves, single points that stand out, and a border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


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
class Drawing:
    """What `Plot.show` was given."""

    series: tuple[Series, ...]
    x_range: tuple[float, float] | None
    y_range: tuple[float, float] | None
    border: Border | None
    marks: tuple[Mark, ...]
