"""Where the validation loss is going. Its trend says whether the network learns; its value says nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Literal

Verdict = Literal["too_early", "falling", "flat", "rising", "unclear", "not_finite"]

LEAST_EPOCHS = 5
"""Fewer cannot be significant: even five in strict order are so by chance in one of sixty cases."""
MOST_EPOCHS = 15
"""What lies further back says where the loss was going once."""
SIGNIFICANT = 1.96
"""Two-sided 5 % of the normal distribution."""
LIKELY = 1.28
"""Two-sided 20 %: too little to say that it moves, too much to say that it stands still."""
WORTH_NAMING = 0.01
"""A change of less than this share of the loss over the whole window is flat, however certain it is."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A verdict and what it rests on.

    `epochs` is the length of the window, `change` the change over it as a share of the loss's size there (-0.1: a tenth
    lower), `certainty` the Mann-Kendall statistic z (its sign is the direction), `noise` the typical distance from the
    line as a share. All but `epochs` are 0 where there is no verdict.
    """

    verdict: Verdict
    epochs: int
    change: float = 0.0
    certainty: float = 0.0
    noise: float = 0.0


def trend_of(losses: Sequence[float]) -> Trend:
    """The trend of a validation loss, one value an epoch, all of one stage: unfreezing makes it jump.

    Only the newest values count, the window: half of all, at least 5, at most 15. In it

    - the slope is Theil and Sen's: the median of (y_j - y_i) / (j - i) over all pairs i < j. A third of the values may be
      wild without moving it much.
    - whether it is more than noise is asked as Mann (1945) and Kendall do: S counts the pairs that rise less those that
      fall; without a trend its variance is n (n - 1) (2 n + 5) / 18, less t (t - 1) (2 t + 5) / 18 for every t values that
      are equal. z = (S - sign S) / sqrt(variance).
    - the change over the window is the slope times n - 1, divided by the median of |y|, so that it does not hang on how
      the loss is defined. The noise is the median distance from the line, divided by the same.

    Where |change| >= 1 % and |change| > noise the loss falls or rises if |z| >= 1.96, and nothing is clear yet if
    |z| >= 1.28; else it is flat. Fewer than five values are too early; a newest value that is infinite or no number is not
    finite. Older such values are left out.
    """
    if losses and not math.isfinite(losses[-1]):
        return Trend("not_finite", 1)
    finite = [(float(epoch), loss) for epoch, loss in enumerate(losses) if math.isfinite(loss)]
    if len(finite) < LEAST_EPOCHS:
        return Trend("too_early", len(finite))
    window = finite[-max(LEAST_EPOCHS, min(MOST_EPOCHS, math.ceil(len(finite) / 2))) :]
    size = median(abs(loss) for _, loss in window)
    if size == 0:
        return Trend("flat", len(window))
    slope = _theil_sen(window)
    middle = median(loss - slope * epoch for epoch, loss in window)
    change = slope * (window[-1][0] - window[0][0]) / size
    noise = median(abs(loss - slope * epoch - middle) for epoch, loss in window) / size
    certainty = _mann_kendall([loss for _, loss in window])
    verdict: Verdict
    if abs(certainty) < LIKELY or abs(change) < max(WORTH_NAMING, noise):
        verdict = "flat"
    elif abs(certainty) < SIGNIFICANT:
        verdict = "unclear"
    else:
        verdict = "falling" if change < 0 else "rising"
    return Trend(verdict, len(window), change, certainty, noise)


def _theil_sen(points: Sequence[tuple[float, float]]) -> float:
    return median((later[1] - before[1]) / (later[0] - before[0]) for before, later in combinations(points, 2))


def _mann_kendall(values: Sequence[float]) -> float:
    n = len(values)
    score = sum((later > before) - (later < before) for before, later in combinations(values, 2))
    ties = [values.count(value) for value in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if score == 0 or variance <= 0:
        return 0.0
    return (score - math.copysign(1, score)) / math.sqrt(variance)
