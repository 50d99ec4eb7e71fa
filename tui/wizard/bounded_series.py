"""A curve whose memory does not grow with the run."""

from __future__ import annotations

from collections.abc import Sequence

MAX_POINTS = 512


class BoundedSeries:
    """A curve of bounded length. When it is full, neighbouring points are merged into their mean.

    One thread appends while others read: a list that `curve` returned only ever grows at its end.
    """

    def __init__(self) -> None:
        self._curve: list[tuple[float, float]] = []
        self._values_per_point = 1
        self._sum = self._position_sum = 0.0
        self._count = 0

    @property
    def curve(self) -> Sequence[tuple[float, float]]:
        """(position, value) from the run's first value to its newest."""
        return self._curve

    @property
    def points(self) -> list[float]:
        """The values of `curve`."""
        return [value for _position, value in self._curve]

    @property
    def values_per_point(self) -> int:
        """How many values one point is the mean of."""
        return self._values_per_point

    def append(self, value: float, count: int = 1, position: float = 0.0) -> None:
        """Add a value at the end, `count` times."""
        while count > 0:
            added = min(count, self._values_per_point - self._count)
            self._sum += added * value
            self._position_sum += added * position
            self._count += added
            count -= added
            if self._count == self._values_per_point:
                self._add_point(self._position_sum / self._count, self._sum / self._count)

    def _add_point(self, position: float, value: float) -> None:
        self._curve.append((position, value))
        self._sum, self._position_sum, self._count = 0.0, 0.0, 0
        if len(self._curve) >= MAX_POINTS:
            pairs = zip(self._curve[::2], self._curve[1::2], strict=True)
            self._curve = [((x + next_x) / 2, (y + next_y) / 2) for (x, y), (next_x, next_y) in pairs]
            self._values_per_point *= 2
