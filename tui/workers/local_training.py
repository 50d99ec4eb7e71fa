"""A training in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.events import Event, RunStarted
from engine.runs.follow import EventBatch
from engine.training.control import Control

if TYPE_CHECKING:
    from tui.workers.training_source import TrainingSource

StartRun = Callable[[Control], Iterator[Event]]
"""Starts or resumes a run; returns the generator that trains."""
ResumeRun = Callable[[Path, Mapping[str, Any], Control], Iterator[Event]]
"""Resumes a run with other settings."""
Detach = Callable[[Path], "TrainingSource"]
"""Starts a process in the background that resumes the run; returns it as a source."""


class LocalTraining:
    """The engine's generator, and the Control that it obeys."""

    is_watched = False
    can_detach = True
    run = None

    def __init__(self, start_run: StartRun, resume_run: ResumeRun, detach: Detach) -> None:
        self.control = Control(can_detach=True)
        self._start_run = start_run
        self._resume_run = resume_run
        self._detach = detach
        self._detached_run: Path | None = None

    def batches(self) -> Iterator[EventBatch]:
        """Train, in a thread."""
        from engine.runner.continuation import train_on  # imports nothing slow, but its package does

        def resume(run: Path, overrides: Mapping[str, Any]) -> Iterator[Event]:
            return self._resume_run(run, overrides, self.control)

        def detach(run: Path) -> None:
            self._detached_run = run

        for event in train_on(self._start_run(self.control), self.control, resume, detach):
            if isinstance(event, RunStarted) and event.continued:
                # The run's own log holds the events before the checkpoint, and this one at its end.
                from engine.runs.folder import read_events

                yield EventBatch(tuple(read_events(Path(event.run))), is_from_start=True)
            else:
                yield EventBatch((event,), is_from_start=isinstance(event, RunStarted))

    def successor(self) -> TrainingSource | None:
        """The process in the background, if the user asked for one."""
        return None if self._detached_run is None else self._detach(self._detached_run)

    @property
    def is_pausing(self) -> bool:
        """Whether a pause was requested and has not ended."""
        return self.control.pause_requested

    def pause(self) -> None:
        """Pause after the current step."""
        self.control.pause()

    def resume(self) -> None:
        """End the pause."""
        self.control.resume()

    def stop(self) -> None:
        """Save a checkpoint after the current step, then end. Safe from any thread and from a signal handler."""
        self.control.stop()

    def lower_batch(self, batch_size: int) -> None:
        """Use a smaller batch size from the next step on."""
        self.control.lower_batch(batch_size)

    def extend(self, epochs: int) -> None:
        """Stop, then resume with another number of epochs; at least those that have begun."""
        self.control.extend(epochs)

    def detach(self) -> None:
        """Stop; a process in the background resumes."""
        self.control.detach()

    def leave(self) -> None:
        """Stop: nobody would consume its events."""
        self.control.stop()
