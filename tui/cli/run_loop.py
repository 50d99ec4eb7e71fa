"""Runs a training from the command line: consumes its events, handles signals, prints in a thread of its own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from engine.messages import BadInput
from tui.cli.command_log import is_shown
from tui.cli.console import OutputClosed, discard_output
from tui.cli.event_queue import EventQueue

if TYPE_CHECKING:
    from engine.events import Event
    from engine.training.control import Control
    from tui.cli.printers import Printer


def run_training(start: Callable[[Control], Iterator[Event]], *, json: bool) -> int:
    """Run the training that `start` returns, print its events, and return the exit code.

    With `json` every event is printed, else text for people; a failure is then printed on standard error.

    Raises:
        BadInput: the training cannot start.
    """
    from engine.events import Failed, LossNotFinite, OutOfMemory
    from engine.runner.start import exit_code
    from engine.training.control import Control
    from tui.cli.announcing_printer import AnnouncingPrinter
    from tui.cli.printers import BarPrinter, JsonPrinter, LinePrinter, print_failure
    from tui.wizard.run_history import RunHistory

    control, event_queue, history = Control(), EventQueue(), RunHistory()
    printer: Printer
    if json:
        printer = JsonPrinter()
    elif sys.stdout.isatty() and not is_shown():  # the lines of a log would run into the bar
        printer = AnnouncingPrinter(BarPrinter(history), history)
    else:
        printer = LinePrinter(history)
    printing = _Printing(event_queue, printer)
    last: Event | None = None
    with stop_on_signals(control):
        printing.start()
        try:
            for event in start(control):
                history.apply(event)
                event_queue.put(event)
                last = event
        finally:
            event_queue.close()
            printing.join()
    if not json and isinstance(last, OutOfMemory | LossNotFinite | Failed):
        print_failure(last)
    if printing.error is not None and exit_code(last) == 0:
        raise printing.error
    return exit_code(last)


class _Printing(threading.Thread):
    """Prints until the queue is closed. Where the output fails, printing ends and the training continues."""

    def __init__(self, event_queue: EventQueue, printer: Printer) -> None:
        super().__init__(name="printer")
        self._event_queue = event_queue
        self._printer = printer
        self.error: BadInput | None = None
        """Why the output could not be written."""

    def run(self) -> None:
        """Print, in the thread."""
        try:
            with self._printer:
                while (event := self._event_queue.get()) is not None:
                    self._printer.show(event)
        except BadInput as error:
            self.error = error
        except (OSError, OutputClosed):
            pass
        else:
            return
        discard_output()


@contextmanager
def stop_on_signals(control: Control) -> Iterator[None]:
    """Ctrl+C, SIGTERM and a closed terminal stop the training, which saves a checkpoint.

    A signal that is ignored stays ignored: `nohup` starts programs so that they survive their terminal.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        control.stop()

    numbers = [signal.SIGINT, signal.SIGTERM] + ([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])
    previous: dict[signal.Signals, Any] = {
        number: signal.signal(number, stop) for number in numbers if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
