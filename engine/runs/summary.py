"""The state of a run, from its lock and its events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.events import (
    EpochFinished,
    Evaluated,
    Event,
    Failed,
    Finished,
    LossNotFinite,
    OutOfMemory,
    RunStarted,
    StageStarted,
    Step,
    Stopped,
)
from engine.hardware.process_info import KillReason
from engine.messages import Message, phrase
from engine.runs.folder import LAST_CHECKPOINT, PREVIOUS_CHECKPOINT, read_events, run_folders
from engine.runs.lock import is_running, read_kill_reason

RunState = Literal["running", "finished", "stopped", "failed", "out_of_memory", "loss_not_finite", "interrupted"]

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

    def to_json(self) -> dict[str, Any]:
        """The form of `runs --json`."""
        values = {name: getattr(self, name) for name in RunSummary.__dataclass_fields__}
        return {**values, "message": str(self.message or ""), "hint": str(self.hint or "")}


def list_runs(workspace: Path) -> tuple[RunSummary, ...]:
    """All runs of a workspace, the newest last."""
    return tuple(summarize_run(folder) for folder in run_folders(workspace))


def summarize_run(run: Path) -> RunSummary:
    """The state of the run in the folder `run`."""
    stage: str | None = None
    epoch: int | None = None
    maps: list[float] = []
    losses: list[float] = []
    started: float | None = None
    last_epoch: int | None = None
    last: Event | None = None
    for event in read_events(run):
        if isinstance(event, RunStarted):
            started = started or event.time
            epoch = event.epoch
            last_epoch = event.plan["stages"][-1]["last_epoch"] if event.plan.get("stages") else None
        elif isinstance(event, StageStarted | Step | EpochFinished):
            stage, epoch = event.stage, event.epoch
            if isinstance(event, EpochFinished) and event.val_loss is not None:
                losses.append(event.val_loss)
        elif isinstance(event, Evaluated):
            maps.append(event.map50)
        last = event
    state = "running" if is_running(run) else _state_after(last)
    cause = read_kill_reason(run) if state == "interrupted" else None
    has_checkpoint = any((run / name).is_file() for name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT))
    resumable = has_checkpoint and state not in ("running", "finished")
    message = hint = None
    if cause is not None:
        message, hint = _KILLED[cause], _resume_hint(run, cause) if resumable else None
    elif state != "running" and isinstance(last, OutOfMemory | LossNotFinite | Failed):
        message, hint = last.message, last.hint
    return RunSummary(
        name=run.name,
        path=str(run),
        state=state,
        stage=stage,
        epoch=epoch,
        last_epoch=last_epoch,
        best_map50=max(maps, default=None),
        best_val_loss=min(losses, default=None),
        started=started,
        message=message,
        resumable=resumable,
        cause=cause,
        hint=hint,
    )


def _state_after(last: Event | None) -> RunState:
    match last:
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
        case _:
            return "interrupted"


def _resume_hint(run: Path, cause: KillReason) -> Message:
    smaller_batch = " --set unfreeze_batch_size=..." if cause == "out_of_memory" else ""
    return phrase(
        "Resume from the last checkpoint with: {command}", command=f"freezetui resume {run.name}{smaller_batch}"
    )
