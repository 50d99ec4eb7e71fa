"""Requests to a running training: stop, pause, another batch size, other epochs, the background. Safe from any thread.

The commands of other processes arrive here too, see `command_reader.py`.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from engine.events import CommandAnswered, Event

_SIGNAL_PERIOD = 0.5
"""Seconds. On Windows a thread that waits without a limit handles no Ctrl+C."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a training goes on that was stopped for it: with `epochs` in total, or in a process in the background (None)."""

    epochs: int | None

    @property
    def is_detached(self) -> bool:
        """Whether a process in the background resumes it."""
        return self.epochs is None


class Control:
    """Requests to a training, which checks them between two steps and between two validation batches.

    A training in several processes has one Control, in the process that writes the run folder; the host of such a training passes
    requests on to it.
    """

    def __init__(self, *, can_detach: bool = False) -> None:
        """`can_detach`: whether this process can start one in the background that resumes the run."""
        self.can_detach = can_detach
        self._stop = threading.Event()
        self._changed = threading.Condition()  # its lock is reentrant, so signal handlers may call `stop`
        self._is_paused = False
        self._is_final = False
        self._continuation: Continuation | None = None
        self._has_begun = False
        self._detaches_at_begin = False
        self._requested_batch_size: int | None = None
        self._reports: deque[Event] = deque()

    def stop(self) -> None:
        """Request a checkpoint and the end of the training."""
        with self._changed:
            self._is_final, self._is_paused = True, False
            self._continuation, self._detaches_at_begin = None, False
            self._stop.set()
            self._changed.notify_all()

    def pause(self) -> None:
        """Request a pause after the current step."""
        with self._changed:
            self._is_paused = not self._is_final

    def resume(self) -> None:
        """End a pause."""
        with self._changed:
            self._is_paused = False
            self._changed.notify_all()

    def lower_batch(self, size: int) -> None:
        """Request another batch size, at least 2, from the next step on."""
        with self._changed:
            self._requested_batch_size = max(2, size)

    def extend(self, epochs: int, command_id: str = "") -> bool:
        """Request `epochs` epochs in total: the training stops, and its host resumes it. False: it is stopping for good.

        This is reported as an event, so that other windows on the run wait for what follows the stop. `command_id`: of the
        command that asked for it, if one did.
        """
        return self._stop_for(
            Continuation(epochs), CommandAnswered(id=command_id, command="extend", value=epochs, accepted=True)
        )

    def detach(self, command_id: str = "") -> bool:
        """Request that a process in the background resumes the training; see `extend`. Signal handlers may call it.

        Before there is a run that could be resumed, this waits until there is one.
        """
        with self._changed:
            if not self._has_begun and not self._is_final:
                self._detaches_at_begin = True
                return True
        return self._stop_for(
            Continuation(None), CommandAnswered(id=command_id, command="detach", value=None, accepted=True)
        )

    def _stop_for(self, continuation: Continuation, answer: CommandAnswered) -> bool:
        with self._changed:
            if self._is_final:
                return False
            if continuation != self._continuation:  # a terminal that is closed may send its signal several times
                self._reports.append(answer)  # before the stop, which is then never logged before it
            self._continuation = continuation
            self._stop.set()
            self._changed.notify_all()
            return True

    # For the host of the training

    def begin(self) -> None:
        """Tell that there is a run, which can be resumed."""
        with self._changed:
            self._has_begun = True
            is_detached, self._detaches_at_begin = self._detaches_at_begin, False
        if is_detached:
            self.detach()

    def adopt(self, answer: CommandAnswered) -> None:
        """Remember what was requested of a Control in another process, from its event."""
        if not answer.accepted:
            return
        with self._changed:
            if answer.command == "stop":
                self._is_final, self._continuation = True, None
            elif answer.command == "extend" and answer.value is not None and not self._is_final:
                self._continuation = Continuation(answer.value)
            elif answer.command == "detach" and not self._is_final:
                self._continuation = Continuation(None)

    def take_continuation(self) -> Continuation | None:
        """After the training has stopped: how it goes on. Then a new training may use this Control; a pause stays."""
        with self._changed:
            continuation, self._continuation = self._continuation, None
            if continuation is not None:
                self._stop.clear()
            return continuation

    # For the training

    @property
    def stop_requested(self) -> bool:
        """Whether the training should end."""
        return self._stop.is_set()

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was requested after which nothing follows."""
        return self._is_final

    @property
    def stop_event(self) -> threading.Event:
        """Set when a stop is requested; for code that waits."""
        return self._stop

    @property
    def pause_requested(self) -> bool:
        """Whether the training should pause."""
        return self._is_paused

    def wait_while_paused(self) -> None:
        """Return when the pause ends, a stop is requested, or there is something to report."""
        with self._changed:
            while self._is_paused and not self._stop.is_set() and not self._reports:
                self._changed.wait(_SIGNAL_PERIOD)

    def pop_requested_batch_size(self) -> int | None:
        """The batch size requested since the last call, or None."""
        with self._changed:
            size, self._requested_batch_size = self._requested_batch_size, None
        return size

    def report(self, event: Event) -> None:
        """Have the training yield `event`, and write it into the run's log, after its current step."""
        with self._changed:
            self._reports.append(event)
            self._changed.notify_all()

    def pop_reports(self) -> list[Event]:
        """The events that were reported since the last call."""
        with self._changed:
            reports = list(self._reports)
            self._reports.clear()
        return reports
