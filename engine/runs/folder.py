"""Run folders: their names, their files, who is training in them and how they ended."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

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
    event_from_json,
)
from engine.files import read_text, write_error, write_text
from engine.hardware.process_info import KillReason, ProcessInfo, current_process_info, kill_reason
from engine.messages import bad_input, nearest
from engine.plan import Plan, plan_from_json
from engine.recipe import recipe_to_toml
from engine.workspace import logs_folder

State = Literal["running", "finished", "stopped", "failed", "out_of_memory", "loss_not_finite", "interrupted"]

PLAN, RECIPE, CLASSES, DATASET, EVENTS = "plan.json", "recipe.toml", "classes.txt", "dataset.json", "events.jsonl"
LAST_CHECKPOINT, PREVIOUS_CHECKPOINT = "last.ckpt", "previous.ckpt"
BEST_WEIGHTS, LAST_WEIGHTS = "best_epoch_weights.pth", "last_epoch_weights.pth"
_LOCK = "run.lock"
_TRACES = "process.json"


def create_run(plan: Plan, dataset_json: Mapping[str, Any]) -> Path:
    """A new run folder holding recipe, plan, classes and splits.

    Raises:
        BadInput: the folder cannot be written.
    """
    logs = logs_folder(Path(plan.workspace))
    try:
        logs.mkdir(parents=True, exist_ok=True)
        run = _unused_folder(logs)
    except OSError as error:
        refusal = write_error(logs, error)
        raise (refusal if refusal is not None else error) from error
    write_text(run / CLASSES, "".join(f"{name}\n" for name in plan.classes))
    write_text(run / DATASET, json.dumps(dataset_json, ensure_ascii=False))
    save_plan(run, plan)
    return run


def save_plan(run: Path, plan: Plan) -> None:
    """Write the run's recipe.toml and plan.json (again, when the run is extended)."""
    write_text(run / RECIPE, recipe_to_toml(plan.recipe))
    write_text(run / PLAN, json.dumps(plan.to_json(), ensure_ascii=False, indent=2) + "\n")


def load_plan(run: Path) -> Plan:
    """The Plan a run was started with.

    Raises:
        BadInput: the folder holds no plan, or a broken one.
    """
    try:
        return plan_from_json(json.loads(read_text(run / PLAN)))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise bad_input(
            "run.broken_plan", "{path}: this is not a plan of a run ({reason}).", path=run / PLAN, reason=error
        ) from error


def load_dataset_json(run: Path) -> dict[str, Any]:
    """The splits and fingerprint a run began with.

    Raises:
        BadInput: the file is missing or broken.
    """
    try:
        stored = json.loads(read_text(run / DATASET))
    except json.JSONDecodeError as error:
        raise bad_input(
            "run.broken_dataset", "{path}: this is not a run's list of images.", path=run / DATASET
        ) from error
    if not isinstance(stored, dict):
        raise bad_input("run.broken_dataset", "{path}: this is not a run's list of images.", path=run / DATASET)
    return stored


def find_run(named: Path, workspace: Path) -> Path:
    """The run folder meant by a path or by a name in logs/.

    Raises:
        BadInput: there is no such run; names the nearest, or the newest.
    """
    for folder in (named, logs_folder(workspace) / named):
        if (folder / PLAN).is_file():
            return folder.resolve()
    known = [folder.name for folder in _run_folders(workspace)]
    close = nearest(named.name, known) or (known[-1] if known else None)
    if close is None:
        raise bad_input(
            "run.none", "{path}: there is no such run, and {logs} holds none.", path=named, logs=logs_folder(workspace)
        )
    raise bad_input("run.unknown", "{path}: there is no such run; did you mean {nearest}?", path=named, nearest=close)


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Hold the run for this process. The operating system lets go of it when the process ends, however it ends.

    Raises:
        BadInput: another process trains into the run, or the folder cannot be written.
    """
    path = run / _LOCK
    try:
        file = path.open("a+")
    except OSError as error:
        refusal = write_error(path, error)
        raise (refusal if refusal is not None else error) from error
    with file:
        if not _try_lock(file):
            file.seek(0)
            raise bad_input(
                "run.busy",
                "{run}: process {pid} is training into this run; wait for it, or stop it first.",
                run=run,
                pid=file.read().strip() or "?",
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            _unlock(file)


def write_process_info(run: Path) -> None:
    """Note what tells, should this process die while it trains into the run, what it died of."""
    write_text(run / _TRACES, json.dumps({"pid": os.getpid(), **asdict(current_process_info())}) + "\n")


def is_running(run: Path) -> bool:
    """Whether a process trains into the run now."""
    try:
        with (run / _LOCK).open("r+") as file:
            if not _try_lock(file):
                return True
            _unlock(file)
    except OSError:
        pass
    return False


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a list of runs shows. Epochs count from 0; `last_epoch` is the last one planned."""

    name: str
    path: str
    state: State
    stage: str | None
    epoch: int | None
    last_epoch: int | None
    best_map50: float | None
    best_val_loss: float | None
    started: float | None
    message: str
    resumable: bool
    cause: KillReason | None = None
    """What probably ended a run that was interrupted."""

    def to_json(self) -> dict[str, Any]:
        """The form of `runs --json`."""
        return {name: getattr(self, name) for name in RunSummary.__dataclass_fields__}


def last_event(run: Path) -> Event | None:
    """The last thing that happened in a run; None before anything did."""
    last = None
    for last in read_events(run):  # noqa: B007  the last one stays
        pass
    return last


def list_runs(workspace: Path) -> tuple[RunSummary, ...]:
    """All runs of a workspace, the newest last."""
    return tuple(summarize_run(folder) for folder in _run_folders(workspace))


def summarize_run(run: Path) -> RunSummary:
    """How a run stands, from its events alone."""
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
    cause = _kill_reason(run) if state == "interrupted" else None
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
        message=_explain(state, last)
        if cause is None
        else f"{_DEATHS[cause]} Resume goes on from the last checkpoint.",
        resumable=state not in ("running", "finished")
        and any((run / name).is_file() for name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT)),
        cause=cause,
    )


def read_events(run: Path) -> Iterator[Event]:
    """The events of a run, oldest first; a torn line is passed over."""
    with suppress(FileNotFoundError), (run / EVENTS).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with suppress(json.JSONDecodeError):
                stored = json.loads(line)
                if isinstance(stored, dict) and (event := event_from_json(stored)) is not None:
                    yield event


def _state_after(last: Event | None) -> State:
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


def _explain(state: State, last: Event | None) -> str:
    match last:
        case OutOfMemory() | LossNotFinite() | Failed() if state != "running":
            return last.message
    return ""


_DEATHS = {
    "restarted": "The machine was started anew while the run was training (a power cut, perhaps).",
    "out_of_memory": "The machine ran out of memory, and its kernel killed the run: go on with a smaller batch "
    "(--set unfreeze_batch_size=...), or close other programs.",
    "unknown": "The process was killed without a word: by hand, or with its terminal.",
}


def _kill_reason(run: Path) -> KillReason:
    """What probably ended a run whose process said nothing."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads((run / _TRACES).read_text(encoding="utf-8"))
        return kill_reason(ProcessInfo(stored["boot"], stored["memory_kills"]), current_process_info())
    return "unknown"


def _run_folders(workspace: Path) -> list[Path]:
    logs = logs_folder(workspace)
    with suppress(OSError):
        return sorted(f for f in logs.iterdir() if f.name[0] != "." and (f / PLAN).is_file())
    return []


def _unused_folder(logs: Path) -> Path:
    """A new folder named after the moment; within one second a number is added."""
    name = time.strftime("loss_%Y_%m_%d_%H_%M_%S")
    for number in range(1000):
        folder = logs / (name if number == 0 else f"{name}_{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder.resolve()
    raise bad_input("run.no_name", "{path}: a thousand runs were started in this second.", path=logs / name)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[str]) -> bool:
        file.seek(1 << 30)  # beyond the text, so that others can still read who holds it
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(0)
        return True

    def _unlock(file: IO[str]) -> None:
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # A file system that knows no locks (some network ones) holds nobody up.
            return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
        return True

    def _unlock(file: IO[str]) -> None:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
