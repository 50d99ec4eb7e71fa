"""Run folders: their names and files."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from engine.events import Event, event_from_line
from engine.files import disk_error, error_reason, is_temporary_name, make_folder, read_text, write_text
from engine.messages import BadInput, bad_input, gettext_noop, json_text, nearest
from engine.plan import Plan, plan_from_json
from engine.recipe import recipe_to_toml
from engine.regular_files import open_regular_file
from engine.workspace import logs_folder

PLAN, RECIPE, CLASSES, DATASET, EVENTS = "plan.json", "recipe.toml", "classes.txt", "dataset.json", "events.jsonl"
LAST_CHECKPOINT, PREVIOUS_CHECKPOINT = "last.ckpt", "previous.ckpt"
BEST_WEIGHTS, LAST_WEIGHTS = "best_epoch_weights.pth", "last_epoch_weights.pth"
SAMPLES = "samples"
"""Folder of validation images with their detections, in one folder for each epoch (`engine/evaluation/samples.py`)."""

DETECTIONS = "detections"
"""Folder of the images that the user saved with their detections."""

LOCK, LOCK_OWNER = "run.lock", "run.owner"
_BEFORE_THE_PLAN = frozenset({LOCK, LOCK_OWNER, CLASSES, DATASET, RECIPE})
HIDDEN_PLAN = f".{PLAN}.deleted"
"""The plan of a run that is being deleted."""
RUN_GONE = gettext_noop("{run}: this run was deleted or renamed while it was in use.")
_RUN_NAME = re.compile(r"loss_[0-9]{4}(_[0-9]{2}){5}(_[0-9]{1,3})?")
_LOCKED_WITHIN = 600.0
"""Seconds after which a process that makes a run folder has locked it, or has died. It takes milliseconds."""
_RUN_SIGNS = (PLAN, EVENTS, LAST_CHECKPOINT)
_MAX_LINE_BYTES = 2**24
_MAX_LOG_BYTES = 2**40


def create_run(plan: Plan, dataset_json: Mapping[str, Any]) -> Path:
    """Make a run folder with its recipe, plan, classes and splits.

    Raises:
        BadInput: the folder cannot be written.
    """
    run = make_run_folder(Path(plan.workspace))
    write_run_files(run, plan, dataset_json)
    return run


def make_run_folder(workspace: Path) -> Path:
    """Make an empty folder in logs/ whose name is the current time; runs of the same second get a number.

    It is no run, and no other process touches it, until `write_run_files` has written its plan.

    Raises:
        BadInput: the folder cannot be written.
    """
    logs = logs_folder(workspace)
    make_folder(logs)
    name = time.strftime("loss_%Y_%m_%d_%H_%M_%S")
    try:
        for number in range(1000):
            folder = logs / (name if number == 0 else f"{name}_{number}")
            with suppress(FileExistsError):
                folder.mkdir()
                return folder.resolve()
    except OSError as error:
        raise write_error(logs, error) from error
    raise bad_input("run.no_name", "{path}: a thousand runs were started in this second.", path=logs / name)


def write_run_files(run: Path, plan: Plan, dataset_json: Mapping[str, Any]) -> None:
    """Write recipe, plan, classes and splits into a new run folder; the plan last, since it makes the folder a run.

    Raises:
        BadInput: the folder cannot be written.
    """
    write_text(run / CLASSES, "".join(f"{name}\n" for name in plan.classes))
    save_dataset_json(run, dataset_json)
    save_plan(run, plan)


def save_dataset_json(run: Path, dataset_json: Mapping[str, Any]) -> None:
    """Write dataset.json of a run.

    Raises:
        BadInput: the folder cannot be written.
    """
    write_text(run / DATASET, json_text(dataset_json))


def save_plan(run: Path, plan: Plan) -> None:
    """Write recipe.toml and plan.json of a run; an extended run gets new ones."""
    write_text(run / RECIPE, recipe_to_toml(plan.recipe))
    write_text(run / PLAN, json_text(plan.to_json(), indent=2) + "\n")


def load_plan(run: Path) -> Plan:
    """The Plan a run was started with.

    Raises:
        BadInput: plan.json is missing or invalid.
    """
    path = run / PLAN
    try:
        return plan_from_json(json.loads(read_text(path)))
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise bad_input(
            "run.broken_plan", "{path}: this is not the plan of a run ({reason}).", path=path, reason=reason
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise bad_input(
            "run.broken_plan", "{path}: this is not the plan of a run ({reason}).", path=path, reason=error
        ) from error


def load_dataset_json(run: Path) -> dict[str, Any]:
    """The splits and the fingerprint of the data set that a run was started with.

    Raises:
        BadInput: dataset.json is missing or invalid.
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


def find_run(path: Path, workspace: Path) -> Path:
    """The run folder at `path`, or of that name in logs/.

    Raises:
        BadInput: there is no such run. The message names the run with a similar name, else the newest.
    """
    for folder in (path, logs_folder(workspace) / path):
        with suppress(OSError):  # such as a name that is too long
            if (folder / PLAN).is_file():
                return folder.resolve()
    names = [folder.name for folder in run_folders(workspace)]
    if not names:
        logs = logs_folder(workspace)
        raise bad_input("run.none", "{path}: there is no such run, and {logs} contains no runs.", path=path, logs=logs)
    begins_so = (name for name in reversed(names) if path.name and name.startswith(path.name))
    similar = nearest(path.name, names) or next(begins_so, None)
    if similar is None:
        raise bad_input(
            "run.unknown", "{path}: there is no such run; the newest is {newest}.", path=path, newest=names[-1]
        )
    raise bad_input("run.unknown", "{path}: there is no such run; did you mean {nearest}?", path=path, nearest=similar)


def read_events(run: Path) -> Iterator[Event]:
    """The events of a run, oldest first. A damaged or incomplete line is skipped.

    Raises:
        BadInput: the file exists and cannot be read.
    """
    with open_event_log(run) as file:
        for line in event_lines(file):
            if (event := event_from_line(line.decode("utf-8", "replace"))) is not None:
                yield event


@contextmanager
def open_event_log(run: Path) -> Iterator[BinaryIO]:
    """The log of a run's events, open for reading; an empty file where the run has none yet.

    Raises:
        BadInput: it exists and cannot be read.
    """
    path = run / EVENTS
    try:
        file: BinaryIO = io.BufferedReader(open_regular_file(path, _MAX_LOG_BYTES))
    except FileNotFoundError:
        file = io.BytesIO()
    except OSError as error:
        raise bad_input(
            "file.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error_reason(error)
        ) from error
    with file:
        try:
            yield file
        except OSError as error:
            raise bad_input(
                "file.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error_reason(error)
            ) from error


def event_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of an event log. One longer than any event is skipped: it is damage, and might fill the memory."""
    is_rest = False
    while line := file.readline(_MAX_LINE_BYTES):
        is_complete = line.endswith(b"\n")
        if not is_rest and (is_complete or len(line) < _MAX_LINE_BYTES):
            yield line
        is_rest = not is_complete


def last_event(run: Path) -> Event | None:
    """The last event of a run; None before the first.

    Raises:
        BadInput: the file exists and cannot be read.
    """
    last = None
    for last in read_events(run):  # noqa: B007  the last one stays
        pass
    return last


def run_folders(workspace: Path) -> list[Path]:
    """The run folders in logs/, the newest last. A folder that has lost its plan, or that cannot be read, is one too."""
    logs = logs_folder(workspace)
    with suppress(OSError):
        return sorted(folder for folder in logs.iterdir() if folder.name[0] != "." and is_run_folder(folder))
    return []


def is_being_deleted(run: Path) -> bool:
    """Whether a deletion of the run has begun: it hides the plan before it releases the lock."""
    return os.path.lexists(run / HIDDEN_PLAN) and not os.path.lexists(run / PLAN)


def is_half_made(folder: Path) -> bool:
    """Whether a process has made the folder and not written the plan that makes it a run: it still runs, or has died.

    Only what `write_run_files` writes before the plan may be in it, so that a run that has lost its plan is never taken for one.
    """
    try:
        names = {entry.name for entry in folder.iterdir()}
        if not all(name in _BEFORE_THE_PLAN or is_temporary_name(name) for name in names):
            return False
        if LOCK in names and (folder / LOCK).stat().st_size > 0:
            return True
        # Without a byte in its lock it belongs to a process that is about to lock it, unless that was long ago.
        is_old = time.time() - folder.stat().st_mtime > _LOCKED_WITHIN
        return is_old and names <= {LOCK} and _RUN_NAME.fullmatch(folder.name) is not None
    except OSError:
        return False


def is_run_folder(folder: Path) -> bool:
    """Whether a folder is a run, be it one that cannot be read."""
    if not folder.is_dir() or os.path.lexists(folder / HIDDEN_PLAN):
        return False
    return not os.access(folder, os.R_OK | os.X_OK) or any(os.path.lexists(folder / name) for name in _RUN_SIGNS)


def write_error(run: Path, error: OSError) -> BadInput:
    """The exception to raise for an error of the operating system while a file in the folder `run` was written."""
    if not run.is_dir():
        return bad_input("run.gone", RUN_GONE, run=run)
    return disk_error(run, error) or bad_input(
        "disk.not_written",
        "{path}: cannot be read or written ({reason}).",
        path=run if error.filename is None else error.filename,
        reason=error_reason(error),
    )
