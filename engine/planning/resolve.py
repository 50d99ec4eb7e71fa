"""Recipe, Dataset and Hardware resolved into a Plan, with everything a user should know before it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.dataset.index import Dataset, require_training_images
from engine.hardware import Hardware
from engine.messages import BadInput, Message, bad_input, nearest, phrase
from engine.plan import DataSource, Plan, StageName, StagePlan
from engine.planning.device import choose_device, choose_precision, choose_threads
from engine.planning.dry_run.timing import with_cached_seconds
from engine.planning.memory.batch_size import (
    BatchSizeProblem,
    BatchSizes,
    batch_size_problem,
    does_not_fit_message,
    fit_freeze_batch_size,
    gigabytes,
    largest_fitting,
    suggest_batch_sizes,
)
from engine.planning.warnings import plan_warnings
from engine.recipe import COCO, LEAST_BATCH, Recipe
from engine.training.schedule import fitted_stage
from engine.weights.download.fetch import find
from engine.weights.load import require_weights
from engine.weights.signature import WEIGHTS_SUFFIXES
from engine.workspace import weights_named


def make_plan(
    recipe: Recipe,
    dataset: Dataset,
    source: DataSource,
    hardware: Hardware,
    workspace: Path,
    *,
    begun: Plan | None = None,
) -> Plan:
    """What will run. Takes a second or two, since memory is predicted; nothing is allocated and no GPU is touched.

    Raises:
        BadInput: the data set has too few training images, the device is not there, the weights are not, or a batch size is
            "auto" and not even 2 fits.
    """
    train = len(dataset.splits["train"])
    require_training_images(dataset)
    if train < LEAST_BATCH * recipe.accumulate:
        raise bad_input(
            "plan.accumulate",
            "accumulate: {accumulate} batches of at least 2 need {needed} training images and there are {count}; set "
            "accumulate={most} or less.",
            accumulate=recipe.accumulate,
            needed=LEAST_BATCH * recipe.accumulate,
            count=train,
            most=train // LEAST_BATCH,
        )
    device = choose_device(recipe, hardware) if begun is None else begun.device
    precision = choose_precision(recipe, device, hardware) if begun is None else begun.precision
    problem = batch_size_problem(recipe, dataset, device, precision, hardware)
    chosen = _choose_batches(problem, device)
    plan = Plan(
        recipe=recipe,
        data=source,
        classes=dataset.classes,
        images=dataset.image_counts(),
        device=device,
        precision=precision,
        threads=choose_threads(hardware),
        weights=_weights(recipe, workspace) if begun is None else begun.weights,
        workspace=str(workspace.absolute()),
        stages=_with_memory(_stages(recipe, train, chosen), problem),
    )
    plan = with_cached_seconds(plan, hardware)
    notes = (*chosen.notes, *_memory_warnings(plan, problem), *plan_warnings(plan, dataset))
    return replace(plan, warnings=notes)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Batch sizes in numbers, and what is to be said about them."""

    freeze: int
    unfreeze: int
    notes: tuple[Message, ...]


def _choose_batches(problem: BatchSizeProblem, device: str) -> _Chosen:
    """Numbers for "auto", and nothing larger than the training split; a step of `accumulate` batches must fit into an epoch."""
    recipe = problem.recipe
    freeze, unfreeze = recipe.freeze_batch_size, recipe.unfreeze_batch_size
    notes: list[Message] = []
    if freeze == "auto" or unfreeze == "auto":
        suggested = suggest_batch_sizes(problem)
        if suggested is None:
            raise BadInput(does_not_fit_message(problem, device))
        notes.append(_suggested(problem, suggested.largest, device))
        if unfreeze == "auto" and freeze == "auto":
            freeze, unfreeze = suggested.freeze, suggested.unfreeze
        elif unfreeze == "auto" and not recipe.freeze_train:
            unfreeze = suggested.unfreeze
        elif unfreeze == "auto":
            unfreeze = _bound_by(min(int(freeze), problem.most), suggested)
        else:
            freeze = fit_freeze_batch_size(problem, int(unfreeze))
    most = problem.most
    for key, size in (("freeze_batch_size", int(freeze)), ("unfreeze_batch_size", int(unfreeze))):
        if size > most and (recipe.freeze_train or key == "unfreeze_batch_size"):
            notes.append(
                Message(
                    "plan.batch_clipped",
                    "{key}: {size} is more than the {train} training images give; {most} is taken.",
                    {"key": key, "size": size, "train": problem.train_images, "most": most},
                )
            )
    return _Chosen(min(int(freeze), most), min(int(unfreeze), most), tuple(notes))


def _suggested(problem: BatchSizeProblem, largest: int, device: str) -> Message:
    limit = problem.budget.limit
    return Message(
        "plan.batch_suggested",
        "Batch sizes were chosen for the {limit} that are free on {device}: memory and data would allow {largest}. {margin}",
        {
            "limit": phrase("memory") if limit is None else gigabytes(limit),
            "device": device,
            "largest": largest,
            "margin": problem.budget.reason,
        },
    )


def _stages(recipe: Recipe, train: int, chosen: _Chosen) -> tuple[StagePlan, ...]:
    """The stages that have epochs to train."""
    border = recipe.freeze_epoch if recipe.freeze_train else 0
    borders: tuple[tuple[StageName, int, int, int], ...] = (
        ("freeze", recipe.init_epoch, border, chosen.freeze),
        ("unfreeze", max(recipe.init_epoch, border), recipe.unfreeze_epoch, chosen.unfreeze),
    )
    return tuple(
        fitted_stage(recipe, StagePlan(name, first, end - 1, batch, 0.0, 0.0, 0, recipe.accumulate), train)
        for name, first, end, batch in borders
        if first < end
    )


def _with_memory(stages: tuple[StagePlan, ...], problem: BatchSizeProblem) -> tuple[StagePlan, ...]:
    budget = problem.budget
    smallest = min(stage.batch_size for stage in stages)
    peaks = [problem.peak(stage.name, stage.batch_size, smallest) for stage in stages]
    return tuple(
        replace(
            stage,
            memory_estimate_bytes=budget.need(peak),
            memory_margin_bytes=budget.margin(peak),
            memory_limit_bytes=budget.limit,
        )
        for stage, peak in zip(stages, peaks, strict=True)
    )


def _memory_warnings(plan: Plan, problem: BatchSizeProblem) -> Iterator[Message]:
    """A stage that was given a batch size in numbers and will probably not fit, with the number that would."""
    for stage in plan.stages:
        need, limit, name = stage.memory_estimate_bytes, problem.budget.limit, stage.name
        if need is None or limit is None or need <= limit:
            continue

        def fits(batch: int, name: StageName = name) -> bool:
            return problem.fits(name, batch)

        fitting = largest_fitting(fits, stage.batch_size)
        if fitting is None:
            yield does_not_fit_message(problem, plan.device)
            return
        yield Message(
            "plan.memory_tight",
            "{stage}_batch_size: {batch} needs {need} and {limit} are free on {device}; {fitting} would fit.",
            {
                "stage": name,
                "batch": stage.batch_size,
                "need": gigabytes(need),
                "limit": gigabytes(limit),
                "device": plan.device,
                "fitting": fitting,
            },
        )


def _bound_by(freeze: int, suggested: BatchSizes) -> int:
    """The unfreeze batch beside a freeze batch that was named, which is 1 to 2 times that.

    Raises:
        BadInput: what it would have to be does not fit.
    """
    least = math.ceil(freeze / 2)
    if least > suggested.largest:
        raise bad_input(
            "plan.freeze_batch",
            "freeze_batch_size: {freeze} needs an unfreeze_batch_size of {least} or more, and {largest} is the largest that fits; "
            "set freeze_batch_size={most} or less, or auto.",
            freeze=freeze,
            least=least,
            largest=suggested.largest,
            most=2 * suggested.largest,
        )
    return min(max(suggested.unfreeze, least), freeze)


def _weights(recipe: Recipe, workspace: Path) -> str | None:
    """The file to start from."""
    if recipe.start == "scratch":
        return None
    if recipe.start == "backbone" or recipe.model_path == COCO:
        name = f"{recipe.network}.weights"
        if (path := find(name, workspace / "model_data")) is None:
            raise bad_input(
                "plan.no_weights",
                "{name} is not in {folder}; fetch it with: freezetui weights get {name}",
                name=name,
                folder=workspace / "model_data",
            )
        return str(path.absolute())
    if (path := weights_named(recipe.model_path, workspace)) is not None:
        require_weights(path)
        return str(path)
    given = Path(recipe.model_path).expanduser()
    folders = [folder for folder in (given.parent, workspace, workspace / "model_data") if folder.is_dir()]
    there = {
        path.name: path for folder in reversed(folders) for path in folder.iterdir() if path.suffix in WEIGHTS_SUFFIXES
    }
    close = nearest(given.name, there)
    raise bad_input(
        "plan.model_path",
        "model_path: {path} is not there{hint}",
        path=recipe.model_path,
        hint=phrase("; did you mean {nearest}?", nearest=there[close])
        if close
        else phrase("; 'coco' starts from the official weights."),
    )
