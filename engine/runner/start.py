"""Starts trainings: from a Plan to a stream of events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch

from engine.dataset.index import Dataset
from engine.dataset.stored_splits import splits_to_json
from engine.events import Event, WeightsLoaded
from engine.files import remove_abandoned
from engine.hardware import probe
from engine.messages import BadInput, Message
from engine.network.detector import Detector, build_network
from engine.parallel.group import SINGLE, ProcessGroup
from engine.parallel.place import torchrun_place
from engine.plan import Plan, open_source
from engine.planning.dry_run.dry_run import DryRunResult
from engine.planning.dry_run.preflight import preflight
from engine.runner.agreement import from_first, on_all
from engine.runner.dry_run import dry_run
from engine.runner.environment import record_environment
from engine.runner.launch import ALONE, Launch, launch
from engine.runner.machines import plan_of_all
from engine.runner.supervisor import OnOutOfMemory, StartState, supervise
from engine.runner.torchrun import torchrun_group
from engine.runs.delete import sweep_deleted_runs
from engine.runs.exit_code import exit_code as exit_code
from engine.runs.folder import make_run_folder, write_run_files
from engine.runs.lock import run_lock
from engine.training.checkpoint import check_disk
from engine.training.control import Control
from engine.training.gc_freeze import gc_frozen
from engine.training.oom import release_memory
from engine.weights.load import load_weights
from engine.workspace import logs_folder

_log = logging.getLogger(__name__)

_DOES_NOT_FIT = Message(
    "plan.does_not_fit",
    "The training needs more memory than is free: set smaller batch sizes or a smaller input_shape.",
)


def start(
    plan: Plan,
    control: Control,
    dataset: Dataset | None = None,
    *,
    on_out_of_memory: OnOutOfMemory = "stop",
    how: Launch = ALONE,
) -> Iterator[Event]:
    """Train a Plan in a new run folder; in several processes if the plan says so, or as one of those that torchrun started.

    On a GPU a dry run of both stages comes first, once for each card and recipe.

    Args:
        plan: what to train.
        control: stops or pauses the training.
        dataset: the Dataset of the plan, if it has been read already.
        on_out_of_memory: what to do when memory runs out.
        how: other machines that train with this one, and what happens when a process dies.

    Raises:
        BadInput: before the first event, where the run cannot start.
        DoesNotFit: before the first event, where memory ran out in the dry run.
    """
    if dataset is None:
        dataset = open_source(plan.data, plan.recipe.seed)
    place = torchrun_place()
    if place is not None:
        with torchrun_group(place, plan.devices or (plan.device,)) as group:
            plan, dataset = plan_of_all(group, place.node, plan, dataset)
            yield from train_new_run(plan, dataset, control, on_out_of_memory, group)
        return
    if plan.device.startswith("cuda"):
        may_lower = on_out_of_memory != "stop" or "auto" in (
            plan.recipe.freeze_batch_size,
            plan.recipe.unfreeze_batch_size,
        )
        checked = dataset

        def run(plan: Plan) -> DryRunResult:
            return dry_run(plan, checked, probe(Path(plan.workspace)), control.stop_event)

        plan = preflight(plan, dataset, may_lower=may_lower, run=run, stop=control.stop_event)
    elif not plan.fits:  # without a card of its own, it would take the memory of all other programs
        raise BadInput(*(plan.memory_problems or (_DOES_NOT_FIT,)))
    workspace = Path(plan.workspace)
    for folder in (logs_folder(workspace), workspace / "model_data"):
        remove_abandoned(folder)
    sweep_deleted_runs(workspace)
    if plan.processes == 1:
        yield from train_new_run(plan, dataset, control, on_out_of_memory, SINGLE)
        return
    job = {
        "kind": "start",
        "plan": plan.to_json(),
        "on_out_of_memory": on_out_of_memory,
        "can_detach": control.can_detach,
    }
    yield from launch(job, plan.devices or (plan.device,), control, how, dataset=dataset)


def train_new_run(
    plan: Plan, dataset: Dataset, control: Control, on_out_of_memory: OnOutOfMemory, group: ProcessGroup
) -> Iterator[Event]:
    """Make a run folder and train in it, in every process of `group`; the first one alone writes.

    Raises:
        BadInput: before the first event, where the run cannot start.
    """
    with gc_frozen(), ExitStack() as locked:
        network, loaded = on_all(group, lambda: network_to_start(plan))
        _check_disk(plan, network)

        def make_run() -> Path:
            run = make_run_folder(Path(plan.workspace))
            _log.info("run folder: %s", run)
            locked.enter_context(run_lock(run))  # before it is a run, so that no other process can resume or delete it
            write_run_files(run, plan, splits_to_json(dataset))
            record_environment(run, plan)
            return run

        run = from_first(group, make_run)
        try:
            yield from supervise(
                run, plan, dataset, network, control, StartState(loaded), on_out_of_memory, group=group
            )
        finally:
            del network
            release_memory(torch.device(plan.device))  # for the next training in this process


def network_to_start(plan: Plan) -> tuple[Detector, WeightsLoaded | None]:
    """The network with the weights that the plan starts from; the same numbers each time."""
    torch.manual_seed(plan.recipe.seed)
    network = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
    return network, _load_start_weights(plan, network)


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
