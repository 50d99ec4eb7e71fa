"""Running a training from the command line: the loop, the signals, and who prints what happens."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from engine.messages import printable
from tui.cli.console import drop_output
from tui.cli.errors import print_error
from tui.cli.event_queue import EventQueue
from tui.cli.printers import BarPrinter, JsonPrinter, LinePrinter, Printer

if TYPE_CHECKING:
    from engine.events import Event
    from engine.training.control import Control


def follow(begin: Callable[[Control], Iterator[Event]], *, json: bool) -> int:
    """Run the training that `begin` starts to its end, print its events, and return the exit code.

    For people, what ended a training badly stands on standard error, as the sentence of every other command does.

    Raises:
        BadInput: the training could not begin.
    """
    from engine.events import Failed, LossNotFinite, OutOfMemory
    from engine.runner.start import exit_code
    from engine.training.control import Control

    control = Control()
    event_queue = EventQueue()
    printer: Printer = JsonPrinter() if json else BarPrinter() if sys.stdout.isatty() else LinePrinter()
    reader = threading.Thread(target=_print_all, args=(event_queue, printer), name="printer")
    last: Event | None = None
    with _stopping_on_signals(control):
        reader.start()
        try:
            for event in begin(control):
                event_queue.put(event)
                last = event
        finally:
            event_queue.close()
            reader.join()
    if not json and isinstance(last, OutOfMemory | LossNotFinite | Failed):
        print_error(printable(last.message))
    return exit_code(last)


def _print_all(event_queue: EventQueue, printer: Printer) -> None:
    """Print until the mailbox is closed. A reader that went away ends the printing, not the training."""
    with printer:
        while (event := event_queue.take()) is not None:
            try:
                printer.show(event)
            except OSError:
                drop_output()
                return


@contextmanager
def _stopping_on_signals(control: Control) -> Iterator[None]:
    """While training, Ctrl+C, SIGTERM and a closed terminal ask for a stop with a checkpoint."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        control.stop()

    numbers = [signal.SIGINT, signal.SIGTERM] + ([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])
    before: dict[signal.Signals, Any] = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
