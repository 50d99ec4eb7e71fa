"""How many steps a training should have, and how many epochs give them.

Everything that says something about the number of steps or epochs asks here: the warnings of a Plan, the presets that the wizard
recommends, its screens, and what the trend of a running training means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from engine.messages import Message
from engine.plan import Plan
from engine.recipe import MIN_BATCH_SIZE, Recipe

Goal = Literal["first_look", "good_result"]
"""What a training is for: to see soon that everything works, or to detect well."""

ADVISED_STEPS = {"sgd": 50_000, "adam": 15_000, "adamw": 15_000}
"""The tutorials' lower limits, for their method."""
MODERN_ADVISED_STEPS = 400
"""On the blood cell data set the modern method reaches mAP50 0.85 within 460 steps."""
FIRST_LOOK_STEPS = 150
"""With the quick preset's 168 steps the modern method reaches mAP50 0.97 on the drawn sample set."""
MAX_ADVISED_EPOCHS = {"modern": 200, "tutorial": 500}
"""Where the advised steps would take more epochs than this, more images help, and `EPOCHS_OF_FEW_IMAGES` are advised."""
EPOCHS_OF_FEW_IMAGES = {"modern": 200, "tutorial": 300}
"""For the tutorials their own number."""
_MIN_EPOCHS = 2
"""Of a first look: one epoch for each stage."""
_AUTO_BATCH_SIZES = {"freeze": 16, "unfreeze": 8}
"""Stand for "auto", whose number depends on the free memory."""


class StageSteps(Protocol):
    """What of a stage counts here."""

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimizer steps in each."""
        ...


@dataclass(frozen=True, slots=True)
class StepAdvice:
    """What is to be said about the number of steps of a training."""

    steps: int
    """Optimizer steps of all stages."""
    advised: int
    """Steps that the training should have at least; as many as `EPOCHS_OF_FEW_IMAGES` give, if so few images give no more."""
    epochs: int
    """The `unfreeze_epoch` that gives `advised` steps."""
    wants_images: bool
    """Whether the steps that the method asks for cannot be had from so few images."""
    first_look: int | None
    """Steps that show a first result; None if the method has no such number."""

    @property
    def level(self) -> Literal["few", "first_look", "enough"]:
        """The verdict. Only "few" is a reason to warn somebody who wants a first look."""
        if self.steps >= self.advised:
            return "enough"
        return "first_look" if self.first_look is not None and self.steps >= self.first_look else "few"


@dataclass(frozen=True, slots=True)
class StageLength:
    """The `StageSteps` of a stage that is no `StagePlan`."""

    epochs: int
    steps_per_epoch: int


def step_advice(method: str, optimizer_type: str, unfreeze_epoch: int, stages: Sequence[StageSteps]) -> StepAdvice:
    """The advice for a training.

    The modern method asks for `MODERN_ADVISED_STEPS` in all stages. The tutorials ask for `ADVISED_STEPS`, counted as if every epoch
    used the batch size of the unfreeze stage; `StepAdvice.advised` has the steps of all stages that this makes.

    Args:
        method: modern or tutorial.
        optimizer_type: decides what the tutorials ask for.
        unfreeze_epoch: the total number of epochs.
        stages: all stages that run, at least one.
    """
    per_epoch = max(1, stages[-1].steps_per_epoch)
    steps = sum(stage.epochs * stage.steps_per_epoch for stage in stages)
    is_modern = method == "modern"
    wanted = MODERN_ADVISED_STEPS if is_modern else ADVISED_STEPS[optimizer_type]
    counted = steps if is_modern else per_epoch * unfreeze_epoch
    needed = max(1, unfreeze_epoch - (counted - wanted) // per_epoch)
    key = "modern" if is_modern else "tutorial"
    has_few_images = needed > MAX_ADVISED_EPOCHS[key]
    epochs = EPOCHS_OF_FEW_IMAGES[key] if has_few_images else needed
    advised = wanted if is_modern and not has_few_images else _steps_until(epochs, unfreeze_epoch, stages)
    return StepAdvice(
        steps,
        advised,
        epochs,
        wants_images=has_few_images and counted < wanted,
        first_look=min(FIRST_LOOK_STEPS, advised) if is_modern else None,
    )


def plan_advice(plan: Plan) -> StepAdvice:
    """The advice for a Plan."""
    recipe = plan.recipe
    return step_advice(recipe.method, recipe.optimizer_type, recipe.unfreeze_epoch, plan.stages)


def step_warning(plan: Plan) -> Message | None:
    """What the Plan warns about its number of steps; None if there are enough."""
    advice = plan_advice(plan)
    values = {"steps": advice.steps, "advised": advice.advised, "epochs": advice.epochs, "images": plan.images["train"]}
    if advice.level == "enough":
        if not advice.wants_images or plan.recipe.method == "modern":
            return None
        return Message(
            "plan.few_steps",
            "{steps} steps are few for this method, but with {images} training images more epochs would not help: more images help "
            "most.",
            values,
        )
    if advice.level == "first_look":
        return Message(
            "plan.first_look",
            "{steps} steps are enough for a first result; {advised} or more (unfreeze_epoch={epochs}) detect better.",
            values,
        )
    if advice.wants_images:
        return Message(
            "plan.few_steps",
            "{steps} steps are few: {advised} or more (unfreeze_epoch={epochs}) are advised. With {images} training images, more "
            "images help most.",
            values,
        )
    return Message(
        "plan.few_steps", "{steps} steps are few: {advised} or more (unfreeze_epoch={epochs}) are advised.", values
    )


def is_adaptable(recipe: Recipe) -> bool:
    """Whether epochs are adapted to the data set: not those of the tutorials, which are to be repeated as they are, nor those of
    a training from scratch, which needs ten thousand images.
    """
    return recipe.method == "modern" and recipe.start != "scratch" and recipe.init_epoch == 0


def adapted_epochs(recipe: Recipe, train_images: int, goal: Goal) -> dict[str, int]:
    """The settings with which an adaptable recipe reaches a goal on `train_images` images; empty if they are the recipe's own.

    For a good result the recipe's epochs, or as many as give the advised steps. For a first look as few as give
    `FIRST_LOOK_STEPS`. The freeze stage takes at most half of the epochs, or all where the recipe trains nothing else.
    """
    current = (recipe.freeze_epoch, recipe.unfreeze_epoch)
    for epochs in range(
        recipe.unfreeze_epoch if goal == "good_result" else _MIN_EPOCHS, MAX_ADVISED_EPOCHS["modern"] + 1
    ):
        freeze = _freeze_epochs(recipe, epochs)
        adapted = recipe.model_copy(update={"freeze_epoch": freeze, "unfreeze_epoch": epochs})
        advice = step_advice(recipe.method, recipe.optimizer_type, epochs, stage_lengths(adapted, train_images))
        reached = "enough" if goal == "good_result" else "first_look"
        if advice.level in (reached, "enough"):
            break
    else:
        return {}
    settings = {"freeze_epoch": freeze, "unfreeze_epoch": epochs}
    return {name: value for (name, value), own in zip(settings.items(), current, strict=True) if value != own}


def stage_lengths(recipe: Recipe, train_images: int) -> tuple[StageLength, ...]:
    """The stages of a recipe on `train_images` images, as a Plan has them where its batch sizes are numbers."""
    freeze_end = min(recipe.freeze_epoch, recipe.unfreeze_epoch) if recipe.freeze_train else 0
    largest = max(MIN_BATCH_SIZE, train_images // recipe.accumulate)

    def per_epoch(batch_size: int | str, name: str) -> int:
        size = _AUTO_BATCH_SIZES[name] if isinstance(batch_size, str) else batch_size
        return max(1, train_images // (min(size, largest) * recipe.accumulate))

    lengths = (
        StageLength(freeze_end, per_epoch(recipe.freeze_batch_size, "freeze")),
        StageLength(recipe.unfreeze_epoch - freeze_end, per_epoch(recipe.unfreeze_batch_size, "unfreeze")),
    )
    return tuple(length for length in lengths if length.epochs)


def _freeze_epochs(recipe: Recipe, epochs: int) -> int:
    if not recipe.freeze_train:
        return recipe.freeze_epoch
    if recipe.freeze_epoch >= recipe.unfreeze_epoch:
        return epochs
    return min(recipe.freeze_epoch, epochs // 2)


def _steps_until(epochs: int, unfreeze_epoch: int, stages: Sequence[StageSteps]) -> int:
    """The steps of all stages if the last one ended after `epochs` epochs instead of `unfreeze_epoch`."""
    left = sum(stage.epochs for stage in stages) + epochs - unfreeze_epoch
    steps = 0
    for stage in stages[:-1]:
        taken = max(0, min(stage.epochs, left))
        steps += taken * stage.steps_per_epoch
        left -= taken
    return max(1, steps + max(0, left) * stages[-1].steps_per_epoch)
