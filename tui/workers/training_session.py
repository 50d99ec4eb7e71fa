"""The training that runs in this process. It belongs to the app, so it continues whatever screen is shown."""

from __future__ import annotations

import gc
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from textual.app import App
from textual.message import Message
from textual.signal import Signal

from engine.events import Event, LossNotFinite, OutOfMemory, Paused, Resumed, RunStarted, Step, Stopped
from engine.messages import BadInput
from tui.wizard.run_history import RunHistory

if TYPE_CHECKING:
    from engine.runner.supervisor import OnOutOfMemory
    from engine.training.control import Control
    from tui.wizard.approved_plan import ApprovedPlan

Phase = Literal["preparing", "training", "pausing", "paused", "stopping", "ended"]
StartRun = Callable[["Control"], Iterator[Event]]
"""Starts or resumes a run; returns the generator that trains."""

MAX_LOGGED_EVENTS = 1000
SWITCH_INTERVAL = 0.0005
"""Seconds after which a Python thread yields to another during a training. Each of the thousands of operations of a step
may wait this long while the screen is drawn; with Python's default of 5 ms a step would wait for the whole drawing."""


class TrainingSession:
    """One training after another: its control, its history so far, how it ended.

    The engine's generator runs in a worker thread and never waits for a screen. A step only changes `history`, which
    screens read when they redraw. Every other event is also posted to the app, which publishes it through `updates`.
    """

    class Updated(Message):
        """An event other than a step; or the end of the training, where `event` is None."""

        def __init__(self, event: Event | None) -> None:
            super().__init__()
            self.event = event

    def __init__(self, app: App[Any], workspace: Path) -> None:
        self._app = app
        self._workspace = workspace
        self._control: Control | None = None
        self._stop_requested = False
        self._overrides_after_stop: Mapping[str, Any] | None = None
        """The settings with which to resume as soon as the run has stopped."""
        self._resume_on_changed_data: StartRun | None = None
        """Resumes the run that was resumed last, with its data set as it is now."""
        self._starts_paused = False
        """Whether the next run pauses before its first step."""
        self._idle = threading.Event()
        self._idle.set()
        self.updates: Signal[Event | None] = Signal(app, "training-updates")
        """Published in the app's thread: every event but steps, and None when the training has ended."""
        self.history = RunHistory()
        self.phase: Phase = "ended"
        self.last_event: Event | None = None
        """The newest event but steps; after the end, the one that ended the training."""
        self.input_error: BadInput | None = None
        """Why the training could not start."""
        self.crash: str | None = None
        """The exception that ended the training, for a defect of ours."""
        self.log: deque[Event] = deque(maxlen=MAX_LOGGED_EVENTS)

    @property
    def is_running(self) -> bool:
        """Whether a training runs, or is starting."""
        return not self._idle.is_set()

    @property
    def run(self) -> Path | None:
        """The folder of the run; None before it is created."""
        return None if self.history.run is None else Path(self.history.run)

    # Start and resume

    def start(self, approved: ApprovedPlan) -> None:
        """Train a Plan from its first step."""

        def start_run(control: Control) -> Iterator[Event]:
            from engine.runner.start import start

            return start(approved.plan, control, approved.dataset)

        self.follow(start_run)

    def resume(self, run: Path, overrides: Mapping[str, Any] | None = None) -> None:
        """Resume a run from its last checkpoint; with `overrides`, under changed settings.

        Without `overrides`, a run that ended out of memory resumes with the batch size that was proposed then.
        """
        if not self.is_running:
            self._resume_on_changed_data = self._resume_run(run, overrides, accept_changes=True)
        self.follow(self._resume_run(run, overrides))

    def resume_on_changed_data(self) -> None:
        """Resume the same run again, and train on although its data set has changed."""
        if self._resume_on_changed_data is not None:
            self.follow(self._resume_on_changed_data)

    def _resume_run(self, run: Path, overrides: Mapping[str, Any] | None, *, accept_changes: bool = False) -> StartRun:
        def start_run(control: Control) -> Iterator[Event]:
            from engine.runner.resume import resume
            from engine.runs.folder import last_event

            settings = overrides
            on_out_of_memory: OnOutOfMemory = "stop"
            if overrides is None and isinstance(event := last_event(run), OutOfMemory):
                settings, on_out_of_memory = _after_out_of_memory(event)
            return resume(
                run,
                control,
                overrides=settings,
                workspace=self._workspace,
                on_out_of_memory=on_out_of_memory,
                accept_changes=accept_changes,
            )

        return start_run

    def follow(self, start_run: StartRun) -> None:
        """Consume the events of the run that `start_run` starts, in a thread. Does nothing while a training runs."""
        if self.is_running:
            return
        self._idle.clear()
        self._clear()
        self.phase = "preparing"
        self._stop_requested = self._starts_paused = False
        self._overrides_after_stop = None
        self._app.run_worker(
            lambda: self._train(start_run), thread=True, group="training", name="training", exit_on_error=False
        )

    def forget(self, run: Path) -> None:
        """Clear the history and the outcome of the training that ended last, if its run folder was `run`."""
        if not self.is_running and self.run == run:
            self._clear()

    def _clear(self) -> None:
        self.history = RunHistory()
        self.last_event = self.input_error = self.crash = None
        self.log.clear()

    # Control

    def toggle_pause(self) -> None:
        """Pause after the current step; or end the pause."""
        control = self._control
        if control is None or self.phase not in ("training", "pausing", "paused"):
            return
        if control.pause_requested:
            control.resume()
            self.phase = "training"
        else:
            control.pause()
            self.phase = "pausing"

    def stop(self) -> None:
        """Save a checkpoint after the current step, then end. Safe from any thread and from a signal handler."""
        if not self.is_running:
            return
        self._stop_requested = True
        self._overrides_after_stop = None
        self.phase = "stopping"
        if self._control is not None:
            self._control.stop()

    def lower_batch(self, batch_size: int) -> None:
        """Use a smaller batch size from the next step on."""
        if self._control is not None:
            self._control.lower_batch(batch_size)

    def extend(self, epochs: int) -> None:
        """Train for `epochs` epochs in total, more or fewer than planned, at least those that have begun. A running training is stopped and resumed for it; a paused one stays paused."""
        overrides = {"unfreeze_epoch": epochs}
        if self.is_running:
            is_paused = self._control is not None and self._control.pause_requested
            self.stop()
            self._overrides_after_stop, self._starts_paused = overrides, is_paused
        elif self.run is not None:
            self.resume(self.run, overrides)

    # In the thread

    def _train(self, start_run: StartRun) -> None:
        default_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            while True:
                self._consume_events(start_run)
                overrides = self._overrides_after_stop
                if overrides is None or self.run is None or not isinstance(self.last_event, Stopped):
                    return
                start_run = self._resume_run(self.run, _not_below_done(overrides, self.last_event))
                self._overrides_after_stop, self._stop_requested = None, False
                self.history, self.last_event = RunHistory(), None
                self.phase = "pausing" if self._starts_paused else "preparing"
        finally:
            sys.setswitchinterval(default_interval)
            self._control = None
            gc.collect()  # networks contain reference cycles, and the next training needs their memory
            self.phase = "ended"
            self._idle.set()
            self._app.post_message(self.Updated(None))

    def _consume_events(self, start_run: StartRun) -> None:
        from engine.training.control import Control

        control = self._control = Control()
        if self._stop_requested:
            control.stop()
        if self._starts_paused:
            self._starts_paused = False
            control.pause()
        try:
            for event in start_run(control):
                self._handle_event(event)
        except BadInput as error:
            self.input_error = error
        except Exception as error:
            self.crash = f"{type(error).__name__}: {error}"
            raise

    def _handle_event(self, event: Event) -> None:
        if isinstance(event, RunStarted) and event.continued:
            # The run's own log holds the events before the checkpoint, and this one at its end.
            from engine.runs.folder import read_events

            self.history.apply_all(read_events(Path(event.run)))
        else:
            self.history.apply(event)
        if isinstance(event, Step):
            if self.phase == "preparing":
                self.phase = "training"
            return
        self.last_event = event
        self.log.append(event)
        self._update_phase(event)
        self._app.post_message(self.Updated(event))

    def _update_phase(self, event: Event) -> None:
        if self.phase == "stopping":
            return
        if isinstance(event, Paused):
            self.phase = "paused"
        elif isinstance(event, Resumed):
            self.phase = "training"
        elif isinstance(event, OutOfMemory | LossNotFinite):
            self.phase = "preparing"  # the run ends, or continues with a smaller batch


def _not_below_done(overrides: Mapping[str, Any], stopped: Stopped) -> Mapping[str, Any]:
    """`overrides` with at least the epochs that had begun when the run stopped: one may have begun since they were chosen."""
    epochs = overrides.get("unfreeze_epoch")
    begun = stopped.epoch + (stopped.step > 0)
    return overrides if epochs is None or epochs >= begun else {**overrides, "unfreeze_epoch": begun}


def _after_out_of_memory(event: OutOfMemory) -> tuple[Mapping[str, Any] | None, OnOutOfMemory]:
    """The settings with which to resume after `event`, and what the run does if memory runs out again."""
    if event.during == "validation":
        return None, "retry"  # the batch size of the validation is no setting: the run finds and lowers it itself
    if event.suggested_batch_size is None:
        return None, "stop"
    return {f"{event.stage}_batch_size": event.suggested_batch_size}, "stop"
