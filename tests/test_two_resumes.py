"""Two processes that resume one run at the same time: never both."""

from __future__ import annotations

import os
import random
import sys
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from engine.messages import BadInput
from engine.runner import resume as resume_module
from engine.runner import supervisor
from engine.runner.resume import resume
from engine.runs import lock
from engine.training.control import Control
from tests.small_training import copy_run, finished_workspace
from tests.warm_processes import warm_processes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the lock is that of POSIX")
TRIES = 500 if "FREEZETUI_FUZZ" in os.environ else 4
"""Of each process."""
_DELAYED = {module.__file__ for module in (resume_module, supervisor, lock)}


def resume_often(run: Path, seed: int, sender: Connection) -> None:
    """In a process: resume up to the first event of the training, with a delay before any line between check and lock."""
    chance = random.Random(seed)

    def delay(frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in _DELAYED:
            return None
        if event == "line" and chance.random() < 0.2:
            time.sleep(chance.random() * 0.002)
        return delay

    sys.settrace(delay)
    resumed = 0
    for _ in range(TRIES):
        try:
            with closing(resume(run, Control())) as events:
                next(events)
                marker = run / "trains"
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))  # raises FileExistsError where both train
                time.sleep(chance.random() * 0.02)
                marker.unlink()
                resumed += 1
        except BadInput as error:
            assert error.messages[0].code == "run.busy", error  # noqa: PT017  another is expected to be refused
            time.sleep(chance.random() * 0.05)
    sender.send(resumed)


def test_of_two_resumes_one_is_refused(tmp_path: Path) -> None:
    run = copy_run(finished_workspace(), tmp_path)
    log = run / "events.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    log.write_text("".join(lines[:-1]), encoding="utf-8")  # as if it had been killed before its last event
    receiver, sender = warm_processes().Pipe(duplex=False)
    processes = [warm_processes().Process(target=resume_often, args=(run, seed, sender)) for seed in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert receiver.recv() + receiver.recv() >= 1
