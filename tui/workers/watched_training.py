"""A training of another process, which this one watches through the files of its run folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.messages import BadInput, Message
from engine.runs.commands import CommandName, check_can_command, read_receiver, send_command
from engine.runs.follow import EventBatch, RunWatch

if TYPE_CHECKING:
    from tui.terminal.background import BackgroundProcess
    from tui.workers.training_source import TrainingSource

DIED = "run.died"
"""Code of the error after a process that was watched has gone without a word."""


class WatchedTraining:
    """The event log of a run, and the commands that its process obeys."""

    is_watched = True
    is_pausing = False  # the events of the run say it

    def __init__(self, run: Path, process: BackgroundProcess | None = None) -> None:
        """`process`: the one that was started to resume the run."""
        self.run = run
        self.sent: set[str] = set()
        """The commands that were sent from here."""
        self._process = process
        self._leaving = threading.Event()
        self._watch = RunWatch(run, is_starting=None if process is None else lambda: process.exit_code() is None)

    def batches(self) -> Iterator[EventBatch]:
        """Read what the other process writes, until it ends.

        Raises:
            BadInput: its process has gone without a word, or did not come.
        """
        try:
            yield from self._watch.batches(self._leaving)
            if self._leaving.is_set():
                return
            if self._process is not None and self._watch.was_not_resumed:
                raise BadInput(_not_started(self._process))
            if self._watch.has_died:
                raise BadInput(_death(self.run))
        finally:
            if self._process is not None:
                self._process.release()

    def successor(self) -> TrainingSource | None:
        """Nobody: a process that resumes the run writes the same files."""
        return None

    @property
    def can_detach(self) -> bool:
        """Whether the training can move into the background: not one that is there."""
        receiver = read_receiver(self.run)
        return receiver is not None and receiver.can_detach

    def owner(self) -> tuple[int, str | None] | None:
        """Number and machine of the process that trains (None: this machine); None where it is unknown."""
        receiver = read_receiver(self.run)
        return None if receiver is None else (receiver.pid, receiver.host if receiver.is_elsewhere else None)

    def steering_problem(self) -> Message | None:
        """Why commands do not reach the training; None where they do."""
        try:
            check_can_command(self.run)
        except BadInput as error:
            return error.as_one_message()
        return None

    def pause(self) -> None:
        """Pause after the current step."""
        self._send("pause")

    def resume(self) -> None:
        """End the pause."""
        self._send("resume")

    def stop(self) -> None:
        """Save a checkpoint after the current step, then end."""
        self._send("stop")

    def lower_batch(self, batch_size: int) -> None:
        """Use a smaller batch size from the next step on."""
        self._send("lower_batch", batch_size)

    def extend(self, epochs: int) -> None:
        """Train for `epochs` epochs in total."""
        self._send("extend", epochs)

    def detach(self) -> None:
        """Move into the background."""
        self._send("detach")

    def leave(self) -> None:
        """Watch no more; the training continues."""
        self._leaving.set()

    def _send(self, name: CommandName, value: int | None = None) -> None:
        self.sent.add(send_command(self.run, name, value))


def _death(run: Path) -> Message:
    from engine.runs.summary import summarize_run

    reason: Message | None = None
    with suppress(BadInput):
        reason = summarize_run(run).message
    return reason or Message(DIED, "The process that trained this run has ended without a word.")


def _not_started(process: BackgroundProcess) -> Message:
    return Message(
        DIED,
        "The process in the background ended before it resumed the run: {reason}",
        {"reason": process.last_line() or str(process.exit_code())},
    )
