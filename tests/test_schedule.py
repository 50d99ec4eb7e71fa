"""Learning rates: those of the tutorials against the public script's figures, and properties of the modern ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.plan import StagePlan
from engine.recipe import make_recipe
from engine.training.schedule import fit_learning_rates, make_schedule

REFERENCE = json.loads((Path(__file__).parent / "data" / "training.json").read_text())["lr"]


@pytest.mark.parametrize("decay", ["cos", "step"])
@pytest.mark.parametrize(
    ("name", "optimizer", "batch", "epochs"),
    [
        ("sgd frozen bs8 T300", "sgd", 8, 300),
        ("sgd unfrozen bs4 T300", "sgd", 4, 300),
        ("sgd bs16 T300", "sgd", 16, 300),
        ("adam bs8 T100", "adam", 8, 100),
        ("adam bs64 T100", "adam", 64, 100),
    ],
)
def test_the_tutorials_learning_rates(name: str, optimizer: str, batch: int, epochs: int, decay: str) -> None:
    expected = REFERENCE[name]
    recipe = make_recipe(
        {"method": "tutorial", "optimizer_type": optimizer, "unfreeze_epoch": epochs, "lr_decay_type": decay}
    )
    high, low = fit_learning_rates(recipe, batch)
    assert (high, low) == pytest.approx((expected["init_lr_fit"], expected["min_lr_fit"]), rel=1e-9)
    stage = StagePlan("freeze", 0, 49, batch, high, low, 10)
    schedule = make_schedule(recipe, [stage])
    for epoch, lr in expected[decay].items():
        assert schedule.lr(int(epoch), 0.3, stage) == pytest.approx(lr, rel=1e-9)


def test_the_modern_learning_rate_warms_up_once_and_falls_to_its_smallest() -> None:
    recipe = make_recipe({"unfreeze_epoch": 20})
    freeze = StagePlan("freeze", 0, 2, 16, recipe.init_lr, recipe.min_lr, 12)
    unfreeze = StagePlan("unfreeze", 3, 19, 8, recipe.init_lr, recipe.min_lr, 25)
    schedule = make_schedule(recipe, [freeze, unfreeze])
    rates = [schedule.lr(e, s / 12, freeze) for e in range(3) for s in range(12)]
    rates += [schedule.lr(e, s / 25, unfreeze) for e in range(3, 20) for s in range(25)]
    peak = rates.index(max(rates))
    assert 15 <= peak <= 20
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(recipe.min_lr, rel=0.01)


def test_a_start_after_the_freeze_stage_has_the_learning_rate_of_its_epoch() -> None:
    recipe = make_recipe({"method": "tutorial", "init_epoch": 60})
    stage = StagePlan("unfreeze", 60, 299, 4, *fit_learning_rates(recipe, 4), 10)
    whole = StagePlan("unfreeze", 50, 299, 4, *fit_learning_rates(recipe, 4), 10)
    assert make_schedule(recipe, [stage]).lr(60, 0, stage) == make_schedule(recipe, [whole]).lr(60, 0, whole)
