"""A training in two processes as the command starts it: torch's own agent, Gloo, and a process that is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.small_training import IMAGES, arguments, child_environment, prepare

SETTINGS = {
    "device": "cpu",
    "devices": [0, 1],
    "parallel": "ddp",
    "freeze_batch_size": 4,
    "unfreeze_batch_size": 4,
    "unfreeze_epoch": 2,
    "eval_period": 9,
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no DDP on Windows")
def test_a_training_of_which_a_process_is_killed_goes_on_by_itself(tmp_path: Path) -> None:
    prepare(tmp_path, IMAGES)
    command = [*arguments(tmp_path, **SETTINGS), "--max-restarts", "1", "--json"]
    events: list[dict[str, Any]] = []
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "tui", *command], stdout=subprocess.PIPE, text=True, env=child_environment()
    ) as training:
        assert training.stdout is not None
        killed: list[psutil.Process] = []
        for line in training.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "step" and events[-1]["epoch"] == 1 and not killed:
                killed = _ranks(training.pid)
                assert len(killed) == 2
                killed[0].kill()  # the others must not meet in what it left behind
        code = training.wait()
    assert code == 0, events[-1]
    begun = [event for event in events if event["event"] == "run_started"]
    assert [event["continued"] for event in begun] == [False, True]
    assert begun[0]["plan"]["processes"] == 2
    assert "Rank 0 on cpu died" in begun[1]["note"]
    assert events[-1]["event"] == "finished"
    assert not [process for process in killed if process.is_running()]


def _ranks(pid: int) -> list[psutil.Process]:
    """The processes that train, by rank."""
    children = psutil.Process(pid).children(recursive=True)
    ranks = [child for child in children if "engine.runner.worker" in child.cmdline()]
    return sorted(ranks, key=lambda child: child.environ()["RANK"])
