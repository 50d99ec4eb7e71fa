"""A training whose address space is limited at a chosen moment, in a process of its own."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil

from engine.events import Event, StageStarted, Step
from engine.runner.start import exit_code, start
from engine.runner.supervisor import OnOutOfMemory
from engine.training.control import Control
from tests.small_training import plan_and_dataset
from tests.warm_processes import warm_processes

Moment = Literal["freeze", "unfreeze", "validation"]


def train_short_of_memory(
    workspace: Path, settings: dict[str, Any], at: Moment, room: int, on_out_of_memory: OnOutOfMemory
) -> int | None:
    """The exit code of a training that has only `room` bytes left from a moment on."""
    process = warm_processes().Process(target=_train, args=(workspace, settings, at, room, on_out_of_memory))
    process.start()
    process.join()
    return process.exitcode


def _train(workspace: Path, settings: dict[str, Any], at: Moment, room: int, on_out_of_memory: OnOutOfMemory) -> None:
    plan, dataset = plan_and_dataset(workspace, **settings)
    # OpenBLAS ends the process where it finds no memory for its buffers.
    np.linalg.inv(np.eye(64))
    np.ones((512, 512)) @ np.ones((512, 512))
    last = None
    for event in _limited(start(plan, Control(), dataset, on_out_of_memory=on_out_of_memory), at, room):
        last = event
    sys.exit(exit_code(last))


def _limited(events: Iterator[Event], at: Moment, room: int) -> Iterator[Event]:
    """The events; the limit is set between two of them, as if another program had just taken the memory."""
    is_limited = False
    for event in events:
        in_training = isinstance(event, StageStarted) and event.stage == at
        in_validation = at == "validation" and isinstance(event, Step) and event.step + 1 == event.steps
        if not is_limited and (in_training or in_validation):
            is_limited = True
            limit = psutil.Process().memory_info().vms + room
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        yield event
