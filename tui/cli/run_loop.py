"""Runs a training from the command line: consumes its events, handles signals, prints in a thread of its own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from tui.cli.console import discard_output
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
    from tui.cli.printers import BarPrinter, JsonPrinter, LinePrinter, print_failure
    from tui.wizard.run_history import RunHistory

    control, event_queue, history = Control(), EventQueue(), RunHistory()
    printer: Printer = JsonPrinter() if json else BarPrinter(history) if sys.stdout.isatty() else LinePrinter()
    thread = threading.Thread(target=_print_events, args=(event_queue, printer), name="printer")
    last: Event | None = None
    with _stop_on_signals(control):
        thread.start()
        try:
            for event in start(control):
                history.apply(event)
                event_queue.put(event)
                last = event
        finally:
            event_queue.close()
            thread.join()
    if not json and isinstance(last, OutOfMemory | LossNotFinite | Failed):
        print_failure(last)
    return exit_code(last)


def _print_events(event_queue: EventQueue, printer: Printer) -> None:
    """Print until the queue is closed. Where the output is closed, printing ends and the training continues."""
    with printer:
        while (event := event_queue.get()) is not None:
            try:
                printer.show(event)
            except OSError:
                discard_output()
                return


@contextmanager
def _stop_on_signals(control: Control) -> Iterator[None]:
    """Ctrl+C, SIGTERM and a closed terminal stop the training, which saves a checkpoint."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        control.stop()

    numbers = [signal.SIGINT, signal.SIGTERM] + ([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])
    previous: dict[signal.Signals, Any] = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
