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
from tui.exits import complain
from tui.mailbox import Mailbox
from tui.output import drop_output
from tui.printers import BarPrinter, JsonPrinter, LinePrinter, Printer

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
    from engine.launch import exit_code
    from engine.training.control import Control

    control = Control()
    mailbox = Mailbox()
    printer: Printer = JsonPrinter() if json else BarPrinter() if sys.stdout.isatty() else LinePrinter()
    reader = threading.Thread(target=_print_all, args=(mailbox, printer), name="printer")
    last: Event | None = None
    with _stopping_on_signals(control):
        reader.start()
        try:
            for event in begin(control):
                mailbox.put(event)
                last = event
        finally:
            mailbox.close()
            reader.join()
    if not json and isinstance(last, OutOfMemory | LossNotFinite | Failed):
        complain(printable(last.message))
    return exit_code(last)


def _print_all(mailbox: Mailbox, printer: Printer) -> None:
    """Print until the mailbox is closed. A reader that went away ends the printing, not the training."""
    with printer:
        while (event := mailbox.take()) is not None:
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
