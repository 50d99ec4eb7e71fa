"""The learning rate at every moment of a training, for both methods. Plain arithmetic, no tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from engine.plan import StagePlan
from engine.recipe import Recipe

WARM_UP_STEPS = 20
"""The modern method's warm-up; a training of fewer than ten times as many steps warms up over a tenth of it."""


class Schedule(Protocol):
    """What the learning rate is when."""

    def lr(self, epoch: int, share: float, stage: StagePlan) -> float:
        """The learning rate in `epoch`, counted from 0, of the step of `stage` before which `share` of the epoch is done."""
        ...


def schedule_of(recipe: Recipe, stages: Sequence[StagePlan]) -> Schedule:
    """The schedule of the recipe's method."""
    return ModernSchedule(recipe, stages) if recipe.method == "modern" else TutorialSchedule(recipe)


def fit_learning_rates(recipe: Recipe, batch_size: int) -> tuple[float, float]:
    """Largest and smallest learning rate of a stage that trains with `batch_size` images a step.

    The tutorial method fits both to the batch: `clip(batch / 64 * lr, lo, hi)`, SGD 5e-4 to 5e-2, Adam 3e-4 to 1e-3, a
    hundredth of that for the smallest. The modern method takes them as they are.
    """
    if recipe.method == "modern":
        return recipe.init_lr, recipe.min_lr
    lowest, highest = (5e-4, 5e-2) if recipe.optimizer_type == "sgd" else (3e-4, 1e-3)
    share = batch_size / 64

    def clipped(lr: float, bounds: float) -> float:
        return min(max(share * lr, lowest * bounds), highest * bounds)

    return clipped(recipe.init_lr, 1), clipped(recipe.min_lr, 0.01)


def fitted_stage(recipe: Recipe, stage: StagePlan, train_images: int) -> StagePlan:
    """`stage` with the learning rates and the steps that belong to its batch size."""
    batch = stage.batch_size * stage.accumulate
    init_lr, min_lr = fit_learning_rates(recipe, batch)
    return replace(stage, init_lr=init_lr, min_lr=min_lr, steps_per_epoch=max(1, train_images // batch))


class TutorialSchedule:
    """Set once an epoch: quadratic warm-up, cosine, and a last stretch at the smallest; or ten steps down."""

    def __init__(self, recipe: Recipe) -> None:
        self.epochs = recipe.unfreeze_epoch
        self.decay = recipe.lr_decay_type

    def lr(self, epoch: int, share: float, stage: StagePlan) -> float:
        """The learning rate of `epoch`, whatever `share` of it is done."""
        total, high, low = self.epochs, stage.init_lr, stage.min_lr
        if self.decay == "step":
            return float(high * (low / high) ** (epoch // (total / 10) / 9))
        warm_up = min(max(0.05 * total, 1), 3)
        still = min(max(0.05 * total, 1), 15)
        if epoch <= warm_up:
            lowest = max(0.1 * high, 1e-6)
            return lowest + (high - lowest) * (epoch / warm_up) ** 2
        if epoch >= total - still:
            return low
        way = (epoch - warm_up) / (total - warm_up - still)
        return low + 0.5 * (high - low) * (1 + math.cos(math.pi * way))


class ModernSchedule:
    """Set every step: linear warm-up, then one cosine over both stages down to the smallest.

    The place in both is counted in epochs, so that it stays where it is when the batch size changes in mid-run.
    """

    def __init__(self, recipe: Recipe, stages: Sequence[StagePlan]) -> None:
        self.epochs = recipe.unfreeze_epoch
        self.first = stages[0]
        self.warm_up = min(WARM_UP_STEPS, max(1, sum(s.epochs * s.steps_per_epoch for s in stages) // 10))

    def lr(self, epoch: int, share: float, stage: StagePlan) -> float:
        """The learning rate of the step before which `share` of that epoch is done."""
        way = min(1.0, (epoch + share) / self.epochs)
        lr = stage.min_lr + 0.5 * (stage.init_lr - stage.min_lr) * (1 + math.cos(math.pi * way))
        done = (epoch + share - self.first.first_epoch) * self.first.steps_per_epoch
        return lr * min(1.0, (done + 1) / self.warm_up)
