"""Resumes trainings: from a run folder to a stream of events."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine.dataset.stored_splits import splits_to_json
from engine.events import Event, Finished
from engine.files import remove_abandoned
from engine.messages import Message, bad_input, join_sentences, phrase
from engine.network.detector import Detector, build_network
from engine.plan import Plan
from engine.runner.environment import environment_note, record_environment
from engine.runner.overrides import with_overrides
from engine.runner.run_data import RunData, open_run_data
from engine.runner.start import network_to_start
from engine.runner.supervisor import OnOutOfMemory, StartState, supervise
from engine.runs.event_scan import scan_events
from engine.runs.folder import (
    LAST_CHECKPOINT,
    LAST_WEIGHTS,
    PREVIOUS_CHECKPOINT,
    find_run,
    load_plan,
    save_dataset_json,
    write_error,
)
from engine.runs.lock import run_lock
from engine.training.checkpoint import (
    Checkpoint,
    NewestCheckpoint,
    check_fits,
    find_newest,
    has_checkpoint,
    load_checkpoint,
)
from engine.training.control import Control
from engine.training.gc_freeze import gc_frozen
from engine.training.oom import release_memory
from engine.training.stages import make_optimizer
from engine.workspace import logs_folder

_STARTS_AGAIN = Message(
    "resume.starts_again",
    "The run ended before its first checkpoint was saved, so it starts again from its first step.",
)


def resume(
    target: Path,
    control: Control,
    *,
    overrides: Mapping[str, Any] | None = None,
    workspace: Path | None = None,
    on_out_of_memory: OnOutOfMemory = "stop",
    data: Path | None = None,
    accept_changes: bool = False,
) -> Iterator[Event]:
    """Resume a run from its last checkpoint; the result is that of a run that was never interrupted.

    A run that ended before its first checkpoint starts again from its first step.

    Args:
        target: a run folder, its name in logs/, or a checkpoint file.
        control: stops or pauses the training.
        overrides: settings to change, of `overrides.OVERRIDABLE`.
        workspace: the folder that contains logs/; the current one by default.
        on_out_of_memory: what to do when memory runs out.
        data: where the data set of the run is now; None: where it was.
        accept_changes: train on with a data set that has changed since the run was started.

    Raises:
        BadInput: before the first event, where the run cannot be resumed.
    """
    run, checkpoint_file = _find_run_and_checkpoint(target, workspace or Path.cwd())
    with run_lock(run):  # to the end of the training: nobody else resumes or deletes what was read here
        remove_abandoned(run)
        yield from _resume(
            run, checkpoint_file, control, _Changes(overrides or {}, data, accept_changes), on_out_of_memory
        )


@dataclass(frozen=True, slots=True)
class _Changes:
    """What is to be other than before when a run is resumed; see `resume`."""

    overrides: Mapping[str, Any]
    data: Path | None
    accept_changes: bool


def _resume(
    run: Path, checkpoint_file: Path | None, control: Control, changes: _Changes, on_out_of_memory: OnOutOfMemory
) -> Iterator[Event]:
    """Resume the run whose lock this process holds."""
    plan = load_plan(run)
    newest = _load_checkpoint(run, checkpoint_file)
    checkpoint = None if newest is None else newest.checkpoint
    run_data = open_run_data(run, plan, data=changes.data, accept_changes=changes.accept_changes)
    notes = list(run_data.notes)
    if newest is None:
        notes.insert(0, _STARTS_AGAIN)
    elif (lost := newest.note()) is not None:
        notes.insert(0, lost)
    plan = replace(plan, data=run_data.source, workspace=_workspace_of(run, plan))
    if changes.overrides:
        plan, note = with_overrides(plan, run_data.dataset, changes.overrides, checkpoint)
        notes.append(note)
    if (other := environment_note(run, plan)) is not None:
        notes.append(other)
    if checkpoint is not None and checkpoint.progress.epoch > plan.stages[-1].last_epoch:
        _refuse_finished(run, checkpoint)
    _check_device(run, plan)
    with gc_frozen():
        network, start_state = _state_to_resume(plan, newest)
        start_state.note = join_sentences(notes)
        _prepare_folder(run, plan, newest, run_data)
        del checkpoint, newest  # `start_state` drops it; it takes as much memory as the training itself
        try:
            yield from supervise(run, plan, run_data.dataset, network, control, start_state, on_out_of_memory)
        finally:
            del network
            release_memory(torch.device(plan.device))


def _load_checkpoint(run: Path, file: Path | None) -> NewestCheckpoint | None:
    """The checkpoint to resume from: `file`, or the newest of the run; None where none was saved yet."""
    if file is not None:
        return NewestCheckpoint(load_checkpoint(file), file)
    return find_newest(run) if has_checkpoint(run) else None


def _state_to_resume(plan: Plan, newest: NewestCheckpoint | None) -> tuple[Detector, StartState]:
    """The network, and the checkpoint or the weights that it starts from.

    Raises:
        BadInput: the checkpoint does not belong to the network.
    """
    if newest is None:
        network, loaded = network_to_start(plan)
        return network, StartState(loaded)
    network = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
    checkpoint = _fit_checkpoint(newest.file, newest.checkpoint, network, plan)
    network.set_levels(scale_x_y=checkpoint.scale_x_y, all_anchors=checkpoint.anchors)
    return network, StartState(checkpoint=checkpoint)


def _fit_checkpoint(file: Path, checkpoint: Checkpoint, network: Detector, plan: Plan) -> Checkpoint:
    """The checkpoint, after a check that it belongs to the network; with the optimizer's settings of the plan.

    Raises:
        BadInput: it does not.
    """
    optimizer = make_optimizer(plan.recipe, network)
    check_fits(file, checkpoint, network, optimizer, ema=plan.recipe.ema, scaler=plan.precision == "fp16")
    own_groups = optimizer.state_dict()["param_groups"]
    return replace(checkpoint, optimizer={"state": checkpoint.optimizer["state"], "param_groups": own_groups})


def _prepare_folder(run: Path, plan: Plan, newest: NewestCheckpoint | None, run_data: RunData) -> None:
    """Write what a resumed run changes in its folder before the first step."""
    if newest is None:
        record_environment(run, plan)
    elif newest.damaged or newest.file.name not in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        try:
            newest.settle()
        except OSError as error:
            raise write_error(run, error) from error
    if run_data.is_changed:
        save_dataset_json(run, splits_to_json(run_data.dataset))


def _refuse_finished(run: Path, checkpoint: Checkpoint) -> None:
    """Raise BadInput where all epochs are done. Killed between the last checkpoint and its last event, a run is not done."""
    if isinstance(scan_events(run).end, Finished):
        raise bad_input(
            "resume.finished",
            "{run}: this run has finished its {epochs} epochs; to train longer, extend it: --set unfreeze_epoch={more}.",
            run=run.name,
            epochs=checkpoint.progress.epoch,
            more=checkpoint.progress.epoch * 2,
        )


def _workspace_of(run: Path, plan: Plan) -> str:
    """The run's workspace: that of its plan, or where the folder is now if it was moved or comes from another system."""
    if os.path.isdir(plan.workspace):  # noqa: PTH112  Path.is_dir raises for some names that JSON can hold
        return plan.workspace
    return str(run.parent.parent if logs_folder(run.parent.parent) == run.parent else run.parent)


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


def _find_run_and_checkpoint(target: Path, workspace: Path) -> tuple[Path, Path | None]:
    """The run folder, and the checkpoint file where `target` is one.

    Raises:
        BadInput: there is no such run; or `target` is a weights file.
    """
    if not target.is_file():
        return find_run(target, workspace), None
    if target.name == LAST_CHECKPOINT:  # the same as its run, whose previous one is taken if this one is damaged
        return find_run(target.parent, workspace), None
    if target.name == PREVIOUS_CHECKPOINT:
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
