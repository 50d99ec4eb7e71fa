"""The training that runs in this process. It belongs to the app, so it goes on whatever is on the screen."""

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

from engine.events import Event, LossNotFinite, OutOfMemory, Paused, Resumed, RunStarted, Step, Stopped
from engine.messages import BadInput
from tui.wizard.run_history import RunHistory

if TYPE_CHECKING:
    from engine.runner.supervisor import OnOutOfMemory
    from engine.training.control import Control
    from tui.wizard.approved_plan import ApprovedPlan

Phase = Literal["preparing", "training", "pausing", "paused", "stopping", "ended"]
Begin = Callable[["Control"], Iterator[Event]]

MOST_LOGGED = 1000
SWITCH_INTERVAL = 0.0005
"""Seconds after which Python's threads give way to one that waits, while it trains. Each of a step's thousands of
operations waits so long while the screen is drawn; Python's own five milliseconds would make a step wait for all of it."""


def after_out_of_memory(event: OutOfMemory) -> tuple[dict[str, Any] | None, OnOutOfMemory]:
    """With which settings a run goes on after `event`, and what it answers if memory runs out again."""
    if event.during == "validation":
        return None, "retry"  # its batch is no setting; the run finds it once more and lowers it
    if event.suggested_batch_size is None:
        return None, "stop"
    return {f"{event.stage}_batch_size": event.suggested_batch_size}, "stop"


class TrainingSession:
    """One training after another: its control, its course so far, how it ended.

    The engine's loop runs in a thread worker and never waits for a screen: steps change `course`, which a screen looks
    at as often as it likes; everything else is posted to the app besides.
    """

    class Happened(Message):
        """Something other than a step happened in the training, or it came to its end (`event` is None then)."""

        def __init__(self, session: TrainingSession, event: Event | None) -> None:
            super().__init__()
            self.session = session
            self.event = event

    def __init__(self, app: App[Any], workspace: Path) -> None:
        self._app = app
        self._workspace = workspace
        self._control: Control | None = None
        self._stop_requested = False
        self._next: Mapping[str, Any] | None = None
        self._pause_requested = False
        """Whether what comes next begins with a pause."""
        self.course = RunHistory()
        self.phase: Phase = "ended"
        self.last: Event | None = None
        """The event with which the training ended."""
        self.refusal: BadInput | None = None
        """Why it could not begin."""
        self.defect: str | None = None
        """An error of ours that ended it."""
        self.log: deque[Event] = deque(maxlen=MOST_LOGGED)
        self.over = threading.Event()
        """Set where nothing trains."""
        self.over.set()

    @property
    def alive(self) -> bool:
        """Whether a training runs, or is about to."""
        return not self.over.is_set()

    @property
    def run(self) -> Path | None:
        """The folder of the run; None before it is made."""
        return None if self.course.run is None else Path(self.course.run)

    # Beginnings

    def start(self, chosen: ApprovedPlan) -> None:
        """Train a Plan from its beginning."""

        def begin(control: Control) -> Iterator[Event]:
            from engine.runner.start import start

            return start(chosen.plan, control, chosen.dataset)

        self._begin(begin)

    def resume(
        self, run: Path, overrides: Mapping[str, Any] | None = None, on_out_of_memory: OnOutOfMemory = "stop"
    ) -> None:
        """Go on with a run from its last checkpoint; with `overrides`, extend it."""

        def begin(control: Control) -> Iterator[Event]:
            from engine.runner.start import resume

            return resume(
                run, control, overrides=overrides, workspace=self._workspace, on_out_of_memory=on_out_of_memory
            )

        self._begin(begin)

    def go_on(self, run: Path) -> None:
        """Go on with a run; where memory ran out, with what was proposed then."""

        def begin(control: Control) -> Iterator[Event]:
            from engine.runner.start import resume
            from engine.runs.folder import last_event

            last = last_event(run)
            if isinstance(last, OutOfMemory):
                overrides, answer = after_out_of_memory(last)
                return resume(run, control, overrides=overrides, workspace=self._workspace, on_out_of_memory=answer)
            return resume(run, control, workspace=self._workspace)

        self._begin(begin)

    def _begin(self, begin: Begin) -> None:
        if self.alive:
            return
        self.over.clear()
        self.course = RunHistory()
        self.phase = "preparing"
        self.last = self.refusal = self.defect = None
        self._stop_requested = False
        self._next, self._pause_requested = None, False
        self.log.clear()
        self._app.run_worker(
            lambda: self._work(begin), thread=True, group="training", name="training", exit_on_error=False
        )

    # Wishes

    def pause_or_go_on(self) -> None:
        """Wait after the step that runs; or end the waiting."""
        control = self._control
        if control is None or self.phase not in ("training", "pausing", "paused"):
            return
        if control.pause_requested:
            control.go_on()
            self.phase = "training"
        else:
            control.pause()
            self.phase = "pausing"

    def stop(self) -> None:
        """Save a checkpoint after the step that runs, and end. Safe from any thread and from a signal's handler."""
        if not self.alive:
            return
        self._stop_requested = True
        self._next = None
        self.phase = "stopping"
        if self._control is not None:
            self._control.stop()

    def lower_batch(self, size: int) -> None:
        """Train with smaller batches from the next step on."""
        if self._control is not None:
            self._control.lower_batch(size)

    def extend(self, epochs: int) -> None:
        """Train up to `epochs` in all: a running training is stopped for it, and goes on at once; a paused one for a step."""
        overrides = {"unfreeze_epoch": epochs}
        if self.alive:
            paused = self._control is not None and self._control.pause_requested
            self.stop()
            self._next, self._pause_requested = overrides, paused
        elif self.run is not None:
            self.resume(self.run, overrides)

    # The thread

    def _work(self, begin: Begin) -> None:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            while True:
                self._follow(begin)
                overrides = self._next
                if overrides is None or self.run is None or not isinstance(self.last, Stopped):
                    return
                begin = self._going_on(self.run, overrides)
                self._next, self._stop_requested = None, False
                self.course, self.phase, self.last = (
                    RunHistory(),
                    "pausing" if self._pause_requested else "preparing",
                    None,
                )
        finally:
            sys.setswitchinterval(usual)
            self._control = None
            gc.collect()  # networks hold circles; what comes next needs their memory
            self.phase = "ended"
            self.over.set()
            self._app.post_message(self.Happened(self, None))

    def _going_on(self, run: Path, overrides: Mapping[str, Any]) -> Begin:
        def begin(control: Control) -> Iterator[Event]:
            from engine.runner.start import resume

            return resume(run, control, overrides=overrides, workspace=self._workspace)

        return begin

    def _follow(self, begin: Begin) -> None:
        from engine.training.control import Control

        control = self._control = Control()
        if self._stop_requested:
            control.stop()
        if self._pause_requested:
            self._pause_requested = False
            control.pause()
        try:
            for event in begin(control):
                self._take(event)
        except BadInput as error:
            self.refusal = error
        except Exception as error:
            self.defect = f"{type(error).__name__}: {error}"
            raise

    def _take(self, event: Event) -> None:
        if isinstance(event, RunStarted) and event.continued:
            # The run's own log holds what came before, cut to the checkpoint, and this event at its end.
            from engine.runs.folder import read_events

            self.course.take_all(read_events(Path(event.run)))
        else:
            self.course.take(event)
        if isinstance(event, Step):
            if self.phase == "preparing":
                self.phase = "training"
            return
        self.last = event
        self.log.append(event)
        self._note_phase(event)
        self._app.post_message(self.Happened(self, event))

    def _note_phase(self, event: Event) -> None:
        if self.phase == "stopping":
            return
        if isinstance(event, Paused):
            self.phase = "paused"
        elif isinstance(event, Resumed):
            self.phase = "training"
        elif isinstance(event, OutOfMemory | LossNotFinite):
            self.phase = "preparing"  # what follows, an end or a smaller batch, shows itself
