"""What all processes of a training do between two steps: they agree on it, whichever of them was asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from engine.events import Event
from engine.parallel.group import ProcessGroup
from engine.training.control import Control

_PAUSE_PERIOD = 0.2
"""Seconds between two calls in which paused processes tell one another that they still wait."""


@dataclass(frozen=True, slots=True)
class Requests:
    """The same in all processes."""

    stop: bool
    pause: bool
    batch_size: int | None
    save: bool
    """Whether a checkpoint is due."""
    report_images: bool
    """Whether a process has found images that cannot be read."""


def agree_on_requests(control: Control, group: ProcessGroup, *, save: bool, report_images: bool) -> Requests:
    """What was requested in any process; takes the requested batch size from `control`. Collective.

    The largest batch size counts where there are several. Each process has a clock of its own, which `save` may depend on.
    """
    batch_size = control.pop_requested_batch_size() or 0
    flags = group.agree((control.stop_requested, control.pause_requested, batch_size, save, report_images))
    return Requests(bool(flags[0]), bool(flags[1]), flags[2] or None, bool(flags[3]), bool(flags[4]))


def wait_while_paused(control: Control, group: ProcessGroup) -> Iterator[Event]:
    """Wait until no process is paused any more, or one is to stop; the events that are reported meanwhile. Collective."""
    while True:
        if group.is_single:
            control.wait_while_paused()
        else:
            time.sleep(_PAUSE_PERIOD)  # in short slices: the calls of the others have a time-out
        yield from control.pop_reports()
        stop, pause = group.agree((control.stop_requested, control.pause_requested))
        if stop or not pause:
            return
