"""The batch size to try after memory ran out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from engine.dataset.index import Dataset
from engine.hardware import Hardware, probe
from engine.messages import Message, phrase
from engine.network.registry import network_spec
from engine.plan import Plan, StagePlan
from engine.planning.memory.batch_size import batch_size_problem, largest_fitting
from engine.recipe import MIN_BATCH_SIZE
from engine.training.oom import is_out_of_memory


def smaller_batch_size(plan: Plan, stage: StagePlan, dataset: Dataset, hardware: Hardware | None = None) -> int | None:
    """The batch size to try after `stage` ran out of memory: the largest that is predicted to fit, else half.

    None if 2 has failed already. `hardware` is probed if it is not given.
    """
    if stage.batch_size <= MIN_BATCH_SIZE:
        return None
    half = stage.batch_size // 2
    try:
        predicted = _predicted_batch_size(plan, stage, dataset, hardware or probe(Path(plan.workspace)))
    except Exception as error:
        if not is_out_of_memory(error):  # the prediction itself needs some memory
            raise
        return half
    return half if predicted is None else predicted


def less_memory_hint(network: str) -> Message:
    """What to change if the smallest batch size runs out of memory."""
    lighter = network_spec(network).lighter
    if lighter is None:
        return phrase("Set a smaller input_shape or precision=bf16.")
    return phrase("Set a smaller input_shape, precision=bf16, or the network {lighter}.", lighter=lighter)


def _predicted_batch_size(plan: Plan, stage: StagePlan, dataset: Dataset, hardware: Hardware) -> int | None:
    """The largest batch size that is predicted to fit; None if the batch size that failed is predicted to fit too."""
    problem = batch_size_problem(plan.recipe, dataset, plan.device, plan.precision, hardware)
    problem = replace(problem, budget=problem.budget.extended_by(_reusable_bytes(plan.device)))

    def fits(batch_size: int) -> bool:
        return problem.fits(stage.name, batch_size)

    return None if fits(stage.batch_size) else largest_fitting(fits, stage.batch_size - 1)


def _reusable_bytes(device: str) -> int:
    """Bytes of the device that this process has reserved and can use again."""
    return torch.cuda.memory_reserved(torch.device(device)) if device.startswith("cuda") else 0
