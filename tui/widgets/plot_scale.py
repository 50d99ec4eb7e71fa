"""A linear or logarithmic axis of a plot."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


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

    def ticks(self, count: int, min_step: float = 0.0) -> list[float]:
        """About `count` round values, the roundest first; on a linear scale at least `min_step` apart."""
        if self.high <= self.low or count < 1:
            return [self.low]
        if self.logarithmic:
            exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = max(1, len(exponents) // count)
            candidates = (factor * 10.0**exponent for factor in (1, 3, 2, 5) for exponent in exponents[::every])
            return [tick for tick in candidates if self.low <= tick <= self.high]
        step = max(min_step, _round_step((self.high - self.low) / count))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def _round_step(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not less than `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
