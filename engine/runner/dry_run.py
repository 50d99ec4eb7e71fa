"""Times the first steps of a Plan, in as many processes as it trains in."""

from __future__ import annotations

import threading

from engine.dataset.index import Dataset
from engine.hardware import Hardware
from engine.plan import Plan
from engine.planning.dry_run import dry_run as one_process
from engine.planning.dry_run.dry_run import DryRunResult
from engine.runner.launch import launch_call


def dry_run(plan: Plan, dataset: Dataset, hardware: Hardware, stop: threading.Event | None = None) -> DryRunResult:
    """Run `plan` dry, unless there is a cached result. With several processes their first one measures.

    Of a training on several machines only this one is measured.
    """
    if plan.processes == 1:
        return one_process.dry_run(plan, dataset, hardware, stop)
    devices = plan.devices or (plan.device,)
    return one_process.dry_run(
        plan,
        dataset,
        hardware,
        stop,
        lambda module, request, timeout, stop: launch_call(module, request, devices, timeout, stop),
    )
