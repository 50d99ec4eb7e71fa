"""Starts and resumes trainings: from a Plan or a run folder to a stream of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from engine.dataset.index import Dataset
from engine.dataset.stored_splits import restore_splits, splits_to_json
from engine.events import Event, Failed, Finished, LossNotFinite, OutOfMemory, Stopped, WeightsLoaded
from engine.messages import bad_input, phrase
from engine.network.detector import Detector, build_network
from engine.plan import Plan, open_source
from engine.planning.dry_run.preflight import preflight
from engine.runner.overrides import with_overrides
from engine.runner.supervisor import OnOutOfMemory, StartState, supervise
from engine.runs.folder import (
    LAST_CHECKPOINT,
    LAST_WEIGHTS,
    PREVIOUS_CHECKPOINT,
    create_run,
    find_run,
    load_dataset_json,
    load_plan,
)
from engine.runs.lock import run_lock
from engine.training.checkpoint import check_disk, load_checkpoint, load_newest
from engine.training.control import Control
from engine.training.gc_freeze import gc_frozen
from engine.training.oom import release_memory
from engine.weights.load import load_weights


def start(
    plan: Plan, control: Control, dataset: Dataset | None = None, *, on_out_of_memory: OnOutOfMemory = "stop"
) -> Iterator[Event]:
    """Train a Plan in a new run folder.

    On a GPU a dry run of both stages comes first, once for each card and recipe.

    Args:
        plan: what to train.
        control: stops or pauses the training.
        dataset: the Dataset of the plan, if it has been read already.
        on_out_of_memory: what to do when memory runs out.

    Raises:
        BadInput: before the first event, where the run cannot start.
        DoesNotFit: before the first event, where memory ran out in the dry run.
    """
    if dataset is None:
        dataset = open_source(plan.data, plan.recipe.seed)
    if plan.device.startswith("cuda"):
        may_lower = on_out_of_memory != "stop" or "auto" in (
            plan.recipe.freeze_batch_size,
            plan.recipe.unfreeze_batch_size,
        )
        plan = preflight(plan, dataset, may_lower=may_lower, stop=control.stop_event)
    with gc_frozen():
        torch.manual_seed(plan.recipe.seed)
        network = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
        loaded = _load_start_weights(plan, network)
        _check_disk(plan, network)
        run = create_run(plan, splits_to_json(dataset))
        try:
            yield from supervise(run, plan, dataset, network, control, StartState(loaded), on_out_of_memory)
        finally:
            del network
            release_memory(torch.device(plan.device))  # for the next training in this process


def resume(
    target: Path,
    control: Control,
    *,
    overrides: Mapping[str, Any] | None = None,
    workspace: Path | None = None,
    on_out_of_memory: OnOutOfMemory = "stop",
) -> Iterator[Event]:
    """Resume a run from its last checkpoint; the result is that of a run that was never interrupted.

    Args:
        target: a run folder, its name in logs/, or a checkpoint file.
        control: stops or pauses the training.
        overrides: settings to change, of `overrides.OVERRIDABLE`.
        workspace: the folder that contains logs/; the current one by default.
        on_out_of_memory: what to do when memory runs out.

    Raises:
        BadInput: before the first event, where the run cannot be resumed.
    """
    run, checkpoint_file = _find_run_and_checkpoint(target, workspace or Path.cwd())
    plan = load_plan(run)
    with run_lock(run):
        checkpoint = load_newest(run) if checkpoint_file is None else load_checkpoint(checkpoint_file)
    source = open_source(plan.data, plan.recipe.seed)
    dataset = restore_splits(source, load_dataset_json(run))
    if tuple(dataset.classes) != plan.classes:
        raise bad_input(
            "resume.classes",
            "{path}: the classes of the data set have changed; the run was started with {classes}. Restore the labels.",
            path=plan.data.path,
            classes=", ".join(plan.classes),
        )
    note = None
    if overrides:
        plan, note = with_overrides(plan, dataset, overrides, checkpoint)
    if checkpoint.progress.epoch > plan.stages[-1].last_epoch:
        raise bad_input(
            "resume.finished",
            "{run}: this run has finished its {epochs} epochs; to train longer, extend it: --set unfreeze_epoch={more}.",
            run=run.name,
            epochs=checkpoint.progress.epoch,
            more=checkpoint.progress.epoch * 2,
        )
    _check_device(run, plan)
    with gc_frozen():
        network = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
        network.set_levels(scale_x_y=checkpoint.scale_x_y, all_anchors=checkpoint.anchors)
        start_state = StartState(checkpoint=checkpoint, note=note)
        del checkpoint  # `start_state` drops it; it takes as much memory as the training itself
        try:
            yield from supervise(run, plan, dataset, network, control, start_state, on_out_of_memory)
        finally:
            del network
            release_memory(torch.device(plan.device))


def exit_code(last: Event | None) -> int:
    """The command's exit code after a run whose last event was `last`."""
    match last:
        case Finished():
            return 0
        case Stopped():
            return 130
        case OutOfMemory():
            return 3
        case LossNotFinite():
            return 4
        case Failed():
            return last.exit_code
        case _:
            return 1


def _load_start_weights(plan: Plan, network: Detector) -> WeightsLoaded | None:
    if plan.weights is None:
        return None
    path = Path(plan.weights)
    report = load_weights(
        network,
        path,
        part="backbone" if plan.recipe.start == "backbone" else "whole",
        keep_anchors=plan.recipe.anchors != "network",
    )
    return WeightsLoaded(
        file=plan.weights,
        kind=report.kind,
        matched=report.matched,
        total=report.total,
        skipped=tuple(report.skipped),
    )


def _check_device(run: Path, plan: Plan) -> None:
    """Raise BadInput, before anything is written, where the device of the run is missing."""
    device = torch.device(plan.device)
    if device.type == "cuda":
        is_available = torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    else:
        is_available = device.type != "mps" or torch.backends.mps.is_available()
    if not is_available:
        raise bad_input(
            "resume.device",
            "{run}: it was trained on {device}, which torch cannot use here (freezetui probe shows why). Restart the machine, or "
            "start a new run from its weights on another device: freezetui train --set model_path={weights}",
            run=run.name,
            device=plan.device,
            weights=run / LAST_WEIGHTS,
        )


def _check_disk(plan: Plan, network: Detector) -> None:
    recipe = plan.recipe
    epochs = plan.stages[-1].last_epoch - plan.stages[0].first_epoch + 1
    check_disk(
        Path(plan.workspace),
        sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values()),
        ema=recipe.ema,
        adam=recipe.optimizer_type != "sgd",
        weights_files=epochs // recipe.save_period + 3,
    )


def _find_run_and_checkpoint(target: Path, workspace: Path) -> tuple[Path, Path | None]:
    """The run folder, and the checkpoint file where `target` is one.

    Raises:
        BadInput: there is no such run; or `target` is a weights file.
    """
    if not target.is_file():
        return find_run(target, workspace), None
    if target.name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        return find_run(target.parent, workspace), target
    if (target.parent / LAST_CHECKPOINT).is_file():
        hint = phrase("Resume the run with: freezetui resume {run}", run=target.parent)
    else:
        hint = phrase("Start a new run from it with: freezetui train --set model_path={path}", path=target)
    raise bad_input(
        "resume.weights_only",
        "{path}: a run cannot be resumed from weights alone: the optimizer state, the EMA weights, the learning "
        "rate and the step are missing. {hint}",
        path=target,
        hint=hint,
    )
