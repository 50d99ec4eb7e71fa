"""A training in a terminal also sets the title of its window, and announces its end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from engine.events import Event, Failed, Finished, LossNotFinite, OutOfMemory
from tui.cli.printers import Printer
from tui.terminal.announcer import Announcer
from tui.text.events import describe_end
from tui.wizard.run_history import RunHistory
from tui.wizard.training_status import training_status

PERIOD = 1.0
"""Seconds between two titles."""


class AnnouncingPrinter:
    """Prints through another printer; in the same thread, so that nothing is written into the middle of something else."""

    def __init__(self, printer: Printer, history: RunHistory) -> None:
        """Make the printer. `history` has the event that is shown already."""
        self._printer = printer
        self._history = history
        self._announcer = Announcer()
        self._next_title = 0.0
        self._last: Event | None = None

    def __enter__(self) -> Self:
        self._printer.__enter__()
        self._announcer.attach(_write)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._printer.__exit__(kind, error, trace)
        if isinstance(self._last, Finished | Failed | OutOfMemory | LossNotFinite):
            self._announcer.announce(describe_end(self._last))
        self._announcer.detach()

    def show(self, event: Event) -> None:
        """Show one event, and how far the training is."""
        self._printer.show(event)
        self._last = event
        if (now := time.monotonic()) >= self._next_title:
            self._next_title = now + PERIOD
            self._announcer.set_title(training_status(self._history).title)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
