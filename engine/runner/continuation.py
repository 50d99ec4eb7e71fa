"""Continues a training that was stopped only to be resumed: with other epochs, or in a process in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.events import CommandAnswered, Event, RunStarted, Stopped
from engine.training.control import Control

Resume = Callable[[Path, Mapping[str, Any]], Iterator[Event]]
"""Resumes the run in a folder with other settings."""


def train_on(
    events: Iterator[Event], control: Control, resume: Resume, detach: Callable[[Path], object]
) -> Iterator[Event]:
    """The events of a training, and of those that continue it after a stop that `control` was asked for.

    Args:
        events: of the training.
        control: that of the training; it serves those that follow too.
        resume: resumes the run after `Control.extend`.
        detach: called after `Control.detach`, when the run has stopped and this process has released its lock.
    """
    run: Path | None = None
    while True:
        last: Event | None = None
        for event in events:
            if isinstance(event, RunStarted):
                run = Path(event.run)
                control.begin()
            elif isinstance(event, CommandAnswered):
                control.adopt(event)
            last = event
            yield event
        continuation = control.take_continuation() if isinstance(last, Stopped) else None
        if run is None or continuation is None or not isinstance(last, Stopped):
            return
        if continuation.epochs is None:
            detach(run)
            return
        events = resume(run, {"unfreeze_epoch": max(continuation.epochs, _epochs_begun(last))})


def _epochs_begun(stopped: Stopped) -> int:
    """The epochs that had begun when the run stopped: one may have begun since the new number was chosen."""
    return stopped.epoch + (stopped.step > 0)
