"""Follows the events of a run while another process writes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.events import CommandAnswered, Event, RunStarted, event_from_line
from engine.runs.event_scan import RunEnd
from engine.runs.folder import event_lines, open_event_log
from engine.runs.lock import is_running

PERIOD = 0.25
"""Seconds between two reads."""
RESTART_SECONDS = 180.0
"""A run that was stopped only to be resumed starts within this time: a new process imports torch and reads the data set."""
DEATH_SECONDS = 2.0
"""How long a run without a process is not yet taken for dead: another process may take it over."""
_TAIL_BYTES = 256


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events that were read together. `is_from_start`: all events of the run so far, not only those that are new."""

    events: tuple[Event, ...]
    is_from_start: bool = False


class EventFollower:
    """Reads a log of events again and again, each time from where it stopped."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._offset = 0
        self._tail = b""
        """The bytes before the offset: a resumed run sets its log back to the checkpoint, and writes others in their place."""

    def read(self) -> EventBatch:
        """The new events; all of them where the log was set back. A line that is incomplete is read the next time.

        Raises:
            BadInput: the log exists and cannot be read.
        """
        with open_event_log(self._run) as file:
            if not self._is_continued(file):
                self._offset, self._tail = 0, b""
            is_from_start = self._offset == 0
            file.seek(self._offset)
            events = tuple(self._read_lines(file))
            start = max(0, self._offset - _TAIL_BYTES)
            file.seek(start)
            self._tail = file.read(self._offset - start)
        return EventBatch(events, is_from_start)

    def _read_lines(self, file: BinaryIO) -> Iterator[Event]:
        for line in event_lines(file):
            if not line.endswith(b"\n"):
                return
            self._offset = file.tell()
            if (event := event_from_line(line.decode("utf-8", "replace"))) is not None:
                yield event

    def _is_continued(self, file: BinaryIO) -> bool:
        file.seek(self._offset - len(self._tail))
        return file.read(len(self._tail)) == self._tail


class RunWatch:
    """Watches a run to its end. Any number of processes may watch the same run."""

    def __init__(self, run: Path, *, is_starting: Callable[[], bool] | None = None) -> None:
        """`is_starting`: whether the process that is about to resume the run still exists; None where there is none."""
        self.run = run
        self.has_died = False
        """Whether the run ended without an event that says so: its process was killed."""
        self.was_not_resumed = False
        """Whether the run was to be resumed, and nobody did."""
        self._is_starting = is_starting
        self._expects_start = is_starting is not None

    def batches(self, leave: threading.Event) -> Iterator[EventBatch]:
        """The events of the run, first those so far; ends with the run, or when `leave` is set.

        Raises:
            BadInput: the log cannot be read.
        """
        follower = EventFollower(self.run)
        last: Event | None = None
        quiet_since = time.monotonic()
        while not leave.is_set():
            was_running = is_running(self.run)  # before the read: what the process writes last is then read too
            batch = follower.read()
            if batch.events:
                expected, is_first = self._expects_start, last is None
                quiet_since, last = time.monotonic(), batch.events[-1]
                for event in batch.events:
                    self._note(event)
                if is_first and expected:  # these are from before: only where the run has ended is a start to come
                    self._expects_start = isinstance(last, RunEnd)
                yield batch
            elif was_running:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > self._patience(last):
                self.has_died = not isinstance(last, RunEnd)
                self.was_not_resumed = self._expects_start
                return
            leave.wait(PERIOD)

    def _note(self, event: Event) -> None:
        if isinstance(event, CommandAnswered) and event.accepted:
            self._expects_start = event.command in ("extend", "detach") or (
                self._expects_start and event.command != "stop"
            )
        elif isinstance(event, RunStarted):
            self._expects_start = False

    def _patience(self, last: Event | None) -> float:
        """How many seconds a run without a process is waited for."""
        if not isinstance(last, RunEnd):
            return DEATH_SECONDS
        is_expected = self._expects_start and (self._is_starting is None or self._is_starting())
        return RESTART_SECONDS if is_expected else 0.0
