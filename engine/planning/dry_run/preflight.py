"""Before a run on a card: a dry run of both stages there, with smaller batch sizes if it runs out of memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.dataset.index import Dataset
from engine.hardware import probe
from engine.messages import BadInput, Message, format_bytes, phrase
from engine.plan import Plan
from engine.planning.dry_run.dry_run import DryRunResult, dry_run
from engine.planning.dry_run.timing import with_seconds
from engine.planning.memory.checkpointing import PERCENT_SLOWER
from engine.planning.memory.oom import less_memory_hint, smaller_batch_size, suggests_checkpointing
from engine.training.schedule import fit_stage

MAX_TRIES = 5
_MEASURED_MARGIN = 0.03
"""Fraction of a measured peak that later steps may need beyond the first ones."""


class DoesNotFit(BadInput):
    """Memory ran out in the dry run; no training was started."""

    exit_code = 3


def preflight(
    plan: Plan,
    dataset: Dataset,
    *,
    may_lower: bool,
    run: Callable[[Plan], DryRunResult] | None = None,
    stop: threading.Event | None = None,
) -> Plan:
    """`plan` with the memory and seconds that a dry run on its device measured.

    Args:
        plan: the plan to check.
        dataset: the data set of the plan.
        may_lower: lower the batch sizes if memory runs out; the freeze batch size stays 1 to 2 times the unfreeze batch size.
        run: does the dry run; in a child process by default.
        stop: ends the dry run; the plan is then returned unchanged.

    Raises:
        DoesNotFit: memory ran out, and the batch size must not or cannot be lowered.
    """
    workspace = Path(plan.workspace)
    run = run or (lambda plan: dry_run(plan, dataset, probe(workspace), stop))
    for _ in range(MAX_TRIES):
        result = _compare_with_limit(run(plan), plan)
        if result.out_of_memory is None:
            return plan if result.failed is not None else _with_measured_memory(with_seconds(plan, result), result)
        stage = next((stage for stage in plan.stages if stage.name == result.out_of_memory), plan.stages[-1])
        if result.out_of_memory == stage.name and suggests_checkpointing(plan, stage, dataset):
            plan = _with_checkpointing(plan)
            continue
        smaller = smaller_batch_size(plan, stage, dataset)
        if smaller is None or not may_lower:
            break
        plan = _with_lower_batch_sizes(plan, stage.name, smaller, len(dataset.splits["train"]))
    raise DoesNotFit(_out_of_memory_message(plan, stage.name, stage.batch_size, smaller))


def _compare_with_limit(result: DryRunResult, plan: Plan) -> DryRunResult:
    """A successful dry run counts as out of memory if its peak exceeds the free memory.

    That happens if its result is cached from another day, or if the driver has used the host's memory (Windows).
    """
    for stage in plan.stages:
        peak, limit = result.peak_bytes.get(stage.name), stage.memory_limit_bytes
        if result.out_of_memory is None and peak is not None and limit is not None and peak > limit:
            return replace(result, out_of_memory=stage.name)
    return result


def _with_checkpointing(plan: Plan) -> Plan:
    """The same batch sizes, which need less memory now. Nothing else changes, so this needs nobody's consent."""
    warning = Message(
        "plan.checkpointing_enabled",
        "The dry run ran out of memory; activation checkpointing was turned on, which makes the unfreeze stage {percent} % slower.",
        {"percent": PERCENT_SLOWER},
    )
    return replace(plan, activation_checkpointing=True, warnings=(*plan.warnings, warning))


def _with_lower_batch_sizes(plan: Plan, failed_stage: str, batch_size: int, train_images: int) -> Plan:
    """The failed stage and the last stage get at most `batch_size`, any other stage at most twice that."""
    stages = []
    for stage in plan.stages:
        limit = batch_size if stage.name in (failed_stage, plan.stages[-1].name) else 2 * batch_size
        lowered = replace(stage, batch_size=min(stage.batch_size, limit))
        stages.append(fit_stage(plan.recipe, lowered, train_images))
    warning = Message(
        "plan.batch_lowered",
        "The dry run ran out of memory; the batch size was lowered to {batch}.",
        {"batch": batch_size},
    )
    return replace(plan, stages=tuple(stages), warnings=(*plan.warnings, warning))


def _with_measured_memory(plan: Plan, result: DryRunResult) -> Plan:
    stages = []
    for stage in plan.stages:
        peak = result.peak_bytes.get(stage.name)
        if peak is not None:
            margin = round(_MEASURED_MARGIN * peak)
            stage = replace(stage, memory_estimate_bytes=peak + margin, memory_margin_bytes=margin)
        stages.append(stage)
    return replace(plan, stages=tuple(stages))


def _out_of_memory_message(plan: Plan, stage: str, batch_size: int, smaller: int | None) -> Message:
    limit = plan.stages[-1].memory_limit_bytes
    return Message(
        "train.rehearsal_out_of_memory" if smaller is None else "train.rehearsal_batch_size",
        "The dry run ran out of memory in the {stage} stage at batch size {batch}{limit}; no training was started. The number of "
        "images in the data set does not matter. {cure}",
        {
            "stage": phrase(stage),
            "batch": batch_size,
            "limit": "" if limit is None else phrase(" ({size} were free)", size=format_bytes(limit)),
            "cure": phrase("Set {setting}.", setting=f"{stage}_batch_size={smaller}")
            if smaller is not None
            else less_memory_hint(plan.recipe.network),
        },
    )
