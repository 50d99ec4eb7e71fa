"""Estimates how long a training takes, from the seconds that a dry run measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.hardware import Hardware
from engine.plan import Plan, StagePlan
from engine.planning.dry_run.dry_run import DryRunResult, cached_dry_run

_FILES_PER_EPOCH = 1.6
"""What an epoch writes (a checkpoint, two weights files, curves), in multiples of the time that a checkpoint takes."""


def with_cached_seconds(plan: Plan, hardware: Hardware) -> Plan:
    """`plan` with the seconds of its stages, if the cache holds a dry run of it on this machine."""
    result = cached_dry_run(plan, hardware)
    return plan if result is None else with_seconds(plan, result)


def with_seconds(plan: Plan, result: DryRunResult) -> Plan:
    """`plan` with the seconds of its stages."""
    return replace(plan, stages=tuple(_with_stage_seconds(stage, plan, result) for stage in plan.stages))


def epoch_seconds(stage: StagePlan, plan: Plan, result: DryRunResult) -> float | None:
    """Seconds of an epoch with its validation and the files that it writes; None if the dry run did not reach `stage`."""
    step = result.step_seconds.get(stage.name)
    if step is None:
        return None
    validation = plan.images.get("val", 0) * (result.validation_seconds or 0.0)
    return stage.steps_per_epoch * step + validation + _FILES_PER_EPOCH * (result.save_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class EpochSeconds:
    """An epoch of the last stage on all devices, and as one of them alone would take it."""

    together: float
    alone: float


def measured_gain(plan: Plan, hardware: Hardware) -> EpochSeconds | None:
    """What several processes bring, as the dry run of `plan` measured it; None where it has not."""
    result = cached_dry_run(plan, hardware) if plan.processes > 1 else None
    stage = plan.stages[-1]
    if result is None or stage.name not in result.alone_seconds:
        return None
    together = epoch_seconds(stage, plan, result)
    if together is None:
        return None
    # One device takes as many times as many steps, and validates every image itself.
    exchanged = stage.steps_per_epoch * (
        plan.processes * result.alone_seconds[stage.name] - result.step_seconds[stage.name]
    )
    validated = (plan.processes - 1) * plan.images.get("val", 0) * (result.validation_seconds or 0.0)
    return EpochSeconds(together, together + exchanged + validated)


def _with_stage_seconds(stage: StagePlan, plan: Plan, result: DryRunResult) -> StagePlan:
    seconds = epoch_seconds(stage, plan, result)
    return stage if seconds is None else replace(stage, seconds_estimate=stage.epochs * seconds)
