"""Curves as SVG: axes with values, one or more lines, the border between the stages, the best value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from tui.report.elements import element

WIDTH, HEIGHT = 480, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 468, 14, 212
"""The edges of the plot area."""
_TICKS = 5
_MAX_DOTS = 40
"""A line of more points is drawn without dots."""
_MIN_LOGARITHMIC_RATIO = 20.0
"""Of the largest to the smallest value: from here on small values would lie on the axis."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve; `colour` is one of CSS."""

    name: str
    points: Sequence[Point]
    colour: str
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with a text above it."""

    point: Point
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    is_logarithmic: bool = False

    def position(self, value: float) -> float:
        """The place of a value in the drawing."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return self.start + (self._scaled(value) - low) / (high - low) * (self.end - self.start)

    def ticks(self, min_step: float = 0.0) -> list[float]:
        """Round values along the axis; on a linear one at least `min_step` apart."""
        if self.is_logarithmic:
            exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [10.0**exponent * digit for exponent in exponents for digit in (1, 2, 5)]
            if len(exponents) > _TICKS:
                values = [10.0**exponent for exponent in exponents]
            return [value for value in values if self.low <= value <= self.high]
        step = max(min_step, _round_step((self.high - self.low) / _TICKS))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.is_logarithmic else value


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x_title: str,
    border: tuple[float, str] | None = None,
    marks: Sequence[Mark] = (),
    y_range: tuple[float, float] | None = None,
) -> Element:
    """A figure with its title, a legend and the curves.

    Args:
        title: what the values are.
        lines: at least one point in all.
        x_title: of the horizontal axis.
        border: a position at which a vertical line is drawn, and its text.
        marks: points that are named.
        y_range: of the values; by default theirs, from 0 on or logarithmic.
    """
    positions = [x for line in lines for x, _y in line.points]
    x_axis = _Axis(*_widened(min(0.0, *positions), max(positions)), _LEFT, _RIGHT)
    y_axis = _value_axis([y for line in lines for _x, y in line.points], y_range)
    drawing = element(
        "svg",
        *_grid(x_axis, y_axis, x_title),
        *(_border(x_axis, *border) if border is not None else ()),
        *(part for line in lines for part in _draw_line(line, x_axis, y_axis)),
        *(part for mark in marks for part in _draw_mark(mark, x_axis, y_axis)),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=title,
    )
    legend = (element("span", line.name, class_="key", style=_key_style(line)) for line in lines if line.name)
    return element("figure", element("figcaption", element("b", title), *legend), drawing, class_="chart")


def _value_axis(values: Sequence[float], y_range: tuple[float, float] | None) -> _Axis:
    if y_range is not None:
        return _Axis(*y_range, _BOTTOM, _TOP)
    low, high = min(values), max(values)
    if low > 0 and high / low >= _MIN_LOGARITHMIC_RATIO:
        return _Axis(low / 1.2, high * 1.2, _BOTTOM, _TOP, is_logarithmic=True)
    return _Axis(*_widened(min(0.0, low), high * 1.08), _BOTTOM, _TOP)


def _widened(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + 1.0)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... that is not less than `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))


def _grid(x_axis: _Axis, y_axis: _Axis, x_title: str) -> Iterator[Element]:
    for value in y_axis.ticks():
        y = y_axis.position(value)
        yield element("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=y, y2=y)
        yield element("text", _number(value), class_="tick", x=_LEFT - 6, y=y + 4, text_anchor="end")
    min_step = 1.0 if x_axis.high - x_axis.low > 1 else 0.0  # no half epochs; recalls and thresholds end at 1
    for value in x_axis.ticks(min_step):
        x = x_axis.position(value)
        yield element("line", class_="axis", x1=x, x2=x, y1=_BOTTOM, y2=_BOTTOM + 4)
        yield element("text", _number(value), class_="tick", x=x, y=_BOTTOM + 17, text_anchor="middle")
    yield element("line", class_="axis", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM)
    yield element("text", x_title, class_="tick", x=(_LEFT + _RIGHT) / 2, y=HEIGHT - 4, text_anchor="middle")


def _border(x_axis: _Axis, position: float, text: str) -> Iterator[Element]:
    x = x_axis.position(position)
    is_left = x > (_LEFT + _RIGHT) / 2
    yield element("line", class_="border", x1=x, x2=x, y1=_TOP, y2=_BOTTOM)
    anchor, shift = ("end", -5) if is_left else ("start", 5)
    yield element("text", text, class_="tick", x=x + shift, y=_TOP + 8, text_anchor=anchor)


def _draw_line(line: Line, x_axis: _Axis, y_axis: _Axis) -> Iterator[Element]:
    places = [(x_axis.position(x), y_axis.position(y)) for x, y in line.points]
    if len(places) > 1:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashes = {"stroke_dasharray": "6 4"} if line.is_dashed else {}
        yield element("polyline", class_="curve", points=points, stroke=line.colour, **dashes)
    if len(places) <= _MAX_DOTS:
        for (x, y), (position, value) in zip(places, line.points, strict=True):
            tip = element("title", f"{line.name} {_number(position)}: {_number(value)}".strip())
            yield element("circle", tip, cx=x, cy=y, r=2.6, fill=line.colour)


def _draw_mark(mark: Mark, x_axis: _Axis, y_axis: _Axis) -> Iterator[Element]:
    x, y = x_axis.position(mark.point[0]), y_axis.position(mark.point[1])
    anchor = "end" if x > _RIGHT - 60 else "start" if x < _LEFT + 60 else "middle"
    yield element("circle", cx=x, cy=y, r=4.5, fill="none", stroke=mark.colour, stroke_width=1.5)
    yield element(
        "text",
        mark.text,
        class_="mark",
        x=x,
        y=y - 9 if y > _TOP + 16 else y + 18,
        text_anchor=anchor,
        fill=mark.colour,
    )


def _key_style(line: Line) -> str:
    return f"border-top: 3px {'dashed' if line.is_dashed else 'solid'} {line.colour}"


def _number(value: float) -> str:
    return f"{value:.4g}"
