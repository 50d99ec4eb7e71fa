"""The trend of the validation loss: correct on curves whose trend is known, rarely wrong on noise."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable

import pytest

from engine.evaluation.trend import MIN_EPOCHS, trend_of
from tui.text import set_language
from tui.text.trend_verdicts import describe_trend

TRIALS = 300

BLOOD_CELLS = (
    0.2841, 0.2160, 0.1877, 0.1774, 0.1458, 0.1386, 0.1379, 0.1349, 0.1333, 0.1319,
    0.1298, 0.1273, 0.1251, 0.1244, 0.1234, 0.1223, 0.1221, 0.1213, 0.1204, 0.1201,
)  # fmt: skip
"""The modern method on the blood cell set, its epoch_val_loss.txt; the first three epochs are frozen."""


def learning(epoch: int) -> float:
    return 0.3 + 0.7 * math.exp(-epoch / 15)


def overfitting(epoch: int) -> float:
    return 0.3 + 0.7 * math.exp(-epoch / 6) + 0.01 * max(0, epoch - 20)


def verdicts(curve: Callable[[int], float], epochs: int, noise: float, size: float = 1.0) -> Counter[str]:
    """How often each verdict is returned over many draws of the relative noise."""
    rng = random.Random(7)
    return Counter(
        trend_of([size * curve(epoch) * (1 + rng.gauss(0, noise)) for epoch in range(epochs)]).verdict
        for _ in range(TRIALS)
    )


@pytest.mark.parametrize("size", [1e-3, 1, 4000])
@pytest.mark.parametrize(
    ("curve", "epochs", "noise", "verdict"),
    [
        (learning, 16, 0.02, "falling"),
        (learning, 30, 0.05, "falling"),
        (lambda epoch: 1 - 0.005 * epoch, 40, 0.02, "falling"),
        (overfitting, 15, 0.02, "falling"),
        (overfitting, 32, 0.02, "rising"),
        (overfitting, 60, 0.05, "rising"),
    ],
)
def test_a_trend_is_recognised_in_noise_at_any_scale_of_the_loss(
    curve: Callable[[int], float], epochs: int, noise: float, verdict: str, size: float
) -> None:
    assert verdicts(curve, epochs, noise, size)[verdict] >= 0.95 * TRIALS


@pytest.mark.parametrize(("epochs", "noise"), [(6, 0.1), (12, 0.02), (60, 0.02), (60, 0.2)])
def test_noise_alone_is_no_trend_in_nineteen_of_twenty_cases(epochs: int, noise: float) -> None:
    # 5 % by the formula, and a margin for three hundred draws
    counts = verdicts(lambda _: 1.0, epochs, noise)
    assert counts["flat"] + counts["unclear"] >= 0.92 * TRIALS
    assert counts["flat"] >= 0.75 * TRIALS


def test_a_loss_that_has_stopped_falling_is_flat_and_seldom_anything_else() -> None:
    # it still falls a little: one draw in five is "unclear"
    counts = verdicts(learning, 110, 0.03)
    assert counts["flat"] >= 0.75 * TRIALS
    assert counts["falling"] + counts["rising"] <= 0.1 * TRIALS


def test_a_significant_but_tiny_change_is_flat() -> None:
    assert trend_of([1 - 1e-4 * epoch for epoch in range(30)]).verdict == "flat"


def test_single_outliers_change_nothing() -> None:
    losses = [learning(epoch) for epoch in range(24)]
    losses[15], losses[20] = 90.0, 0.0
    assert trend_of(losses).verdict == "falling"


def test_the_real_run_still_learns_and_its_change_is_that_of_its_line() -> None:
    trend = trend_of(BLOOD_CELLS[3:])
    assert (trend.verdict, trend.epochs) == ("falling", 9)
    window = BLOOD_CELLS[-9:]
    assert trend.change == pytest.approx((window[-1] - window[0]) / window[4], abs=0.02)
    assert trend.noise < 0.01


def test_too_early_not_finite_and_equal_values() -> None:
    assert trend_of([]).verdict == "too_early"
    assert trend_of([3, 2, 1, 0.5][: MIN_EPOCHS - 1]).verdict == "too_early"
    assert trend_of([1.0, 0.9, math.nan]).verdict == "not_finite"
    assert trend_of([1, math.nan, 0.8, 0.7, 0.6, 0.5]).verdict == "falling"
    assert trend_of([0.5] * 8).verdict == "flat"
    assert trend_of([0.0] * 8).verdict == "flat"


def test_a_loss_that_falls_with_one_exception_has_not_converged() -> None:
    blood_cells = [0.1873, 0.1856, 0.1817, 0.1776, 0.1781]
    assert trend_of(blood_cells).verdict == "unclear"
    assert trend_of(blood_cells).change < -0.05


def test_five_in_strict_order_are_enough() -> None:
    assert trend_of([5, 4, 3, 2, 1]).verdict == "falling"
    assert trend_of([1, 2, 3, 4, 5]).verdict == "rising"


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([3.0, 2.0, 1.5], "Too few epochs for a trend of the validation loss: 3"),
        ([10.0, 9.0, 8.0, 7.0, 6.0], "was still falling at the end: more epochs may help"),
        ([6.0, 7.0, 8.0, 9.0, 10.0], "was rising at the end"),
    ],
)
def test_of_a_run_that_has_ended_nothing_more_is_expected(losses: list[float], said: str) -> None:
    set_language("en")
    trend = trend_of(losses)
    assert said in describe_trend(trend, 500, None, has_ended=True)
    assert said not in describe_trend(trend, 500, None)
