"""Suggests batch sizes for the free memory, and settings that help where not even the smallest batch fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.dataset.index import Dataset
from engine.hardware import Hardware
from engine.messages import Message, format_bytes, gettext_noop, phrase
from engine.network.registry import network_spec
from engine.plan import StageName
from engine.planning.advice import MODERN_ADVISED_STEPS
from engine.planning.device import usable_amp_dtype
from engine.planning.memory.budget import Budget, shared_budget
from engine.planning.memory.gradients import gradient_bytes
from engine.planning.memory.profile import memory_profile
from engine.recipe import MIN_BATCH_SIZE, Recipe

MAX_USEFUL_BATCH_SIZE = 64
"""The tutorials fit their learning rates to 64 images; larger batches only give fewer steps in an epoch."""
ALWAYS_USEFUL_BATCH_SIZE = 8
UNPREDICTED_BATCH_SIZE = 4
"""The tutorials' default of the unfreeze batch size, for "auto" where memory cannot be predicted."""
_MIN_INPUT_CELLS = 5
"""The longer side of a smaller input, in units of 32 pixels; below that too little is left to detect."""


@dataclass(frozen=True, slots=True)
class BatchSizeProblem:
    """Everything that the choice of batch sizes depends on."""

    recipe: Recipe
    classes: int
    boxes: int
    """Most ground truth boxes in one (augmented) image."""
    train_images: int
    val_images: int
    precision: str
    budget: Budget
    amp_dtype: str | None
    """The 16-bit format that works well on the device, if any."""
    parts: int = 1
    """In how many parts a batch is split: one for each process, or for each card. Batch sizes are those of all together; peaks
    and the budget are those of one."""

    def peak(self, stage: StageName, batch_size: int, validation_batch_size: int) -> int | None:
        """Most bytes of tensors in a stage on each device; None where they cannot be predicted.

        Validation takes `validation_batch_size` images at a time, or all validation images if there are fewer.
        """
        profile = memory_profile(self.recipe, self.classes, self.boxes, self.budget.device_type, self.precision)
        if profile is None:
            return None
        images = -(-batch_size // self.parts)
        validated = -(-min(validation_batch_size, max(1, self.val_images)) // self.parts)
        # The devices exchange their gradients through buffers of the same size.
        exchanged = gradient_bytes(self.recipe.network, self.classes, stage) if self.parts > 1 else 0
        return profile.peak(stage, images, validated) + exchanged

    @property
    def is_predictable(self) -> bool:
        """Whether the memory of this training can be predicted with the installed torch."""
        return self.peak(self.final_stage, self.min_batch_size, self.min_batch_size) is not None

    def fits(self, stage: StageName, batch_size: int, validation_batch_size: int | None = None) -> bool:
        """Whether a stage is predicted to fit into the free memory; True where this cannot be predicted.

        Validation takes the batch size of the stage by default.
        """
        peak = self.peak(stage, batch_size, validation_batch_size or batch_size)
        return peak is None or self.budget.fits(self.budget.need(peak))

    @property
    def min_batch_size(self) -> int:
        """The smallest batch size: 2 in each part."""
        return MIN_BATCH_SIZE * self.parts

    @property
    def max_batch_size(self) -> int:
        """The largest batch size that the number of training images allows, at least `min_batch_size`."""
        return max(self.min_batch_size, self.split_evenly(self.train_images // self.recipe.accumulate))

    def split_evenly(self, batch_size: int) -> int:
        """The largest number up to `batch_size` of which each part gets the same number of images."""
        return batch_size - batch_size % self.parts

    @property
    def final_stage(self) -> StageName:
        """The last stage, which needs most memory: freeze where the unfreeze stage has no epochs."""
        freeze_only = self.recipe.freeze_train and self.recipe.freeze_epoch >= self.recipe.unfreeze_epoch
        return "freeze" if freeze_only else "unfreeze"


def batch_size_problem(
    recipe: Recipe,
    dataset: Dataset,
    devices: str | Sequence[str],
    precision: str,
    hardware: Hardware,
    *,
    nodes: int = 1,
) -> BatchSizeProblem:
    """The problem for a training on this machine, with the memory that is free in `hardware`.

    `devices`: those that train together on each of `nodes` machines.
    """
    devices = (devices,) if isinstance(devices, str) else devices
    return BatchSizeProblem(
        recipe=recipe,
        classes=len(dataset.classes),
        boxes=max_boxes(dataset, recipe),
        train_images=len(dataset.splits["train"]),
        val_images=len(dataset.splits["val"]),
        precision=precision,
        budget=shared_budget(hardware, devices),
        amp_dtype=usable_amp_dtype(devices, hardware, recipe.network),
        parts=len(devices) * nodes,
    )


def max_boxes(dataset: Dataset, recipe: Recipe) -> int:
    """Most boxes in an augmented image: those of the fullest image, and of the images that mosaic and mixup add to it."""
    counts = np.diff(dataset.offsets)
    fullest, added_images = int(counts.max(initial=1)), (3 + recipe.mixup if recipe.mosaic else 0)
    if not added_images or not len(counts):
        return fullest
    full = float(counts.mean() + 2 * counts.std())  # the added images are never all as full as the fullest
    return fullest + math.ceil(added_images * min(fullest, full))


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """Batch sizes of both stages, of all parts together; `largest` is what memory and data set allow in the last stage."""

    freeze: int
    unfreeze: int
    largest: int


def suggest_batch_sizes(problem: BatchSizeProblem) -> BatchSizes | None:
    """The batch sizes for "auto", multiples of the number of parts; None where not even the smallest fits.

    The unfreeze batch size is the largest that fits and still leaves `MODERN_ADVISED_STEPS`: small data sets learn better in
    more and smaller steps. The freeze batch size is twice that, as far as it fits. Where memory cannot be predicted, the unfreeze
    batch size is `UNPREDICTED_BATCH_SIZE`.
    """
    stage, limit = problem.final_stage, problem.max_batch_size
    if not problem.is_predictable:
        unfreeze = min(problem.parts * UNPREDICTED_BATCH_SIZE, limit)
        return BatchSizes(fit_freeze_batch_size(problem, unfreeze), unfreeze, limit)
    largest = largest_batch_size(problem, lambda batch_size: problem.fits(stage, batch_size), limit)
    if largest is None:
        return None
    useful = _limit_to_useful(problem, largest)
    return BatchSizes(useful if stage == "freeze" else fit_freeze_batch_size(problem, useful), useful, largest)


def fit_freeze_batch_size(problem: BatchSizeProblem, unfreeze: int) -> int:
    """The largest freeze batch size of 1 to 2 times `unfreeze` that fits; `unfreeze` where none does."""

    def fits(batch_size: int) -> bool:
        return problem.fits("freeze", batch_size, validation_batch_size=unfreeze)

    maximum = min(2 * unfreeze, problem.max_batch_size)
    return largest_batch_size(problem, fits, maximum, minimum=unfreeze) or unfreeze


def largest_batch_size(
    problem: BatchSizeProblem, fits: Callable[[int], bool], maximum: int, minimum: int | None = None
) -> int | None:
    """`largest_fitting` among the batch sizes of which each part gets the same number of images."""
    parts = problem.parts
    least = problem.min_batch_size if minimum is None else minimum
    found = largest_fitting(lambda images: fits(parts * images), maximum // parts, -(-least // parts))
    return None if found is None else parts * found


def largest_fitting(fits: Callable[[int], bool], maximum: int, minimum: int = MIN_BATCH_SIZE) -> int | None:
    """The largest number from `minimum` to `maximum` that fits, by bisection; None if `minimum` does not fit.

    Every number below one that fits must fit too.
    """
    if maximum < minimum or not fits(minimum):
        return None
    low, high = minimum, maximum
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _limit_to_useful(problem: BatchSizeProblem, batch_size: int) -> int:
    images_seen = problem.train_images * problem.recipe.unfreeze_epoch
    with_enough_steps = images_seen // (MODERN_ADVISED_STEPS * problem.recipe.accumulate)
    useful = min(batch_size, MAX_USEFUL_BATCH_SIZE, max(ALWAYS_USEFUL_BATCH_SIZE, with_enough_steps))
    return max(problem.min_batch_size, problem.split_evenly(useful))


@dataclass(frozen=True, slots=True)
class FitOption:
    """Settings with which a batch size of 2 fits, and the bytes that this needs, margin included."""

    settings: dict[str, Any]
    need: float

    def __str__(self) -> str:
        """The settings as on the command line, and the memory."""
        assignments = " ".join(f"{key}={_to_text(value)}" for key, value in self.settings.items())
        return f"{assignments} ({format_bytes(self.need)})"


def fit_options(problem: BatchSizeProblem) -> tuple[FitOption, ...]:
    """Settings with which a batch size of 2 fits, the smallest change first.

    Each single change that is enough: activation checkpointing, 16-bit, a smaller input, freezing only, a lighter network. Where none is, the first combination
    that is; empty where nothing helps.
    """
    smaller_input = _smaller_input(problem)
    single_changes = (_fit_option(problem, change) for change in _changes(problem, smaller_input))
    if options := tuple(option for option in single_changes if problem.budget.fits(option.need)):
        return options
    combined: dict[str, Any] = {}
    for change in _changes(problem, None):
        combined |= change
        option = _fit_option(problem, combined)
        if problem.budget.fits(option.need):
            return (option,)
        if (smaller_input := _smaller_input(_with_settings(problem, combined))) is not None:
            return (_fit_option(problem, combined | smaller_input),)
    return ()


def _changes(problem: BatchSizeProblem, smaller_input: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    recipe = problem.recipe
    if recipe.activation_checkpointing == "off" and problem.final_stage == "unfreeze":
        yield {"activation_checkpointing": "on"}
    if problem.precision == "fp32" and problem.amp_dtype is not None:
        yield {"precision": problem.amp_dtype}
    if smaller_input is not None:
        yield smaller_input
    if recipe.start != "scratch" and problem.final_stage == "unfreeze":
        yield {"freeze_train": True, "freeze_epoch": recipe.unfreeze_epoch}
    if (lighter := network_spec(recipe.network).lighter) is not None:
        yield {"network": lighter}


def _smaller_input(problem: BatchSizeProblem) -> dict[str, Any] | None:
    """The largest input of the same aspect ratio that fits."""
    height, width = problem.recipe.input_shape
    current_cells = max(height, width) // 32

    def shape(cells: int) -> tuple[int, int]:
        """(height, width) whose longer side is `cells` times 32 pixels."""
        return _scaled(height, cells, current_cells), _scaled(width, cells, current_cells)

    def need(cells: int) -> float:
        return _need(_with_settings(problem, {"input_shape": shape(cells)}))

    limit = problem.budget.limit
    if limit is None or current_cells <= _MIN_INPUT_CELLS or (min_need := need(_MIN_INPUT_CELLS)) > limit:
        return None
    # Memory is linear in the pixels. A prediction takes seconds, so the search starts where that line meets the limit.
    min_pixels = math.prod(shape(_MIN_INPUT_CELLS))
    slope = (_need(problem) - min_need) / (height * width - min_pixels)
    cells = current_cells - 1
    while cells > _MIN_INPUT_CELLS and min_need + slope * (math.prod(shape(cells)) - min_pixels) > limit:
        cells -= 1
    while cells > _MIN_INPUT_CELLS and need(cells) > limit:
        cells -= 1
    return {"input_shape": shape(cells)}


def _scaled(length: int, numerator: int, denominator: int) -> int:
    return max(32, round(length * numerator / denominator / 32) * 32)


def _fit_option(problem: BatchSizeProblem, settings: dict[str, Any]) -> FitOption:
    return FitOption(dict(settings), _need(_with_settings(problem, settings)))


def _with_settings(problem: BatchSizeProblem, settings: dict[str, Any]) -> BatchSizeProblem:
    recipe = problem.recipe.model_copy(update={k: v for k, v in settings.items() if k != "precision"})
    if "network" in settings:
        recipe = recipe.model_copy(update={"anchors": "network"})
    return replace(problem, recipe=recipe, precision=settings.get("precision", problem.precision))


def _need(problem: BatchSizeProblem) -> float:
    """Bytes that the smallest batch needs in the last stage, margin included; infinity where they cannot be predicted."""
    peak = problem.peak(problem.final_stage, problem.min_batch_size, problem.min_batch_size)
    return math.inf if peak is None else problem.budget.need(peak)


_TOO_LARGE = gettext_noop(
    "{network} at {width}x{height} needs {need} for the smallest batch, 2, and {limit} are free on {device}. {options}"
)
_TOO_LARGE_FOR_EACH = gettext_noop(
    "{network} at {width}x{height} needs {need} for 2 images in each of {parts} processes or cards, and {limit} are free for each. "
    "{options}"
)


def does_not_fit_message(problem: BatchSizeProblem, device: str) -> Message:
    """The message for a training of which not even a batch size of 2 fits."""
    options = fit_options(problem)
    height, width = problem.recipe.input_shape
    template = _TOO_LARGE if problem.parts == 1 else _TOO_LARGE_FOR_EACH
    values = {
        "parts": problem.parts,
        "network": problem.recipe.network,
        "width": width,
        "height": height,
        "need": format_bytes(_need(problem)),
        "limit": format_bytes(problem.budget.limit or 0),
        "device": device,
        "options": phrase("What would fit: {options}.", options=_alternatives(options))
        if options
        else phrase("No setting makes it fit: close other programs that hold memory, or train on another device."),
    }
    return Message("plan.memory", template, values)


def _alternatives(options: Sequence[FitOption]) -> object:
    joint: object = options[0]
    for option in options[1:]:
        joint = phrase("{one}; or {other}", one=joint, other=option)
    return joint


def _to_text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{value[0]},{value[1]}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
