"""Starts a Plan, or goes on with a run: from the files on disk to a stream of events."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from engine.dataset.index import Dataset, splits_to_json, with_splits
from engine.events import Event, Failed, Finished, LossNotFinite, OutOfMemory, RunStarted, Stopped, WeightsLoaded
from engine.hardware import probe
from engine.messages import BadInput, Message, bad_input
from engine.network.weights import load_into
from engine.network.yolov4 import Detector, build_network
from engine.plan import Plan, open_source
from engine.planning.resolve import make_plan
from engine.recipe import make_recipe
from engine.runs import (
    LAST_CHECKPOINT,
    PREVIOUS_CHECKPOINT,
    create_run,
    find_run,
    load_dataset_json,
    load_plan,
    only_trainer,
    save_plan,
)
from engine.training.checkpoint import Checkpoint, check_disk, load_checkpoint, load_newest
from engine.training.control import Control
from engine.training.exactness import exact
from engine.training.journal import Journal
from engine.training.memory import is_out_of_memory
from engine.training.trainer import LossBroke, Trainer

EXTENDABLE = ("unfreeze_epoch", "freeze_batch_size", "unfreeze_batch_size", "save_period", "eval_period", "num_workers")
"""What may be set anew when a run goes on. Everything else is what makes it that run."""


def start(plan: Plan, control: Control, dataset: Dataset | None = None) -> Iterator[Event]:
    """Train a Plan from its beginning in a new run folder. `dataset` spares reading the labels once more.

    Raises:
        BadInput: before the first event, where the run cannot begin.
    """
    if dataset is None:
        dataset = open_source(plan.data, plan.recipe.seed)
    torch.manual_seed(plan.recipe.seed)
    network = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
    loaded = _load_start_weights(plan, network)
    _check_disk(plan, network)
    run = create_run(plan, splits_to_json(dataset))
    yield from _train(run, plan, dataset, network, control, None, loaded)


def resume(
    target: Path, control: Control, *, overrides: Mapping[str, Any] | None = None, workspace: Path | None = None
) -> Iterator[Event]:
    """Go on with a run from its last checkpoint, exactly; with `overrides`, extend it.

    Args:
        target: a run folder, its name in logs/, or a checkpoint file.
        overrides: settings of `EXTENDABLE`.
        workspace: the folder that holds logs/; the current one by default.

    Raises:
        BadInput: before the first event, where the run cannot go on.
    """
    run, file = _find(target, workspace or Path.cwd())
    plan = load_plan(run)
    with only_trainer(run):
        checkpoint = load_newest(run) if file is None else load_checkpoint(file)
    source = open_source(plan.data, plan.recipe.seed)
    dataset = with_splits(source, load_dataset_json(run))
    if tuple(dataset.classes) != plan.classes:
        raise bad_input(
            "resume.classes",
            "{path}: the data set's classes are no longer those of the run ({classes}); put the labels back.",
            path=plan.data.path,
            classes=", ".join(plan.classes),
        )
    note = ""
    if overrides:
        plan, note = _extended(plan, dataset, overrides, checkpoint)
    if checkpoint.progress.epoch > plan.stages[-1].last_epoch:
        raise bad_input(
            "resume.finished",
            "{run}: this run has finished its {epochs} epochs; to train on, extend it: --set unfreeze_epoch={more}.",
            run=run.name,
            epochs=plan.recipe.unfreeze_epoch,
            more=plan.recipe.unfreeze_epoch * 2,
        )
    network = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
    network.set_levels(scale_x_y=checkpoint.scale_x_y, all_anchors=checkpoint.anchors)
    yield from _train(run, plan, dataset, network, control, checkpoint, None, note)


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


def _train(
    run: Path,
    plan: Plan,
    dataset: Dataset,
    network: Detector,
    control: Control,
    checkpoint: Checkpoint | None,
    loaded: WeightsLoaded | None,
    note: str = "",
) -> Iterator[Event]:
    """Events of one process training into `run`, each written into the run folder before it is yielded."""
    with only_trainer(run):
        if note:
            save_plan(run, plan)
        first_epoch = plan.stages[0].first_epoch if checkpoint is None else checkpoint.progress.epoch
        journal = Journal(run, plan, {} if checkpoint is None else checkpoint.logs, first_epoch)
        with closing(journal), exact(plan):
            trainer = Trainer(run, plan, dataset, network, control, checkpoint)
            for event in _opening(run, plan, trainer, checkpoint, loaded, note):
                journal.record(event)
                yield event
            yield from _watched(trainer, journal)


def _opening(
    run: Path, plan: Plan, trainer: Trainer, checkpoint: Checkpoint | None, loaded: WeightsLoaded | None, note: str
) -> Iterator[Event]:
    progress = trainer.progress
    yield RunStarted(
        run=str(run),
        plan=plan.to_json(),
        epoch=progress.epoch,
        step=progress.step,
        continued=checkpoint is not None,
        note=note,
    )
    if loaded is not None:
        yield loaded


def _watched(trainer: Trainer, journal: Journal) -> Iterator[Event]:
    """The trainer's events; what ends it early becomes an event too."""
    ending: Event | None = None
    failure: Exception | None = None
    try:
        for event in trainer.train(journal.lengths):
            journal.record(event)
            yield event
    except LossBroke as error:
        ending = trainer.broken(error)
    except BadInput as error:
        ending = Failed(
            code=error.messages[0].code,
            message=str(error),
            exit_code=error.exit_code,
            checkpoint=trainer.newest_checkpoint(),
        )
    except Exception as error:  # noqa: BLE001  it is raised again once it has been written down
        if is_out_of_memory(error):
            # Only the words are taken along: the error's traceback still holds the step's tensors.
            ending = trainer.out_of_memory()
        else:
            ending = Failed(
                code="defect",
                message=f"{type(error).__name__}: {error}",
                exit_code=1,
                checkpoint=trainer.newest_checkpoint(),
            )
            failure = error
    if ending is not None:
        gc.collect()
        _record_if_possible(journal, ending)
        yield ending
    if failure is not None:
        raise failure


def _record_if_possible(journal: Journal, event: Event) -> None:
    """The last word of a run that ends badly; a full disk may refuse even that, and must not hide the reason."""
    try:
        journal.record(event)
    except BadInput:
        return


def _load_start_weights(plan: Plan, network: Detector) -> WeightsLoaded | None:
    if plan.weights is None:
        return None
    path = Path(plan.weights)
    report = load_into(
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
        skipped=tuple(str(message) for message in report.skipped),
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


def _find(target: Path, workspace: Path) -> tuple[Path, Path | None]:
    """The run folder and, where one was named, the checkpoint file.

    Raises:
        BadInput: there is no such run; or `target` holds weights alone.
    """
    if not target.is_file():
        return find_run(target, workspace), None
    if target.name in (LAST_CHECKPOINT, PREVIOUS_CHECKPOINT):
        return find_run(target.parent, workspace), target
    beside = target.parent / LAST_CHECKPOINT
    hint = (
        Message("", "Go on exactly with: freezetui resume {run}", {"run": target.parent})
        if beside.is_file()
        else Message("", "Start a new run from it with: freezetui train --set model_path={path}", {"path": target})
    )
    raise bad_input(
        "resume.weights_only",
        "{path}: weights alone restore neither optimizer, running mean and learning rate nor the place in the epoch, so a run "
        "cannot go on from them. {hint}",
        path=target,
        hint=hint,
    )


def _extended(plan: Plan, dataset: Dataset, overrides: Mapping[str, Any], checkpoint: Checkpoint) -> tuple[Plan, str]:
    """The plan with other settings and what that means in a sentence."""
    for key in overrides:
        if key not in EXTENDABLE:
            raise bad_input(
                "resume.fixed",
                "--set {key}: a run keeps it from its first step to its last; what can be set when going on: {free}. For anything else "
                "start a new run.",
                key=key,
                free=", ".join(EXTENDABLE),
            )
    recipe = make_recipe(_with_matching_batches(plan.recipe.read_settings(), overrides))
    if recipe.freeze_train and plan.recipe.freeze_epoch == plan.recipe.unfreeze_epoch < recipe.unfreeze_epoch:
        note = "The freeze stage stays as it was; the new epochs train everything."
    elif recipe.unfreeze_epoch != plan.recipe.unfreeze_epoch:
        note = (
            f"Extended from {plan.recipe.unfreeze_epoch} to {recipe.unfreeze_epoch} epochs: the learning rate's schedule is rebuilt "
            "over the new length, so it rises again before it falls."
        )
    else:
        note = "Settings changed: " + ", ".join(f"{key}={value}" for key, value in overrides.items()) + "."
    fresh = make_plan(recipe, dataset, plan.data, probe(Path(plan.workspace)), Path(plan.workspace))
    for stage in ("freeze", "unfreeze"):
        if f"{stage}_batch_size" in overrides:
            checkpoint.progress.batch_sizes.pop(stage, None)
    return replace(
        fresh, device=plan.device, precision=plan.precision, threads=plan.threads, weights=plan.weights
    ), note


def _with_matching_batches(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with `overrides` over them; a batch size that was not named follows the one that was.

    After out of memory one stage's batch is lowered, and the rule between the two must not stand in the way of that.
    """
    merged = {**settings, **overrides}
    freeze, unfreeze = merged["freeze_batch_size"], merged["unfreeze_batch_size"]
    if not isinstance(freeze, int) or not isinstance(unfreeze, int) or min(freeze, unfreeze) < 2:  # batch norm's least
        return merged
    if "unfreeze_batch_size" in overrides and "freeze_batch_size" not in overrides:
        merged["freeze_batch_size"] = min(max(freeze, unfreeze), 2 * unfreeze)
    elif "freeze_batch_size" in overrides and "unfreeze_batch_size" not in overrides:
        merged["unfreeze_batch_size"] = min(max(unfreeze, (freeze + 1) // 2), freeze)
    return merged
