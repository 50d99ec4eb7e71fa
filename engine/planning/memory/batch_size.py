"""The batch sizes that fit into what memory is free now, and what would help where even the smallest does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.dataset.index import Dataset
from engine.hardware import Hardware
from engine.messages import Message, phrase
from engine.plan import StageName
from engine.planning.device import usable_amp_dtype
from engine.planning.memory.budget import Budget, budget_of
from engine.planning.memory.profile import MemoryProfile, memory_profile
from engine.recipe import LEAST_BATCH, Recipe

MOST_USEFUL_BATCH = 64
"""The tutorials fit their learning rates to 64 images; with more an epoch only has fewer steps."""
GOOD_BATCH = 8
LEAST_STEPS = 400
"""A training should have so many steps: small data sets learn better in more and smaller ones."""


@dataclass(frozen=True, slots=True)
class BatchSizeProblem:
    """What a suggestion is made for."""

    recipe: Recipe
    classes: int
    boxes: int
    """Most ground truth boxes in an image."""
    train_images: int
    val_images: int
    precision: str
    budget: Budget
    amp_dtype: str | None
    """The 16-bit format that the device computes well in, if any."""

    def profile(self) -> MemoryProfile:
        """The memory of this training."""
        return memory_profile(self.recipe, self.classes, self.boxes, self.budget.device_type, self.precision)

    def peak(self, stage: StageName, batch: int, smallest_batch: int) -> int:
        """Bytes that a stage takes at most; validation looks at `smallest_batch` images, or at all there are."""
        return self.profile().peak(stage, batch, min(smallest_batch, max(1, self.val_images)))

    def fits(self, stage: StageName, batch: int) -> bool:
        """Whether a stage with this batch, and no smaller one in the other stage, finds room."""
        return self.budget.fits(self.peak(stage, batch, batch))

    @property
    def most(self) -> int:
        """The largest batch that the data set gives, at least 2."""
        return max(LEAST_BATCH, self.train_images // self.recipe.accumulate)

    @property
    def freezes_only(self) -> bool:
        """No stage trains everything."""
        return self.recipe.freeze_train and self.recipe.freeze_epoch >= self.recipe.unfreeze_epoch


def batch_size_problem(
    recipe: Recipe, dataset: Dataset, device: str, precision: str, hardware: Hardware
) -> BatchSizeProblem:
    """What a suggestion for this training on this machine, as it is now, is made for."""
    return BatchSizeProblem(
        recipe=recipe,
        classes=len(dataset.classes),
        boxes=most_boxes(dataset, recipe),
        train_images=len(dataset.splits["train"]),
        val_images=len(dataset.splits["val"]),
        precision=precision,
        budget=budget_of(hardware, device),
        amp_dtype=usable_amp_dtype(device, hardware, recipe.network),
    )


def most_boxes(dataset: Dataset, recipe: Recipe) -> int:
    """Most boxes that a sample will show: those of the fullest image, and of as many others as are laid beside or over it."""
    boxes = np.diff(dataset.first)
    most, others = int(boxes.max(initial=1)), (3 + recipe.mixup if recipe.mosaic else 0)
    if not others or not len(boxes):
        return most
    full = float(boxes.mean() + 2 * boxes.std())  # that all of them are the fullest does not happen
    return most + math.ceil(others * min(most, full))


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """Batch sizes of both stages; `largest` is what memory and data set would allow for the stage that needs most."""

    freeze: int
    unfreeze: int
    largest: int


def suggest_batch_sizes(problem: BatchSizeProblem) -> BatchSizes | None:
    """The batch sizes for "auto"; None where not even 2 fits.

    The unfreeze batch is the largest that fits, up to what still makes enough steps of the data; the freeze batch is twice
    that, as far as it fits.
    """
    most = problem.most
    if problem.freezes_only:
        largest = largest_fitting(lambda batch: problem.fits("freeze", batch), most)
        return None if largest is None else BatchSizes(_useful(problem, largest), _useful(problem, largest), largest)
    largest = largest_fitting(lambda batch: problem.fits("unfreeze", batch), most)
    if largest is None:
        return None
    unfreeze = _useful(problem, largest)
    return BatchSizes(fit_freeze_batch_size(problem, unfreeze), unfreeze, largest)


def fit_freeze_batch_size(problem: BatchSizeProblem, unfreeze: int) -> int:
    """The largest freeze batch of 1 to 2 times `unfreeze` that fits; `unfreeze` where none does."""

    def fits(batch: int) -> bool:
        return problem.budget.fits(problem.peak("freeze", batch, unfreeze))

    return largest_fitting(fits, min(2 * unfreeze, problem.most), least=unfreeze) or unfreeze


def largest_fitting(fits: Callable[[int], bool], most: int, least: int = LEAST_BATCH) -> int | None:
    """The largest number from `least` to `most` that fits, where everything smaller than one that fits does too."""
    if most < least or not fits(least):
        return None
    low, high = least, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _useful(problem: BatchSizeProblem, largest: int) -> int:
    images_seen = problem.train_images * problem.recipe.unfreeze_epoch
    enough_steps = images_seen // (LEAST_STEPS * problem.recipe.accumulate)
    return min(largest, MOST_USEFUL_BATCH, max(GOOD_BATCH, enough_steps))


@dataclass(frozen=True, slots=True)
class FitOption:
    """Settings with which a batch of 2 would fit, and the bytes that it would need with its margin."""

    settings: dict[str, Any]
    need: int

    def __str__(self) -> str:
        """The settings as they are typed, and the number."""
        words = " ".join(f"{key}={_typed(value)}" for key, value in self.settings.items())
        return f"{words} ({gigabytes(self.need)})"


def fit_options(problem: BatchSizeProblem) -> tuple[FitOption, ...]:
    """What would make a batch of 2 fit, what changes least first: 16-bit, a smaller input, freezing only, the tiny network.

    Where none of them suffices alone, the first of their sums that does; empty where nothing does.
    """
    smaller = _smaller_input(problem)
    alone = (_fit_option(problem, change) for change in _changes(problem, smaller))
    if single := tuple(way for way in alone if problem.budget.holds(way.need)):
        return single
    together: dict[str, Any] = {}
    for change in _changes(problem, None):
        together |= change
        way = _fit_option(problem, together)
        if problem.budget.holds(way.need):
            return (way,)
        if (smaller := _smaller_input(_changed(problem, together))) is not None:
            return (_fit_option(problem, together | smaller),)
    return ()


def _changes(problem: BatchSizeProblem, smaller: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Each change by itself, what changes least first; `smaller` is the input that fits, if there is one."""
    recipe = problem.recipe
    if problem.precision == "fp32" and problem.amp_dtype is not None:
        yield {"precision": problem.amp_dtype}
    if smaller is not None:
        yield smaller
    if recipe.start != "scratch" and not problem.freezes_only:
        yield {"freeze_train": True, "freeze_epoch": recipe.unfreeze_epoch}
    if recipe.network == "yolov4":
        yield {"network": "yolov4-tiny"}


def _smaller_input(problem: BatchSizeProblem) -> dict[str, Any] | None:
    """The largest input of the same form that fits."""
    height, width = problem.recipe.input_shape
    longer = max(height, width) // 32

    def shape(steps: int) -> tuple[int, int]:
        return tuple(max(32, round(side * steps / longer / 32) * 32) for side in (height, width))  # type: ignore[return-value]

    def need(steps: int) -> int:
        return _need(_changed(problem, {"input_shape": shape(steps)}))

    limit = problem.budget.limit
    if limit is None or longer <= _LEAST_INPUT or (smallest := need(_LEAST_INPUT)) > limit:
        return None
    # Memory grows in a line with the pixels; a walk takes seconds, so the line tells where to look and a walk whether it holds.
    most, least = math.prod(problem.recipe.input_shape), math.prod(shape(_LEAST_INPUT))
    slope = (_need(problem) - smallest) / (most - least)
    steps = longer - 1
    while steps > _LEAST_INPUT and smallest + slope * (math.prod(shape(steps)) - least) > limit:
        steps -= 1
    while steps > _LEAST_INPUT and need(steps) > limit:
        steps -= 1
    return {"input_shape": shape(steps)}


_LEAST_INPUT = 5  # times 32 pixels; below that little is left to see


def _fit_option(problem: BatchSizeProblem, settings: dict[str, Any]) -> FitOption:
    return FitOption(dict(settings), _need(_changed(problem, settings)))


def _changed(problem: BatchSizeProblem, settings: dict[str, Any]) -> BatchSizeProblem:
    recipe = problem.recipe.model_copy(update={k: v for k, v in settings.items() if k != "precision"})
    if "network" in settings:
        recipe = recipe.model_copy(update={"anchors": "network"})
    return replace(problem, recipe=recipe, precision=settings.get("precision", problem.precision))


def _need(problem: BatchSizeProblem) -> int:
    """Bytes that a batch of 2 needs in the stage that needs most, margin included."""
    stage: StageName = "freeze" if problem.freezes_only else "unfreeze"
    return problem.budget.need(problem.peak(stage, LEAST_BATCH, LEAST_BATCH))


def does_not_fit_message(problem: BatchSizeProblem, device: str) -> Message:
    """The sentence for a training of which not even a batch of 2 fits."""
    options = fit_options(problem)
    height, width = problem.recipe.input_shape
    return Message(
        "plan.memory",
        "{network} at {width}x{height} needs {need} for the smallest batch, 2, and {limit} are free on {device}. {options}",
        {
            "network": problem.recipe.network,
            "width": width,
            "height": height,
            "need": gigabytes(_need(problem)),
            "limit": gigabytes(problem.budget.limit or 0),
            "device": device,
            "options": phrase("What would fit: {options}.", options=_either(options))
            if options
            else phrase("No setting makes it fit: close other programs that hold memory, or train on another device."),
        },
    )


def _either(options: Sequence[FitOption]) -> object:
    """The ways, one or the other."""
    either: object = options[0]
    for way in options[1:]:
        either = phrase("{one}; or {other}", one=either, other=way)
    return either


def gigabytes(size: int) -> str:
    """Bytes as the makers of memory count them (1 GB = 2^30 bytes)."""
    return f"{size / 2**30:.1f} GB"


def _typed(value: Any) -> str:
    return (
        f"[{value[0]},{value[1]}]"
        if isinstance(value, tuple)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
