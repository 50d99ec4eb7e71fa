"""Run folders: their names and files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.events import Event, event_from_json
from engine.files import disk_error, read_text, write_text
from engine.messages import bad_input, nearest
from engine.plan import Plan, plan_from_json
from engine.recipe import recipe_to_toml
from engine.workspace import logs_folder

PLAN, RECIPE, CLASSES, DATASET, EVENTS = "plan.json", "recipe.toml", "classes.txt", "dataset.json", "events.jsonl"
LAST_CHECKPOINT, PREVIOUS_CHECKPOINT = "last.ckpt", "previous.ckpt"
BEST_WEIGHTS, LAST_WEIGHTS = "best_epoch_weights.pth", "last_epoch_weights.pth"


def create_run(plan: Plan, dataset_json: Mapping[str, Any]) -> Path:
    """Make a run folder with its recipe, plan, classes and splits.

    Raises:
        BadInput: the folder cannot be written.
    """
    logs = logs_folder(Path(plan.workspace))
    try:
        logs.mkdir(parents=True, exist_ok=True)
        run = _make_run_folder(logs)
    except OSError as error:
        if (refusal := disk_error(logs, error)) is None:
            raise
        raise refusal from error
    write_text(run / CLASSES, "".join(f"{name}\n" for name in plan.classes))
    write_text(run / DATASET, json.dumps(dataset_json, ensure_ascii=False))
    save_plan(run, plan)
    return run


def save_plan(run: Path, plan: Plan) -> None:
    """Write recipe.toml and plan.json of a run; an extended run gets new ones."""
    write_text(run / RECIPE, recipe_to_toml(plan.recipe))
    write_text(run / PLAN, json.dumps(plan.to_json(), ensure_ascii=False, indent=2) + "\n")


def load_plan(run: Path) -> Plan:
    """The Plan a run was started with.

    Raises:
        BadInput: plan.json is missing or invalid.
    """
    try:
        return plan_from_json(json.loads(read_text(run / PLAN)))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise bad_input(
            "run.broken_plan", "{path}: this is not the plan of a run ({reason}).", path=run / PLAN, reason=error
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
        BadInput: there is no such run. The message names the run with the most similar name, else the newest.
    """
    for folder in (path, logs_folder(workspace) / path):
        if (folder / PLAN).is_file():
            return folder.resolve()
    names = [folder.name for folder in run_folders(workspace)]
    if not names:
        logs = logs_folder(workspace)
        raise bad_input("run.none", "{path}: there is no such run, and {logs} contains no runs.", path=path, logs=logs)
    similar = nearest(path.name, names) or names[-1]
    raise bad_input("run.unknown", "{path}: there is no such run; did you mean {nearest}?", path=path, nearest=similar)


def read_events(run: Path) -> Iterator[Event]:
    """The events of a run, oldest first. An incomplete line is skipped."""
    with suppress(FileNotFoundError), (run / EVENTS).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with suppress(json.JSONDecodeError):
                stored = json.loads(line)
                if isinstance(stored, dict) and (event := event_from_json(stored)) is not None:
                    yield event


def last_event(run: Path) -> Event | None:
    """The last event of a run; None before the first."""
    last = None
    for last in read_events(run):  # noqa: B007  the last one stays
        pass
    return last


def run_folders(workspace: Path) -> list[Path]:
    """The run folders in logs/, the newest last."""
    logs = logs_folder(workspace)
    with suppress(OSError):
        return sorted(f for f in logs.iterdir() if f.name[0] != "." and (f / PLAN).is_file())
    return []


def _make_run_folder(logs: Path) -> Path:
    """Make a folder whose name is the current time; runs of the same second get a number."""
    name = time.strftime("loss_%Y_%m_%d_%H_%M_%S")
    for number in range(1000):
        folder = logs / (name if number == 0 else f"{name}_{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder.resolve()
    raise bad_input("run.no_name", "{path}: a thousand runs were started in this second.", path=logs / name)
