"""A training whose address space is limited at a chosen moment: `python -m tests.short_of_memory WORKSPACE JSON`.

The JSON: `settings` of the recipe, `at` (freeze, unfreeze or validation), `room` bytes left from that moment on, and
`on_out_of_memory`. Events are printed as lines; the exit code is the command's.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import psutil

from engine.events import Event, StageStarted, Step
from engine.runner.start import exit_code, start
from engine.training.control import Control
from tests.small_training import plan_and_dataset


def main() -> None:
    workspace, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
    plan, dataset = plan_and_dataset(workspace, **asked["settings"])
    load_late_libraries()
    last = None
    for event in limited(start(plan, Control(), dataset, on_out_of_memory=asked["on_out_of_memory"]), asked):
        sys.stdout.write(event.to_line() + "\n")
        sys.stdout.flush()
        last = event
    sys.exit(exit_code(last))


def load_late_libraries() -> None:
    """Libraries that a run loads on its way; OpenBLAS ends the process where it finds no memory for its buffers."""
    import matplotlib.pyplot
    import torch.utils.tensorboard

    assert matplotlib.pyplot
    assert torch.utils.tensorboard
    numpy.linalg.inv(numpy.eye(64))
    numpy.ones((512, 512)) @ numpy.ones((512, 512))


def limited(events: Iterator[Event], asked: dict[str, Any]) -> Iterator[Event]:
    """The events; the limit is set between two of them, as if another program had just taken the memory."""
    is_set = False
    for event in events:
        in_training = isinstance(event, StageStarted) and event.stage == asked["at"]
        in_validation = asked["at"] == "validation" and isinstance(event, Step) and event.step + 1 == event.steps
        if not is_set and (in_training or in_validation):
            is_set = True
            most = psutil.Process().memory_info().vms + asked["room"]
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        yield event


if __name__ == "__main__":
    main()
