"""A rehearsal whose answer nobody wants any more ends at once, with its process."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil

from engine.hardware import probe
from engine.planning.dry_run.dry_run import rehearse
from tests.small_training import plan_and_dataset, prepare


def test_it_ends_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    prepare(tmp_path)
    plan, _dataset = plan_and_dataset(tmp_path)
    stop, found = threading.Event(), []
    before = set(psutil.Process().children())  # what other tests have started in this process
    thread = threading.Thread(target=lambda: found.append(rehearse(plan, probe(tmp_path), stop)))
    thread.start()
    end = time.monotonic() + 20
    while not (children := set(psutil.Process().children()) - before) and time.monotonic() < end:
        time.sleep(0.02)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert found[0].failed == "stopped"
    assert children
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
