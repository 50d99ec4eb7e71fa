"""The state of a run, from its lock and its events."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.events import Failed, Finished, LossNotFinite, OutOfMemory, Stopped
from engine.files import error_reason
from engine.hardware.process_info import KillReason
from engine.messages import BadInput, Message, phrase
from engine.runs.delete import sweep_deleted_runs
from engine.runs.event_scan import EventScan, Point, RunEnd, scan_events
from engine.runs.folder import PLAN, load_plan, run_folders
from engine.runs.lock import is_running, read_kill_reason
from engine.runs.note import read_note

RunState = Literal[
    "running", "finished", "stopped", "failed", "out_of_memory", "loss_not_finite", "interrupted", "unreadable"
]

_KILLED: dict[KillReason, Message] = {
    "restarted": Message(
        "run.restarted", "The machine restarted while the run was training, perhaps after a power cut."
    ),
    "out_of_memory": Message(
        "run.killed_out_of_memory",
        "The machine ran out of memory and its kernel killed the run: use a smaller batch size, or close other programs.",
    ),
    "unknown": Message(
        "run.killed", "The process was killed and left no reason: by the machine, by hand, or with its terminal."
    ),
}


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row of a list of runs. Epochs count from 0; `last_epoch` is the last one planned."""

    name: str
    path: str
    state: RunState
    stage: str | None
    epoch: int | None
    last_epoch: int | None
    best_map50: float | None
    best_val_loss: float | None
    started: float | None
    message: Message | None
    """What ended the run; None where the state says it all."""
    resumable: bool
    cause: KillReason | None = None
    """What probably killed the run, where it was interrupted."""
    hint: Message | None = None
    """What to do about it on the command line."""
    step: int | None = None
    """Steps of `epoch` that were done; None where the epoch is finished."""
    steps: int | None = None
    """Steps that `epoch` has."""
    data: str | None = None
    """Path of the data set."""
    preset: str | None = None
    """None where the recipe was made without a preset, and for runs of older versions."""
    network: str | None = None
    note: str = ""
    """What the user wrote about the run."""
    losses: tuple[Point, ...] = ()
    """The training loss of every epoch; of many epochs, means of neighbouring ones."""
    val_losses: tuple[Point, ...] = ()
    maps: tuple[Point, ...] = ()
    """mAP50."""

    def to_json(self) -> dict[str, Any]:
        """The form of `runs --json`; the curves are in events.jsonl."""
        curves = ("losses", "val_losses", "maps")
        values = {name: getattr(self, name) for name in RunSummary.__dataclass_fields__ if name not in curves}
        return {**values, "message": str(self.message or ""), "hint": str(self.hint or "")}


def list_runs(workspace: Path) -> tuple[RunSummary, ...]:
    """All runs of a workspace, the newest last. One that cannot be read is listed with what is wrong."""
    sweep_deleted_runs(workspace)
    return tuple(summarize_run(folder) for folder in run_folders(workspace))


def summarize_run(run: Path) -> RunSummary:
    """The state of the run in the folder `run`; "unreadable" where its files are damaged or cannot be read."""
    try:
        scan = scan_events(run)
        if is_running(run):
            return _summary(run, scan, "running")
        _check_plan(run)
        return _ended_summary(run, scan)
    except BadInput as error:
        return _summary(run, EventScan(), "unreadable", message=error.as_one_message())
    except OSError as error:
        message = Message(
            "file.unreadable", "{path}: cannot be read ({reason}).", {"path": run, "reason": error_reason(error)}
        )
        return _summary(run, EventScan(), "unreadable", message=message)


def _ended_summary(run: Path, scan: EventScan) -> RunSummary:
    end = scan.end
    state = _state_after(end)
    resumable = state != "finished"  # without a checkpoint it starts again from its first step
    if state == "interrupted":
        cause = read_kill_reason(run)
        hint = _resume_hint(run, cause) if resumable else None
        return _summary(run, scan, state, resumable=resumable, message=_KILLED[cause], cause=cause, hint=hint)
    if isinstance(end, OutOfMemory | LossNotFinite | Failed):
        return _summary(run, scan, state, resumable=resumable, message=end.message, hint=end.hint)
    return _summary(run, scan, state, resumable=resumable)


def _summary(
    run: Path,
    scan: EventScan,
    state: RunState,
    *,
    resumable: bool = False,
    message: Message | None = None,
    cause: KillReason | None = None,
    hint: Message | None = None,
) -> RunSummary:
    return RunSummary(
        name=run.name,
        path=str(run),
        state=state,
        stage=scan.stage,
        epoch=scan.epoch,
        last_epoch=scan.last_epoch,
        best_map50=scan.best_map50,
        best_val_loss=scan.best_val_loss,
        started=scan.started,
        message=message,
        resumable=resumable,
        cause=cause,
        hint=hint,
        step=scan.step,
        steps=scan.steps,
        data=scan.data,
        preset=scan.preset,
        network=scan.network,
        note=read_note(run),
        losses=scan.losses.all_points,
        val_losses=scan.val_losses.all_points,
        maps=scan.maps.all_points,
    )


def _check_plan(run: Path) -> None:
    """Raise BadInput where the plan of a run is damaged. A plan that was read before is read again only if it has changed."""
    status = (run / PLAN).stat()
    if (message := _plan_problem(run, status.st_mtime_ns, status.st_size)) is not None:
        raise BadInput(message)


@functools.lru_cache(maxsize=4096)
def _plan_problem(run: Path, _changed: int, _size: int) -> Message | None:
    try:
        load_plan(run)
    except BadInput as error:
        return error.as_one_message()
    return None


def _state_after(end: RunEnd | None) -> RunState:
    match end:
        case Finished():
            return "finished"
        case Stopped():
            return "stopped"
        case OutOfMemory():
            return "out_of_memory"
        case LossNotFinite():
            return "loss_not_finite"
        case Failed():
            return "failed"
        case None:
            return "interrupted"


def _resume_hint(run: Path, cause: KillReason) -> Message:
    smaller_batch = " --set unfreeze_batch_size=..." if cause == "out_of_memory" else ""
    return phrase(
        "Resume from the last checkpoint with: {command}", command=f"freezetui resume {run.name}{smaller_batch}"
    )
