"""Makes a Plan of Recipe, Dataset and Hardware: device, precision, batch sizes, stages, memory, time, warnings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.dataset.index import Dataset, require_training_images
from engine.hardware import Hardware, probe
from engine.messages import BadInput, Message, bad_input, format_bytes, nearest, phrase
from engine.plan import DataSource, Plan, StageName, StagePlan
from engine.planning.device import choose_devices, choose_precision, choose_threads
from engine.planning.dry_run.timing import with_cached_seconds
from engine.planning.memory.batch_size import (
    BatchSizeProblem,
    BatchSizes,
    batch_size_problem,
    does_not_fit_message,
    fit_freeze_batch_size,
    largest_batch_size,
    suggest_batch_sizes,
)
from engine.planning.memory.checkpointing import checkpointing_note, decide_checkpointing
from engine.planning.warnings import parallel_warnings, plan_warnings
from engine.recipe import COCO, MIN_BATCH_SIZE, Recipe, batch_size_problems, make_recipe
from engine.training.schedule import fit_stage
from engine.weights.download.registry import find, official_file
from engine.weights.load import require_weights_file
from engine.weights.signature import WEIGHTS_SUFFIXES
from engine.workspace import weights_named


def make_plan(
    recipe: Recipe,
    dataset: Dataset,
    source: DataSource,
    hardware: Hardware,
    workspace: Path,
    *,
    resumed: Plan | None = None,
    nodes: int = 1,
) -> Plan:
    """The Plan of a training. Takes a second or two, since memory is predicted; nothing is allocated and no GPU is used.

    Args:
        recipe: the settings.
        dataset: the data set at `source`.
        source: stored in the plan.
        hardware: where it will run; free memory as it is now.
        workspace: the folder with logs/ and model_data/.
        resumed: the plan of the run to resume; its devices, precision and weights are kept, unless the recipe names other devices.
        nodes: number of machines that train together, each on as many devices.

    Raises:
        BadInput: there are too few training images, a device or the weights do not exist, a batch cannot be split over the
            devices, or a batch size is "auto" and not even the smallest fits.
    """
    train_images = len(dataset.splits["train"])
    require_training_images(dataset)
    devices = choose_devices(recipe, hardware) if resumed is None else _resumed_devices(recipe, hardware, resumed)
    _check_split(recipe, train_images, len(devices), nodes)
    device = devices[0]
    precision = choose_precision(recipe, devices, hardware) if resumed is None else resumed.precision
    problem = batch_size_problem(recipe, dataset, devices, precision, hardware, nodes=nodes)
    problem = decide_checkpointing(problem)
    batch_sizes = _resolve_batch_sizes(problem, device)
    plan = Plan(
        recipe=recipe,
        data=source,
        classes=dataset.classes,
        images=dataset.image_counts(),
        device=device,
        precision=precision,
        threads=choose_threads(hardware, len(devices) if recipe.parallel == "ddp" else 1, recipe.threads),
        weights=_weights_file(recipe, workspace) if resumed is None else resumed.weights,
        workspace=str(workspace.absolute()),
        stages=_with_memory(_stages(recipe, train_images, batch_sizes), problem),
        devices=devices if len(devices) > 1 else (),
        nodes=nodes,
        activation_checkpointing=problem.recipe.activation_checkpointing == "on",
    )
    plan = with_cached_seconds(plan, hardware)
    checkpointing = checkpointing_note(plan, hardware)
    warnings = (
        *batch_sizes.notes,
        *(() if checkpointing is None else (checkpointing,)),
        *_memory_warnings(plan, problem),
        *parallel_warnings(plan, hardware),
        *plan_warnings(plan, dataset),
    )
    return replace(plan, warnings=warnings)


def devices_to_resume(resumed: Plan, overrides: Mapping[str, Any]) -> tuple[str, ...]:
    """The devices of this machine on which a run is resumed with `overrides`.

    Raises:
        BadInput: the overrides are wrong, or name a device that cannot be used.
    """
    changed = {key: value for key, value in overrides.items() if key in ("parallel", "devices")}
    if not changed:
        return resumed.devices or (resumed.device,)
    # Whether the batch can be split over them is asked later, with the other overrides.
    settings = {
        **resumed.recipe.relevant_settings(),
        **changed,
        "freeze_batch_size": "auto",
        "unfreeze_batch_size": "auto",
    }
    return _resumed_devices(make_recipe(settings), probe(Path(resumed.workspace)), resumed)


def _resumed_devices(recipe: Recipe, hardware: Hardware, resumed: Plan) -> tuple[str, ...]:
    """The devices of a run that is resumed: its own, unless the recipe now says otherwise."""
    before = resumed.recipe
    if (recipe.parallel, recipe.devices) == (before.parallel, before.devices):
        return resumed.devices or (resumed.device,)
    return choose_devices(recipe, hardware)


def _check_split(recipe: Recipe, train_images: int, devices: int, nodes: int) -> None:
    """Raise BadInput where not every device gets at least 2 images of each batch, and as many as the others."""
    if nodes > 1 and recipe.parallel != "ddp":
        raise bad_input(
            "plan.nodes",
            "parallel: training on {nodes} machines needs parallel=ddp, and it is {parallel}.",
            nodes=nodes,
            parallel=recipe.parallel,
        )
    parts = devices * nodes
    needed = MIN_BATCH_SIZE * parts * recipe.accumulate
    if train_images < needed:
        if parts > 1:
            raise bad_input(
                "plan.split",
                "parallel: {parts} devices with at least 2 images each need {needed} training images in a step, and there are "
                "{count}; train on fewer devices, with a smaller accumulate, or with parallel=none.",
                parts=parts,
                needed=needed,
                count=train_images,
            )
        raise bad_input(
            "plan.accumulate",
            "accumulate: {accumulate} batches of at least 2 need {needed} training images and there are {count}; set "
            "accumulate={most} or less.",
            accumulate=recipe.accumulate,
            needed=needed,
            count=train_images,
            most=train_images // MIN_BATCH_SIZE,
        )
    if problems := batch_size_problems(recipe, parts):
        raise BadInput(*problems.values())


@dataclass(frozen=True, slots=True)
class _ResolvedBatchSizes:
    """Batch sizes as numbers, and notes about how they were chosen."""

    freeze: int
    unfreeze: int
    notes: tuple[Message, ...]


def _resolve_batch_sizes(problem: BatchSizeProblem, device: str) -> _ResolvedBatchSizes:
    """Numbers for "auto". No batch is larger than the training split; an epoch has room for a step of `accumulate` batches."""
    recipe = problem.recipe
    freeze, unfreeze = recipe.freeze_batch_size, recipe.unfreeze_batch_size
    notes: list[Message] = []
    if freeze == "auto" or unfreeze == "auto":
        suggested = suggest_batch_sizes(problem)
        if suggested is None:
            raise BadInput(does_not_fit_message(problem, device))
        if problem.is_predictable:
            notes.append(_suggestion_note(problem, suggested.largest, device))
        if unfreeze == "auto" and freeze == "auto":
            freeze, unfreeze = suggested.freeze, suggested.unfreeze
        elif unfreeze == "auto" and not recipe.freeze_train:
            unfreeze = suggested.unfreeze
        elif unfreeze == "auto":
            unfreeze = _matching_unfreeze(min(int(freeze), problem.max_batch_size), suggested, problem.parts)
        else:
            freeze = fit_freeze_batch_size(problem, int(unfreeze))
    limit = problem.max_batch_size
    for key, size in (("freeze_batch_size", int(freeze)), ("unfreeze_batch_size", int(unfreeze))):
        if size > limit and (recipe.freeze_train or key == "unfreeze_batch_size"):
            notes.append(
                Message(
                    "plan.batch_clipped",
                    "{key}: {size} is more than the {train} training images allow; {most} is used.",
                    {"key": key, "size": size, "train": problem.train_images, "most": limit},
                )
            )
    return _ResolvedBatchSizes(min(int(freeze), limit), min(int(unfreeze), limit), tuple(notes))


def _suggestion_note(problem: BatchSizeProblem, largest: int, device: str) -> Message:
    limit = problem.budget.limit
    return Message(
        "plan.batch_suggested",
        "Batch sizes were chosen for {limit} on {device}; memory and data allow up to {largest}. {margin}",
        {
            "limit": phrase("an unknown amount of free memory")
            if limit is None
            else phrase("{size} of free memory", size=format_bytes(limit)),
            "device": device,
            "largest": largest,
            "margin": problem.budget.reason,
        },
    )


def _stages(recipe: Recipe, train_images: int, batch_sizes: _ResolvedBatchSizes) -> tuple[StagePlan, ...]:
    """The stages that have at least one epoch."""
    freeze_end = recipe.freeze_epoch if recipe.freeze_train else 0
    stages: tuple[tuple[StageName, int, int, int], ...] = (
        ("freeze", recipe.init_epoch, freeze_end, batch_sizes.freeze),
        ("unfreeze", max(recipe.init_epoch, freeze_end), recipe.unfreeze_epoch, batch_sizes.unfreeze),
    )
    return tuple(
        fit_stage(recipe, StagePlan(name, start, end - 1, batch_size, 0.0, 0.0, 0, recipe.accumulate), train_images)
        for name, start, end, batch_size in stages
        if start < end
    )


def _with_memory(stages: tuple[StagePlan, ...], problem: BatchSizeProblem) -> tuple[StagePlan, ...]:
    """The stages with their predicted memory, if it can be predicted."""
    budget = problem.budget
    smallest = min(stage.batch_size for stage in stages)
    peaks = [problem.peak(stage.name, stage.batch_size, smallest) for stage in stages]
    return tuple(
        replace(
            stage,
            memory_estimate_bytes=None if peak is None else budget.need(peak),
            memory_margin_bytes=None if peak is None else budget.margin(peak),
            memory_limit_bytes=budget.limit,
        )
        for stage, peak in zip(stages, peaks, strict=True)
    )


def _memory_warnings(plan: Plan, problem: BatchSizeProblem) -> Iterator[Message]:
    """Stages whose batch size is a number that probably does not fit, each with the largest number that does."""
    if not problem.is_predictable:
        yield Message(
            "plan.memory_unknown",
            "The memory that this training needs cannot be predicted with torch {version}; the log says why. A batch size set to "
            "auto is a small one. If memory runs out, set smaller batch sizes.",
            {"version": version("torch")},
        )
    for stage in plan.stages:
        need, limit, name = stage.memory_estimate_bytes, problem.budget.limit, stage.name
        if need is None or limit is None or need <= limit:
            continue

        def fits(batch_size: int, name: StageName = name) -> bool:
            return problem.fits(name, batch_size)

        fitting = largest_batch_size(problem, fits, stage.batch_size)
        if fitting is None:
            yield does_not_fit_message(problem, plan.device)
            return
        yield Message(
            "plan.memory_tight",
            "{stage}_batch_size: {batch} needs {need} and {limit} are free on {device}; {fitting} would fit.",
            {
                "stage": name,
                "batch": stage.batch_size,
                "need": format_bytes(need),
                "limit": format_bytes(limit),
                "device": plan.device,
                "fitting": fitting,
            },
        )


def _matching_unfreeze(freeze: int, suggested: BatchSizes, parts: int) -> int:
    """The unfreeze batch size, a multiple of `parts`, for a given freeze batch size, which must be 1 to 2 times as large.

    Raises:
        BadInput: the smallest allowed size does not fit.
    """
    smallest = parts * math.ceil(freeze / 2 / parts)
    if smallest > suggested.largest:
        raise bad_input(
            "plan.freeze_batch",
            "freeze_batch_size: {freeze} needs an unfreeze_batch_size of {least} or more, and {largest} is the largest that fits; "
            "set freeze_batch_size={most} or less, or auto.",
            freeze=freeze,
            least=smallest,
            largest=suggested.largest,
            most=2 * suggested.largest,
        )
    return min(max(suggested.unfreeze, smallest), freeze)


def _weights_file(recipe: Recipe, workspace: Path) -> str | None:
    """Path of the weights to start from; None for a start from scratch."""
    if recipe.start == "scratch":
        return None
    if recipe.start == "backbone" or recipe.model_path == COCO:
        official = official_file(recipe.network)
        if official is None:
            raise bad_input(
                "plan.no_official_weights",
                "model_path: there are no official weights of {network}; set it to a weights file, or start from scratch with "
                "model_path= and freeze_train=false.",
                network=recipe.network,
            )
        if (file := find(official, workspace / "model_data")) is None:
            raise bad_input(
                "plan.no_weights",
                "{name} is not in {folder}; download it with: freezetui weights get {name}",
                name=official.name,
                folder=workspace / "model_data",
            )
        return str(file.absolute())
    if (file := weights_named(recipe.model_path, workspace)) is not None:
        require_weights_file(file)
        return str(file)
    path = Path(recipe.model_path).expanduser()
    folders = [folder for folder in (path.parent, workspace, workspace / "model_data") if folder.is_dir()]
    available = {
        file.name: file for folder in reversed(folders) for file in folder.iterdir() if file.suffix in WEIGHTS_SUFFIXES
    }
    close = nearest(path.name, available)
    raise bad_input(
        "plan.model_path",
        "model_path: {path} does not exist{hint}",
        path=recipe.model_path,
        hint=phrase("; did you mean {nearest}?", nearest=available[close])
        if close
        else phrase("; 'coco' starts from the official weights."),
    )
