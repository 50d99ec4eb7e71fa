"""Resumes trainings: from a run folder to a stream of events."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine.dataset.stored_splits import splits_to_json
from engine.events import Event, Finished
from engine.files import remove_abandoned
from engine.messages import Message, bad_input, join_sentences, phrase
from engine.network.detector import Detector, build_network
from engine.parallel.group import SINGLE, ProcessGroup
from engine.parallel.launch_spec import ONE_MACHINE, Rendezvous
from engine.parallel.place import torchrun_place
from engine.plan import Plan
from engine.planning.resolve import devices_to_resume
from engine.runner.agreement import from_first, on_all
from engine.runner.environment import environment_note, record_environment
from engine.runner.launch import ALONE, Launch, launch
from engine.runner.machines import check_resumed
from engine.runner.overrides import with_overrides
from engine.runner.run_data import RunData, open_run_data
from engine.runner.start import network_to_start
from engine.runner.supervisor import OnOutOfMemory, StartState, supervise
from engine.runner.torchrun import torchrun_group
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
    how: Launch = ALONE,
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
        how: other machines that train with this one, and what happens when a process dies.

    Raises:
        BadInput: before the first event, where the run cannot be resumed.
    """
    run, checkpoint_file = _find_run_and_checkpoint(target, workspace or Path.cwd())
    changes = Changes(overrides or {}, data, accept_changes)
    devices = devices_to_resume(load_plan(run), changes.overrides)
    place = torchrun_place()
    if place is not None:
        with torchrun_group(place, devices) as group:
            machines = Rendezvous(place.processes // place.local_processes, place.node)
            yield from resume_in_group(
                run, checkpoint_file, control, changes, on_out_of_memory, group, machines=machines
            )
        return
    if len(devices) * how.rendezvous.nodes == 1:
        yield from resume_in_group(run, checkpoint_file, control, changes, on_out_of_memory, SINGLE)
        return
    _check_devices(run, devices)
    job = {
        "kind": "resume",
        "run": str(run),
        "checkpoint": None if checkpoint_file is None else str(checkpoint_file),
        "overrides": dict(changes.overrides),
        "data": None if data is None else str(data.expanduser().absolute()),
        "accept_changes": accept_changes,
        "on_out_of_memory": on_out_of_memory,
        "can_detach": control.can_detach,
    }
    yield from launch(job, devices, control, how, run=run)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be other than before when a run is resumed; see `resume`."""

    overrides: Mapping[str, Any]
    data: Path | None
    accept_changes: bool


def resume_in_group(
    run: Path,
    checkpoint_file: Path | None,
    control: Control,
    changes: Changes,
    on_out_of_memory: OnOutOfMemory,
    group: ProcessGroup,
    note: Message | None = None,
    machines: Rendezvous = ONE_MACHINE,
) -> Iterator[Event]:
    """Resume a run in every process of `group`; the first one alone holds its lock and writes.

    Args:
        run: the run folder.
        checkpoint_file: the checkpoint to resume from; None: the newest.
        control: requests to this process.
        changes: what is to be other than before.
        on_out_of_memory: what to do when memory runs out.
        group: all processes.
        note: why the run is resumed, to be said with its first event.
        machines: each has the run folder, shared or copied.

    Raises:
        BadInput: before the first event, in every process, where the run cannot be resumed.
    """
    with ExitStack() as locked:

        def lock() -> bool:  # to the end of the training: nobody else resumes or deletes what is read below
            locked.enter_context(run_lock(run))
            remove_abandoned(run)
            return True

        from_first(group, lock)
        yield from _resume(run, checkpoint_file, control, changes, on_out_of_memory, group, note, machines)


def _resume(
    run: Path,
    checkpoint_file: Path | None,
    control: Control,
    changes: Changes,
    on_out_of_memory: OnOutOfMemory,
    group: ProcessGroup,
    note: Message | None,
    machines: Rendezvous,
) -> Iterator[Event]:
    """Resume the run whose lock the first process holds."""
    resumed = on_all(group, lambda: _read(run, checkpoint_file, changes, group))
    if machines.nodes > 1:
        newest = resumed.newest
        position = "-" if newest is None else f"{newest.checkpoint.progress.epoch}/{newest.checkpoint.progress.step}"
        check_resumed(group, machines.node_rank, resumed.plan, position)
    # The first one decides for all: what "auto" becomes depends on the free memory of its machine.
    plan, notes = from_first(group, lambda: _plan_to_resume(run, resumed, changes, machines.nodes))
    if not group.is_single:
        plan = replace(plan, data=resumed.run_data.source, workspace=_workspace_of(run, plan), device=group.device)
    on_all(group, lambda: _check_device(run, plan))
    with gc_frozen():
        network, start_state = on_all(group, lambda: _state_to_resume(plan, resumed.newest))
        start_state.note = join_sentences([*([] if note is None else [note]), *resumed.notes, *notes])
        from_first(group, lambda: _prepare_folder(run, plan, resumed))
        dataset = resumed.run_data.dataset
        resumed.newest = None  # `start_state` drops the checkpoint; it takes as much memory as the training itself
        try:
            yield from supervise(run, plan, dataset, network, control, start_state, on_out_of_memory, group=group)
        finally:
            del network
            release_memory(torch.device(plan.device))


@dataclass(slots=True)
class _Resumed:
    """What is read of a run before it is resumed."""

    plan: Plan
    newest: NewestCheckpoint | None
    run_data: RunData
    notes: tuple[Message, ...]


def _read(run: Path, checkpoint_file: Path | None, changes: Changes, group: ProcessGroup) -> _Resumed:
    plan = load_plan(run)
    newest = _load_checkpoint(run, checkpoint_file)
    run_data = open_run_data(run, plan, data=changes.data, accept_changes=changes.accept_changes)
    notes = list(run_data.notes)
    if newest is None:
        notes.insert(0, _STARTS_AGAIN)
    elif (lost := newest.note()) is not None:
        notes.insert(0, lost)
    if group.world_size != plan.processes:
        notes.append(
            Message(
                "resume.processes",
                "The run was trained by {then} process(es) and resumes with {now}: other images share a batch norm, so the results "
                "are not those of an uninterrupted run any more.",
                {"then": plan.processes, "now": group.world_size},
            )
        )
    return _Resumed(plan, newest, run_data, tuple(notes))


def _plan_to_resume(run: Path, resumed: _Resumed, changes: Changes, nodes: int) -> tuple[Plan, list[Message]]:
    """The plan with the changes, and what is to be said about it."""
    notes: list[Message] = []
    checkpoint = None if resumed.newest is None else resumed.newest.checkpoint
    plan = replace(resumed.plan, data=resumed.run_data.source, workspace=_workspace_of(run, resumed.plan), nodes=nodes)
    if changes.overrides:
        plan, note = with_overrides(plan, resumed.run_data.dataset, changes.overrides, checkpoint)
        notes.append(note)
    if (other := environment_note(run, plan)) is not None:
        notes.append(other)
    if checkpoint is not None and checkpoint.progress.epoch > plan.stages[-1].last_epoch:
        _refuse_finished(run, checkpoint)
    return plan, notes


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


def _prepare_folder(run: Path, plan: Plan, resumed: _Resumed) -> bool:
    """Write what a resumed run changes in its folder before the first step; True when that is done."""
    newest, run_data = resumed.newest, resumed.run_data
    if newest is None:
        record_environment(run, plan)
    elif newest.damaged or newest.file.name not in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        try:
            newest.settle()
        except OSError as error:
            raise write_error(run, error) from error
    if run_data.is_changed:
        save_dataset_json(run, splits_to_json(run_data.dataset))
    return True


def _refuse_finished(run: Path, checkpoint: Checkpoint) -> None:
    """Raise BadInput where all epochs are done. Killed between the last checkpoint and its last event, a run is not done."""
    if isinstance(scan_events(run).end, Finished):
        raise bad_input(
            "resume.finished",
            "{run}: this run has finished its {epochs} epochs; to train longer, extend it.",
            run=run.name,
            epochs=checkpoint.progress.epoch,
            more=checkpoint.progress.epoch * 2,
        )


def _workspace_of(run: Path, plan: Plan) -> str:
    """The run's workspace: that of its plan, or where the folder is now if it was moved or comes from another system."""
    if os.path.isdir(plan.workspace):  # noqa: PTH112  Path.is_dir raises for some names that JSON can hold
        return plan.workspace
    return str(run.parent.parent if logs_folder(run.parent.parent) == run.parent else run.parent)


def _check_devices(run: Path, devices: Sequence[str]) -> None:
    """Raise BadInput where some of the cards that trained together are missing, and others are not."""
    missing = [device for device in devices if not _is_available(device)]
    others = [torch.device(device).index for device in devices if device not in missing]
    if missing and others:
        raise bad_input(
            "resume.devices",
            "{run}: it was trained on {devices}, of which torch cannot use {missing} here. Restart the machine, or resume on the "
            "others: devices={others}",
            run=run.name,
            devices=", ".join(devices),
            missing=", ".join(missing),
            others=others,
        )


def _is_available(name: str) -> bool:
    device = torch.device(name)
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type != "mps" or torch.backends.mps.is_available()


def _check_device(run: Path, plan: Plan) -> None:
    """Raise BadInput, before anything is written, where the device of the run is missing."""
    if not _is_available(plan.device):
        raise bad_input(
            "resume.device",
            "{run}: it was trained on {device}, which torch cannot use here. Restart the machine, or start a new run from its weights "
            "({weights}) on another device.",
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
