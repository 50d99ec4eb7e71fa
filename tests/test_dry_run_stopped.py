"""A dry run that is stopped ends at once, and so does its child process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil

from engine.planning.dry_run.dry_run import DryRunResult, dry_run
from tests.given_hardware import PROCESSOR_ONLY
from tests.small_training import plan_and_dataset, prepare


def test_it_ends_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    prepare(tmp_path)
    plan, dataset = plan_and_dataset(tmp_path)
    stop = threading.Event()
    results: list[DryRunResult] = []
    others = set(psutil.Process().children())  # started by other tests
    thread = threading.Thread(target=lambda: results.append(dry_run(plan, dataset, PROCESSOR_ONLY, stop)))
    thread.start()
    deadline = time.monotonic() + 60
    while not (child_processes := set(psutil.Process().children()) - others) and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert results[0].failed == "stopped"
    assert child_processes
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in child_processes)
