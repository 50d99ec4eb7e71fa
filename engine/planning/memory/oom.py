"""What to try after memory ran out: activation checkpointing, or a smaller batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from engine.dataset.index import Dataset
from engine.hardware import Hardware, probe
from engine.messages import Message, phrase
from engine.network.registry import network_spec
from engine.plan import Plan, StagePlan
from engine.planning.memory.batch_size import BatchSizeProblem, batch_size_problem, largest_batch_size
from engine.planning.memory.checkpointing import saves_memory
from engine.recipe import MIN_BATCH_SIZE
from engine.training.oom import is_out_of_memory


def smaller_batch_size(plan: Plan, stage: StagePlan, dataset: Dataset, hardware: Hardware | None = None) -> int | None:
    """The batch size to try after `stage` ran out of memory: the largest that is predicted to fit, else half.

    None if the smallest has failed already: 2 for each process or card. `hardware` is probed if it is not given.
    """
    parts = plan.batch_parts
    if stage.batch_size <= MIN_BATCH_SIZE * parts:
        return None
    half = max(MIN_BATCH_SIZE, stage.batch_size // 2 // parts) * parts
    try:
        predicted = _predicted_batch_size(plan, stage, dataset, hardware or probe(Path(plan.workspace)))
    except Exception as error:
        if not is_out_of_memory(error):  # the prediction itself needs some memory
            raise
        return half
    return half if predicted is None else predicted


def suggests_checkpointing(plan: Plan, stage: StagePlan, dataset: Dataset, hardware: Hardware | None = None) -> bool:
    """Whether activation checkpointing is to be tried after `stage` ran out of memory, with the same batch.

    Not where it is on already, where the user turned it off, or where it saves nothing. Whether it saves enough is tried and not
    predicted: a smaller batch is the next way. `hardware` is probed if it is not given.
    """
    if plan.activation_checkpointing or plan.recipe.activation_checkpointing == "off" or stage.name == "freeze":
        return False
    try:
        problem = _problem(
            replace(plan, activation_checkpointing=True), dataset, hardware or probe(Path(plan.workspace))
        )
        return saves_memory(problem, stage.batch_size)
    except Exception as error:
        if not is_out_of_memory(error):  # the prediction itself needs some memory
            raise
        return True


def less_memory_hint(network: str) -> Message:
    """What to change if the smallest batch size runs out of memory."""
    lighter = network_spec(network).lighter
    if lighter is None:
        return phrase("Set a smaller input_shape or precision=bf16.")
    return phrase("Set a smaller input_shape, precision=bf16, or the network {lighter}.", lighter=lighter)


def _predicted_batch_size(plan: Plan, stage: StagePlan, dataset: Dataset, hardware: Hardware) -> int | None:
    """The largest batch size that is predicted to fit; None if the batch size that failed is predicted to fit too."""
    problem = _problem(plan, dataset, hardware)

    def fits(batch_size: int) -> bool:
        return problem.fits(stage.name, batch_size)

    if fits(stage.batch_size):
        return None
    return largest_batch_size(problem, fits, problem.split_evenly(stage.batch_size - 1))


def _problem(plan: Plan, dataset: Dataset, hardware: Hardware) -> BatchSizeProblem:
    """The choice of batch sizes for a training that has failed, with the memory that is free now."""
    devices = plan.devices or (plan.device,)
    problem = batch_size_problem(plan.resolved_recipe, dataset, devices, plan.precision, hardware, nodes=plan.nodes)
    return replace(problem, budget=problem.budget.extended_by(_reusable_bytes(plan.device)))


def _reusable_bytes(device: str) -> int:
    """Bytes of the device that this process has reserved and can use again."""
    return torch.cuda.memory_reserved(torch.device(device)) if device.startswith("cuda") else 0
