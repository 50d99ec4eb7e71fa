"""The trend of the validation loss. Only the trend tells whether the network learns; the value does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Literal

Verdict = Literal["too_early", "falling", "flat", "rising", "unclear", "not_finite"]

MIN_EPOCHS = 5
"""Fewer cannot be significant: even five in strict order happen by chance in one of sixty cases."""
MAX_EPOCHS = 15
"""Older values would show a former trend."""
SIGNIFICANT_Z = 1.96
"""Two-sided 5 % of the normal distribution."""
LIKELY_Z = 1.28
"""Two-sided 20 %. Between both values neither a trend nor its absence is certain."""
MIN_CHANGE = 0.01
"""A smaller relative change over the whole window is flat, however significant."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A verdict and its figures.

    `epochs`: the length of the window. `change`: the relative change over it (-0.1: a tenth lower). `certainty`: the
    Mann-Kendall statistic z (its sign is the direction). `noise`: the median distance from the line, relative. All but `epochs`
    are 0 without a verdict.
    """

    verdict: Verdict
    epochs: int
    change: float = 0.0
    certainty: float = 0.0
    noise: float = 0.0


def trend_of(losses: Sequence[float]) -> Trend:
    """The trend of a validation loss, one value per epoch, all of one stage: unfreezing makes the loss jump.

    Only the newest values count, the window: half of all, at least 5, at most 15. In it

    - the slope is that of Theil and Sen: the median of (y_j - y_i) / (j - i) over all pairs i < j. Up to a third of the values
      may be outliers.
    - the test for a trend is that of Mann (1945) and Kendall: S is the number of rising pairs minus that of falling pairs;
      without a trend its variance is n (n - 1) (2 n + 5) / 18, minus t (t - 1) (2 t + 5) / 18 for every t equal values.
      z = (S - sign S) / sqrt(variance).
    - the change over the window is the slope times n - 1, divided by the median of |y|, so that it does not depend on how
      the loss is defined. The noise is the median distance from the line, divided by the same.

    If |change| >= 1 % and |change| > noise, the loss is falling or rising with |z| >= 1.96, and unclear with |z| >= 1.28; in all
    other cases it is flat. Fewer than five values are too early. If the newest value is infinite or NaN, the verdict is not
    finite; older such values are ignored.
    """
    if losses and not math.isfinite(losses[-1]):
        return Trend("not_finite", 1)
    finite = [(float(epoch), loss) for epoch, loss in enumerate(losses) if math.isfinite(loss)]
    if len(finite) < MIN_EPOCHS:
        return Trend("too_early", len(finite))
    window = finite[-max(MIN_EPOCHS, min(MAX_EPOCHS, math.ceil(len(finite) / 2))) :]
    size = median(abs(loss) for _, loss in window)
    if size == 0:
        return Trend("flat", len(window))
    slope = _theil_sen(window)
    middle = median(loss - slope * epoch for epoch, loss in window)
    change = slope * (window[-1][0] - window[0][0]) / size
    noise = median(abs(loss - slope * epoch - middle) for epoch, loss in window) / size
    certainty = _mann_kendall([loss for _, loss in window])
    verdict: Verdict
    if abs(certainty) < LIKELY_Z or abs(change) < max(MIN_CHANGE, noise):
        verdict = "flat"
    elif abs(certainty) < SIGNIFICANT_Z:
        verdict = "unclear"
    else:
        verdict = "falling" if change < 0 else "rising"
    return Trend(verdict, len(window), change, certainty, noise)


def _theil_sen(points: Sequence[tuple[float, float]]) -> float:
    return median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in combinations(points, 2))


def _mann_kendall(values: Sequence[float]) -> float:
    n = len(values)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = [values.count(value) for value in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if score == 0 or variance <= 0:
        return 0.0
    return (score - math.copysign(1, score)) / math.sqrt(variance)
