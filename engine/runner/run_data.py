"""The data set of a run that is resumed: where it is now, and whether it is still what the run started with."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from engine.dataset.index import Dataset
from engine.dataset.stored_splits import DATA_CHANGED, DATA_MISSING, compare, parse_splits
from engine.messages import Message, bad_input
from engine.plan import DataSource, Plan, open_source
from engine.planning.warnings import split_warnings
from engine.runs.folder import CLASSES, DATASET, load_dataset_json


@dataclass(frozen=True, slots=True)
class RunData:
    """The data set of a run with the run's splits; `notes` say what is other than when the run started.

    `is_changed`: changes were accepted, so that dataset.json must be written again.
    """

    source: DataSource
    dataset: Dataset
    notes: tuple[Message, ...]
    is_changed: bool


def open_run_data(run: Path, plan: Plan, *, data: Path | None, accept_changes: bool) -> RunData:
    """Open the data set of a run and compare it with what the run started with.

    Args:
        run: the run folder.
        plan: its plan.
        data: where the data set is now; None: where it was.
        accept_changes: train on with a data set that has changed.

    Raises:
        BadInput: the data set is missing or cannot be read, or it has changed and that was not accepted.
    """
    stored = parse_splits(load_dataset_json(run), run / DATASET)
    source = _source(run, plan.data, data)
    comparison = compare(open_source(source, plan.recipe.seed), stored)
    dataset, changes = comparison.dataset, comparison.describe()
    if changes and not accept_changes:
        if data is not None:
            raise bad_input(
                DATA_CHANGED,
                "{path}: this is not the data set that the run {run} was started with: {changes}. Choose another folder.",
                path=source.path,
                run=run.name,
                changes=changes,
            )
        raise bad_input(
            DATA_CHANGED,
            "{path}: the data set has changed since the run was started: {changes}. Restore it.",
            path=source.path,
            changes=changes,
        )
    if dataset.classes != plan.classes:
        raise bad_input(
            "resume.classes",
            "{path}: the classes of the data set have changed; the run was started with {classes}. Restore the labels.",
            path=source.path,
            classes=", ".join(plan.classes),
        )
    _require_steps(plan, dataset)
    notes = list(split_warnings(dataset))
    if changes:
        notes.append(
            Message(
                "resume.data_accepted",
                "The data set has changed since the run was started ({changes}); the run trains on with what is there now.",
                {"changes": changes},
            )
        )
    if source != plan.data:
        notes.append(Message("resume.data_moved", "The data set is now in {path}.", {"path": source.path}))
    return RunData(source, dataset, tuple(notes), bool(changes))


def _source(run: Path, source: DataSource, data: Path | None) -> DataSource:
    """Where the data set is now. A file with class names that is gone is replaced by the run's own."""
    if data is not None:
        source = replace(source, path=str(data.expanduser().absolute()))
    elif not os.path.exists(source.path):  # noqa: PTH110  Path.exists raises for some names that JSON can hold
        raise bad_input(
            DATA_MISSING,
            "{path}: the data set of this run is not there.",
            path=source.path,
            run=run.name,
        )
    if source.classes_file is not None and not os.path.exists(source.classes_file):  # noqa: PTH110
        return replace(source, classes_file=str(run / CLASSES))
    return source


def _require_steps(plan: Plan, dataset: Dataset) -> None:
    """Refuse a training split that has become too small for a single step."""
    images, needed = len(dataset.splits["train"]), max(stage.batch_size * stage.accumulate for stage in plan.stages)
    if images < min(needed, plan.images.get("train", needed)):
        raise bad_input(
            "resume.too_few_images",
            "{path}: {images} training images are left, and a step of this run takes {needed}; restore the images.",
            path=dataset.root,
            images=images,
            needed=needed,
        )
