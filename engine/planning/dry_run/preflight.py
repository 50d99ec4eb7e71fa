"""Before hours are spent on a card: a rehearsal of both stages there, and smaller batches where it runs out of memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.dataset.index import Dataset
from engine.hardware import probe
from engine.messages import BadInput, Message, phrase
from engine.plan import Plan
from engine.planning.dry_run.dry_run import DryRunResult, rehearse
from engine.planning.dry_run.timing import with_seconds
from engine.planning.memory.batch_size import gigabytes
from engine.planning.memory.oom import smaller_batch
from engine.training.schedule import fitted_stage

MOST_TRIES = 4
_MEASURED_MARGIN = 0.03
"""Of a measured peak: what later steps may need beyond the first ones."""

Rehearse = Callable[[Plan], DryRunResult]


class DoesNotFit(BadInput):
    """Memory ran out in the rehearsal; nothing was started."""

    exit_code = 3


def verified(
    plan: Plan,
    dataset: Dataset,
    *,
    may_lower: bool,
    dry_run_with: Rehearse | None = None,
    stop: threading.Event | None = None,
) -> Plan:
    """`plan` as a rehearsal on its device confirmed it, with measured memory and seconds.

    Args:
        plan: what is to run.
        dataset: its images.
        may_lower: take smaller batches where memory runs out; they stay within the rule between the two stages.
        dry_run_with: performs a rehearsal; the real one by default.
        stop: ends the rehearsal; the plan is then as it was.

    Raises:
        DoesNotFit: memory ran out, and the batch may not be lowered or cannot be any further.
    """
    workspace = Path(plan.workspace)
    perform = dry_run_with or (lambda check_weights: rehearse(check_weights, probe(workspace), stop))
    for _ in range(MOST_TRIES):
        found = _as_things_are_now(perform(plan), plan)
        if found.out_of_memory is None:
            return plan if found.failed is not None else _measured(with_seconds(plan, found), found)
        stage = next((s for s in plan.stages if s.name == found.out_of_memory), plan.stages[-1])
        smaller = smaller_batch(plan, stage, dataset)
        if smaller is None or not may_lower:
            raise DoesNotFit(_sentence(plan, stage.name, stage.batch_size, smaller))
        plan = _lowered(plan, stage.name, smaller, len(dataset.splits["train"]))
    raise DoesNotFit(_sentence(plan, stage.name, stage.batch_size, smaller))


def _as_things_are_now(found: DryRunResult, plan: Plan) -> DryRunResult:
    """A rehearsal that went well took more than is free: it was another day, or the driver lent the computer's own memory."""
    for stage in plan.stages:
        peak, limit = found.peak_bytes.get(stage.name), stage.memory_limit_bytes
        if found.out_of_memory is None and peak is not None and limit is not None and peak > limit:
            return replace(found, out_of_memory=stage.name)
    return found


def _lowered(plan: Plan, failed: str, batch: int, train_images: int) -> Plan:
    """The stage that failed and the last one train with at most `batch` images, any other with at most twice that."""
    stages = []
    for stage in plan.stages:
        most = batch if stage.name in (failed, plan.stages[-1].name) else 2 * batch
        lowered = replace(stage, batch_size=min(stage.batch_size, most))
        stages.append(fitted_stage(plan.recipe, lowered, train_images))
    note = Message(
        "plan.batch_lowered",
        "The rehearsal ran out of memory; from here on batches have {batch} images.",
        {"batch": batch},
    )
    return replace(plan, stages=tuple(stages), warnings=(*plan.warnings, note))


def _measured(plan: Plan, found: DryRunResult) -> Plan:
    """`plan` with the memory that the rehearsal measured in place of the predicted."""
    stages = []
    for stage in plan.stages:
        peak = found.peak_bytes.get(stage.name)
        if peak is not None:
            margin = round(_MEASURED_MARGIN * peak)
            stage = replace(stage, memory_estimate_bytes=peak + margin, memory_margin_bytes=margin)
        stages.append(stage)
    return replace(plan, stages=tuple(stages))


def _sentence(plan: Plan, stage: str, batch: int, smaller: int | None) -> Message:
    limit = plan.stages[-1].memory_limit_bytes
    return Message(
        "train.rehearsal_out_of_memory",
        "The rehearsal ran out of memory in the {stage} stage at batch size {batch}{limit}; nothing was started. How many images "
        "the data set holds plays no part in it. {cure}",
        {
            "stage": stage,
            "batch": batch,
            "limit": "" if limit is None else phrase(" ({size} were free)", size=gigabytes(limit)),
            "cure": phrase(
                "Set {setting}, or go on by itself with --on-oom retry.", setting=f"{stage}_batch_size={smaller}"
            )
            if smaller is not None
            else phrase("Set a smaller input_shape, precision=bf16, or the network yolov4-tiny."),
        },
    )
