"""How long a training will take, from the seconds of its rehearsal."""

from __future__ import annotations

from dataclasses import replace

from engine.hardware import Hardware
from engine.plan import Plan, StagePlan
from engine.planning.dry_run.dry_run import DryRunResult, cached_dry_run

_WRITES = 1.6
"""What an epoch writes (a checkpoint, two files of weights, curves), in times that a checkpoint takes."""


def with_cached_seconds(plan: Plan, hardware: Hardware) -> Plan:
    """`plan` with the seconds of its stages, where it was rehearsed on this machine before."""
    rehearsal = cached_dry_run(plan, hardware)
    return plan if rehearsal is None else with_seconds(plan, rehearsal)


def with_seconds(plan: Plan, rehearsal: DryRunResult) -> Plan:
    """`plan` with the seconds of its stages."""
    return replace(plan, stages=tuple(_timed(stage, plan, rehearsal) for stage in plan.stages))


def epoch_seconds(stage: StagePlan, plan: Plan, rehearsal: DryRunResult) -> float | None:
    """How long an epoch of `stage` takes, with its validation and what it writes; None where that was not got to."""
    step = rehearsal.step_seconds.get(stage.name)
    if step is None:
        return None
    validation = plan.images.get("val", 0) * (rehearsal.validation_seconds or 0.0)
    return stage.steps_per_epoch * step + validation + _WRITES * (rehearsal.save_seconds or 0.0)


def _timed(stage: StagePlan, plan: Plan, rehearsal: DryRunResult) -> StagePlan:
    seconds = epoch_seconds(stage, plan, rehearsal)
    return stage if seconds is None else replace(stage, seconds_estimate=stage.epochs * seconds)
