"""The batch to go on with after memory ran out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from engine.dataset.index import Dataset
from engine.hardware import Hardware, probe
from engine.plan import Plan, StagePlan
from engine.planning.memory.batch_size import batch_size_problem, largest_fitting
from engine.recipe import LEAST_BATCH
from engine.training.oom import is_out_of_memory


def smaller_batch(plan: Plan, stage: StagePlan, dataset: Dataset, hardware: Hardware | None = None) -> int | None:
    """The batch size to try next after `stage` ran out of memory: the largest that fits by prediction, else half.

    None where 2 failed already. `hardware` as it is now; looked at where it is not given.
    """
    if stage.batch_size <= LEAST_BATCH:
        return None
    half = stage.batch_size // 2
    try:
        predicted = _predicted(plan, stage, dataset, hardware or probe(Path(plan.workspace)))
    except Exception as error:
        if not is_out_of_memory(error):  # a prediction takes some memory itself
            raise
        return half
    return half if predicted is None else predicted


def _predicted(plan: Plan, stage: StagePlan, dataset: Dataset, hardware: Hardware) -> int | None:
    """None where the prediction has no better idea, or held the batch that failed for one that fits."""
    found = batch_size_problem(plan.recipe, dataset, plan.device, plan.precision, hardware)
    problem = replace(found, budget=found.budget.with_more(_held(plan.device)))

    def fits(batch: int) -> bool:
        return problem.fits(stage.name, batch)

    return None if fits(stage.batch_size) else largest_fitting(fits, stage.batch_size - 1)


def _held(device: str) -> int:
    """Bytes of the device that this process itself keeps and can use again."""
    return torch.cuda.memory_reserved(torch.device(device)) if device.startswith("cuda") else 0
