"""The training that the wizard shows: one of this process, or one of another process that it watches.

It belongs to the app, so it continues whatever screen is shown.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.message import Message
from textual.signal import Signal

from engine.events import CommandAnswered, Event, OutOfMemory, Step
from engine.messages import BadInput
from tui.wizard.run_history import RunHistory
from tui.wizard.training_phase import Phase, phase_after
from tui.workers.local_training import LocalTraining, StartRun
from tui.workers.watched_training import WatchedTraining

if TYPE_CHECKING:
    from engine.runner.supervisor import OnOutOfMemory
    from engine.runs.follow import EventBatch
    from engine.training.control import Control
    from tui.wizard.approved_plan import ApprovedPlan
    from tui.workers.training_source import TrainingSource

MAX_LOGGED_EVENTS = 1000
SWITCH_INTERVAL = 0.0005
"""Seconds after which a Python thread yields to another during a training. Each of the thousands of operations of a step
may wait this long while the screen is drawn; with Python's default of 5 ms a step would wait for the whole drawing."""


class TrainingSession:
    """One training after another: where it comes from, its history so far, how it ended.

    A worker thread reads the events of its source and never waits for a screen. A step only changes `history`, which
    screens read when they redraw. Every other event is also posted to the app, which publishes it through `updates`.
    """

    class Updated(Message):
        """An event other than a step; or the end of the training, where `event` is None."""

        def __init__(self, event: Event | None) -> None:
            super().__init__()
            self.event = event

    class Detached(Message):
        """A process in the background continues the training; it is watched now."""

    def __init__(self, app: App[Any], workspace: Path) -> None:
        self._app = app
        self._workspace = workspace
        self._source: TrainingSource | None = None
        """None: nothing is training. Events of a source that is not this one any more are dropped."""
        self._lock = threading.Lock()
        """Held while the source is replaced, and while its events are applied."""
        self._resumed: tuple[Path, Mapping[str, Any] | None] | None = None
        """The run that was resumed last, and its changed settings."""
        self._resume_on_changed_data: StartRun | None = None
        """Resumes the run that was resumed last, with its data set as it is now."""
        self.updates: Signal[Event | None] = Signal(app, "training-updates")
        """Published in the app's thread: every event but steps, and None when the training has ended."""
        self.history = RunHistory()
        self.phase: Phase = "ended"
        self.last_event: Event | None = None
        """The newest event but steps; after the end, the one that ended the training."""
        self.input_error: BadInput | None = None
        """Why the training could not start, or why the process that was watched has gone."""
        self.crash: str | None = None
        """The exception that ended the training, for a defect of ours."""
        self.log: deque[Event] = deque(maxlen=MAX_LOGGED_EVENTS)

    @property
    def is_running(self) -> bool:
        """Whether a training runs here or is watched, or is starting."""
        return self._source is not None

    @property
    def watched(self) -> WatchedTraining | None:
        """The training of another process that is watched; None where there is none."""
        return self._source if isinstance(self._source, WatchedTraining) else None

    def is_own_command(self, answer: CommandAnswered) -> bool:
        """Whether a command that was sent from here is answered, not that of another window."""
        return self.watched is not None and answer.id in self.watched.sent

    @property
    def can_detach(self) -> bool:
        """Whether the training can move into the background now. A paused one cannot: there it would train."""
        return self.phase == "training" and self._source is not None and self._source.can_detach

    @property
    def run(self) -> Path | None:
        """The folder of the run; None before it is created."""
        return None if self.history.run is None else Path(self.history.run)

    # Start, resume, watch

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
            self._resumed = run, overrides
            self._resume_on_changed_data = self._resume_run(run, overrides, accept_changes=True)
        self.follow(self._resume_run(run, overrides))

    def resume_on_moved_data(self, data: Path) -> None:
        """Resume the same run again, with its data set, which is at `data` now."""
        if self._resumed is not None and not self.is_running:
            run, overrides = self._resumed
            self._resume_on_changed_data = self._resume_run(run, overrides, accept_changes=True, data=data)
            self.follow(self._resume_run(run, overrides, data=data))

    def resume_on_changed_data(self) -> None:
        """Resume the same run again, and train on although its data set has changed."""
        if self._resume_on_changed_data is not None:
            self.follow(self._resume_on_changed_data)

    def _resume_run(
        self,
        run: Path,
        overrides: Mapping[str, Any] | None,
        *,
        accept_changes: bool = False,
        data: Path | None = None,
    ) -> StartRun:
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
                data=data,
            )

        return start_run

    def follow(self, start_run: StartRun) -> None:
        """Consume the events of the run that `start_run` starts, in a thread. Does nothing while a training runs here.

        A training that is watched continues, and is watched no more.
        """

        def resume_run(run: Path, overrides: Mapping[str, Any], control: Control) -> Iterator[Event]:
            return self._resume_run(run, overrides)(control)

        self._begin(LocalTraining(start_run, resume_run, self._start_in_background))

    def watch(self, run: Path) -> None:
        """Show a run that another process trains. Does nothing while a training runs here."""
        self._begin(WatchedTraining(run))

    def _start_in_background(self, run: Path) -> WatchedTraining:
        from tui.terminal.background import LOG, start_in_background

        words = ["resume", "--workspace", str(self._workspace), "--", str(run)]
        return WatchedTraining(run, start_in_background(words, run / LOG))

    def _begin(self, source: TrainingSource) -> None:
        if self._source is not None and not self._source.is_watched:
            return
        with self._lock:
            if self._source is not None:
                self._source.leave()
            self._source = source
            self._clear()
            self.phase = "preparing"
        self._app.run_worker(
            lambda: self._consume(source), thread=True, group="training", name="training", exit_on_error=False
        )

    def forget(self, run: Path) -> None:
        """Clear the history and the outcome of the training that ended last, if its run folder was `run`."""
        if not self.is_running and self.run == run:
            self._clear()

    def leave(self) -> None:
        """Stop a training of this process; one of another process is only watched no more."""
        if self._source is not None:
            self._source.leave()

    def _clear(self) -> None:
        self.history = RunHistory()
        self.last_event = self.input_error = self.crash = None
        self.log.clear()

    # Commands. Where another process trains, each raises BadInput if it cannot be reached.

    def toggle_pause(self) -> None:
        """Pause after the current step; or end the pause."""
        source = self._source
        if source is None or self.phase not in ("training", "pausing", "paused"):
            return
        if self.phase == "training":
            self._send(source.pause, "pausing")
        else:
            self._send(source.resume, "training")

    def stop(self) -> None:
        """Save a checkpoint after the current step, then end. Safe from any thread and from a signal handler."""
        if (source := self._source) is not None:
            self._send(source.stop, "stopping")

    def lower_batch(self, batch_size: int) -> None:
        """Use a smaller batch size from the next step on."""
        if (source := self._source) is not None:
            source.lower_batch(batch_size)

    def extend(self, epochs: int) -> None:
        """Train for `epochs` epochs in total, more or fewer than planned, at least those that have begun. A running training is stopped and resumed for it; a paused one stays paused."""
        if (source := self._source) is not None:
            self._send(lambda: source.extend(epochs), "stopping")
        elif self.run is not None:
            self.resume(self.run, {"unfreeze_epoch": epochs})

    def detach(self) -> None:
        """Continue the training in a process in the background, which outlives this one, and watch it."""
        if (source := self._source) is not None and source.can_detach:
            self._send(source.detach, "detaching")

    def _send(self, command: Callable[[], None], phase: Phase) -> None:
        """Send a command to the training, and show that it is on its way."""
        previous, self.phase = self.phase, phase
        try:
            command()
        except BadInput:
            self.phase = previous
            raise

    # In the thread

    def _consume(self, source: TrainingSource) -> None:
        default_interval = sys.getswitchinterval()
        if not source.is_watched:
            sys.setswitchinterval(SWITCH_INTERVAL)
        input_error: BadInput | None = None
        crash: str | None = None
        successor: TrainingSource | None = None
        try:
            for batch in source.batches():
                self._apply(source, batch)
            successor = source.successor()
        except BadInput as error:
            input_error = error
        except Exception as error:
            crash = f"{type(error).__name__}: {error}"
            raise
        finally:
            sys.setswitchinterval(default_interval)
            gc.collect()  # networks contain reference cycles, and the next training needs their memory
            self._end(source, successor, input_error, crash)
        if successor is not None:
            self._consume(successor)

    def _end(
        self, source: TrainingSource, successor: TrainingSource | None, input_error: BadInput | None, crash: str | None
    ) -> None:
        with self._lock:
            if self._source is not source:  # another one has been started since
                return
            self._source = successor
            self.input_error, self.crash = input_error, crash
            self.phase = "ended" if successor is None else "preparing"
        self._app.post_message(self.Updated(None) if successor is None else self.Detached())

    def _apply(self, source: TrainingSource, batch: EventBatch) -> None:
        """Add events to the history, or make a new one of them."""
        history = RunHistory().apply_all(batch.events) if batch.is_from_start else None
        with self._lock:
            if self._source is not source:
                return
            if history is None:
                self.history.apply_all(batch.events)
            else:
                self.history = history
                self.log.clear()
                self.last_event = None
            if source.run is not None and self.history.run is not None:
                self.history.run = str(source.run)
            for event in batch.events:
                self.phase = phase_after(
                    self.phase,
                    event,
                    starts_paused=source.is_pausing,
                    is_refused=isinstance(event, CommandAnswered) and self.is_own_command(event),
                )
                if not isinstance(event, Step):
                    self.last_event = event
                    self.log.append(event)
        for event in batch.events if history is None else _newest_of_each_kind(batch.events):
            if not isinstance(event, Step):
                self._app.post_message(self.Updated(event))


def _newest_of_each_kind(events: Iterable[Event]) -> Iterable[Event]:
    """The last event of each type, in their order: all that a screen needs of a long log."""
    newest: dict[type[Event], Event] = {}
    for event in events:
        newest.pop(type(event), None)  # so that the order is that of the last ones
        newest[type(event)] = event
    return newest.values()


def _after_out_of_memory(event: OutOfMemory) -> tuple[Mapping[str, Any] | None, OnOutOfMemory]:
    """The settings with which to resume after `event`, and what the run does if memory runs out again."""
    if event.during == "validation":
        return None, "retry"  # the batch size of the validation is no setting: the run finds and lowers it itself
    if event.suggested_checkpointing:
        return {"activation_checkpointing": "on"}, "stop"
    if event.suggested_batch_size is None:
        return None, "stop"
    return {f"{event.stage}_batch_size": event.suggested_batch_size}, "stop"
