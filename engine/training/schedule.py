"""Learning rate schedules of both methods. Plain arithmetic, no tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from engine.plan import StagePlan
from engine.recipe import Recipe

WARM_UP_STEPS = 20
"""Warm-up of the modern method; in a training of fewer than ten times as many steps it is a tenth of the steps."""
TUTORIAL_BATCH_SIZE = 64
"""The tutorials' learning rates are those of a batch of so many images."""
TUTORIAL_MIN_LR_RATIO = 0.01
"""Of the smallest to the largest learning rate, and of their bounds."""


class Schedule(Protocol):
    """The learning rate as a function of the progress."""

    def lr(self, epoch: int, epoch_fraction: float, stage: StagePlan) -> float:
        """The learning rate of a step of `stage` in `epoch`, counted from 0, when `epoch_fraction` of the epoch is done."""
        ...


def make_schedule(recipe: Recipe, stages: Sequence[StagePlan]) -> Schedule:
    """The schedule of the recipe's method."""
    return ModernSchedule(recipe, stages) if recipe.method == "modern" else TutorialSchedule(recipe)


def fit_learning_rates(recipe: Recipe, batch_size: int) -> tuple[float, float]:
    """Largest and smallest learning rate of a stage with `batch_size` images per step.

    The tutorial method fits both to the batch size: `clip(batch_size / 64 * lr, lo, hi)`, SGD 5e-4 to 5e-2, Adam 3e-4 to 1e-3,
    a hundredth of these bounds for the smallest. The modern method uses them unchanged.
    """
    if recipe.method == "modern":
        return recipe.init_lr, recipe.min_lr
    scale, bounds = batch_size / TUTORIAL_BATCH_SIZE, learning_rate_bounds(recipe)

    def clip(key: str, lr: float) -> float:
        low, high = bounds[key]
        return min(max(scale * lr, low), high)

    return clip("init_lr", recipe.init_lr), clip("min_lr", recipe.min_lr)


def learning_rate_bounds(recipe: Recipe) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of `init_lr` and `min_lr` in the tutorial method, once they are fitted to the batch size."""
    low, high = (5e-4, 5e-2) if recipe.optimizer_type == "sgd" else (3e-4, 1e-3)
    return {"init_lr": (low, high), "min_lr": (low * TUTORIAL_MIN_LR_RATIO, high * TUTORIAL_MIN_LR_RATIO)}


def fit_stage(recipe: Recipe, stage: StagePlan, train_images: int) -> StagePlan:
    """`stage` with the learning rates and the number of steps for its batch size."""
    images_per_step = stage.batch_size * stage.accumulate
    init_lr, min_lr = fit_learning_rates(recipe, images_per_step)
    return replace(stage, init_lr=init_lr, min_lr=min_lr, steps_per_epoch=max(1, train_images // images_per_step))


def with_batch(recipe: Recipe, stage: StagePlan, batch_size: int, accumulate: int, train_images: int) -> StagePlan:
    """`stage` with another batch size, and what follows from it; `stage` itself where nothing differs."""
    if (batch_size, accumulate) == (stage.batch_size, stage.accumulate):
        return stage
    return fit_stage(recipe, replace(stage, batch_size=batch_size, accumulate=accumulate), train_images)


class TutorialSchedule:
    """Constant within an epoch: quadratic warm-up, cosine, and last epochs at the smallest; or ten equal factors."""

    def __init__(self, recipe: Recipe) -> None:
        self.epochs = recipe.unfreeze_epoch
        self.decay = recipe.lr_decay_type

    def lr(self, epoch: int, epoch_fraction: float, stage: StagePlan) -> float:
        """The learning rate of `epoch`; does not depend on `epoch_fraction`."""
        total, high, low = self.epochs, stage.init_lr, stage.min_lr
        if self.decay == "step":
            return float(high * (low / high) ** (epoch // (total / 10) / 9))
        warm_up = min(max(0.05 * total, 1), 3)
        constant = min(max(0.05 * total, 1), 15)
        if epoch <= warm_up:
            start = max(0.1 * high, 1e-6)
            return start + (high - start) * (epoch / warm_up) ** 2
        if epoch >= total - constant:
            return low
        progress = (epoch - warm_up) / (total - warm_up - constant)
        return low + 0.5 * (high - low) * (1 + math.cos(math.pi * progress))


class ModernSchedule:
    """Changes every step: linear warm-up, then one cosine over both stages down to the smallest.

    The position in both is counted in epochs, so that a change of the batch size during the run does not move it.
    """

    def __init__(self, recipe: Recipe, stages: Sequence[StagePlan]) -> None:
        self.epochs = recipe.unfreeze_epoch
        self.first_stage = stages[0]
        self.warm_up = min(WARM_UP_STEPS, max(1, sum(s.epochs * s.steps_per_epoch for s in stages) // 10))

    def lr(self, epoch: int, epoch_fraction: float, stage: StagePlan) -> float:
        """The learning rate of the step when `epoch_fraction` of the epoch is done."""
        progress = min(1.0, (epoch + epoch_fraction) / self.epochs)
        lr = stage.min_lr + 0.5 * (stage.init_lr - stage.min_lr) * (1 + math.cos(math.pi * progress))
        steps_done = (epoch + epoch_fraction - self.first_stage.first_epoch) * self.first_stage.steps_per_epoch
        return lr * min(1.0, (steps_done + 1) / self.warm_up)
