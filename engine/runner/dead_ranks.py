"""A process of a training in several that died or hung: what it was, and the event that it ends the run with."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.events import Event, Failed
from engine.messages import BadInput, Message, phrase, to_record
from engine.runner.failures import newest_checkpoint
from engine.runs.folder import EVENTS
from engine.runs.lock import read_kill_reason, run_lock

RANK_DIED = "train.rank_died"
"""Code of `Failed` where a process of a training in several died or hung."""


@dataclass(frozen=True, slots=True)
class DeadRank:
    """The first process that ended without a word, or with one about its device."""

    rank: int
    device: str
    failure: Message | None
    """Why, in its own words."""
    is_defect: bool = False
    """Whether that is a defect of ours."""
    is_elsewhere: bool = False
    """Whether it only lost the others, none of which is on this machine."""
    silent_seconds: int | None = None
    """How long it gave no sign of life before it was killed for that."""
    exit_code: int | None = None
    """Negative for the signal that ended it; None if that is not known."""
    last_words: str = ""
    """The last line on its standard error."""
    restart: int = 0
    """How often the processes had been started again."""

    def message(self, run: Path | None) -> Message:
        """What happened, naming rank, device and reason."""
        if self.is_elsewhere:
            return Message(RANK_DIED, "The processes on another machine do not answer any more.")
        values = {"rank": self.rank, "device": self.device}
        if self.silent_seconds is not None:
            return Message(
                RANK_DIED,
                "Rank {rank} on {device} gave no sign of life for {seconds} seconds and was ended.",
                {**values, "seconds": self.silent_seconds},
            )
        reason = self._reason(run)
        return Message(RANK_DIED, "Rank {rank} on {device} died ({reason}).", {**values, "reason": reason})

    def record(self) -> dict[str, Any]:
        """The message as JSON, for the processes that are started again."""
        return to_record(self.message(None))

    def is_out_of_memory(self, run: Path | None) -> bool:
        """Whether the system killed it since memory ran out."""
        killed = self.exit_code is not None and self.exit_code == -getattr(signal, "SIGKILL", 0)
        return killed and run is not None and read_kill_reason(run) == "out_of_memory"

    def _reason(self, run: Path | None) -> Message | str:
        if self.failure is not None:
            return self.failure
        if self.is_out_of_memory(run):
            return phrase("the system ended it since memory ran out")
        if self.exit_code is not None and self.exit_code < 0:
            with suppress(ValueError):
                return phrase("it was ended by {signal}", signal=signal.Signals(-self.exit_code).name)
        if self.last_words:
            return self.last_words
        if self.exit_code is not None:
            return phrase("exit code {code}", code=self.exit_code)
        return phrase("it ended without a word")


def failed_event(dead: DeadRank, run: Path | None) -> Failed:
    """The event that ends the run."""
    message = dead.message(run)
    exit_code = 1 if dead.is_defect else 3 if dead.is_out_of_memory(run) else BadInput.exit_code
    return Failed(
        code=message.code,
        message=message,
        hint=phrase("The last checkpoint is good; resume from it."),
        exit_code=exit_code,
        checkpoint=None if run is None else newest_checkpoint(run),
    )


def append_event(run: Path, event: Event) -> None:
    """Write an event behind the log of a run whose processes are dead; a resumed run removes it with what else came after its
    checkpoint. Where that is not possible, only the caller knows of it.
    """
    with suppress(BadInput, OSError), run_lock(run), (run / EVENTS).open("a+b") as log:
        if log.seek(0, os.SEEK_END):
            log.seek(-1, os.SEEK_END)
            if log.read(1) != b"\n":  # the process died while it wrote
                log.write(b"\n")
        log.write(event.to_line().encode() + b"\n")
