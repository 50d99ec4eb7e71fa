"""Runs a training from the command line: consumes its events, handles signals, prints in a thread of its own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from engine.messages import BadInput
from tui.cli.command_log import is_shown
from tui.cli.console import OutputClosed, discard_output
from tui.cli.event_queue import EventQueue
from tui.cli.hosted_training import HostedTraining

if TYPE_CHECKING:
    from engine.events import Event
    from engine.training.control import Control
    from tui.cli.printers import Printer
    from tui.cli.training_host import TrainingHost
    from tui.wizard.run_history import RunHistory
    from tui.wizard.state import OnHangup


def run_training(start: Callable[[Control], Iterator[Event]], *, json: bool, host: TrainingHost | None = None) -> int:
    """Run the training that `start` returns, print its events, and return the exit code.

    With `json` every event is printed, else text for people; a failure is then printed on standard error. With a `host`, other
    processes may extend the run or move it into the background.

    Raises:
        BadInput: the training cannot start.
    """
    from engine.events import Failed, LossNotFinite, OutOfMemory, RunStarted
    from engine.runs.exit_code import exit_code
    from engine.training.control import Control
    from tui.cli.printers import print_failure
    from tui.terminal.background import take_background_log
    from tui.wizard.run_history import RunHistory

    background_log = take_background_log()
    control = Control(can_detach=host is not None and host.can_detach and background_log is None)
    event_queue, history, hosted = EventQueue(), RunHistory(), HostedTraining(host, control)
    printing = Printing(event_queue, make_printer(history, json=json))
    last: Event | None = None
    with stop_on_signals(control, "stop" if host is None else host.on_hangup):
        printing.start()
        try:
            for event in hosted.events(start):
                if isinstance(event, RunStarted) and background_log is not None:
                    background_log.move_to(Path(event.run))
                history.apply(event)
                event_queue.put(event)
                last = event
        finally:
            event_queue.close()
            printing.join()
            hosted.notify()
    if hosted.has_detached:
        hosted.print_farewell(json=json)
        return 0
    if not json and isinstance(last, OutOfMemory | LossNotFinite | Failed):
        print_failure(last)
    if printing.error is not None and exit_code(last) == 0:
        raise printing.error
    return exit_code(last)


def make_printer(history: RunHistory, *, json: bool) -> Printer:
    """What shows events on standard output; `history` must have each event before it is shown."""
    from tui.cli.announcing_printer import AnnouncingPrinter
    from tui.cli.printers import BarPrinter, JsonPrinter, LinePrinter

    if json:
        return JsonPrinter()
    if sys.stdout.isatty() and not is_shown():  # the lines of a log would run into the bar
        return AnnouncingPrinter(BarPrinter(history), history)
    return LinePrinter(history)


class Printing(threading.Thread):
    """Prints until the queue is closed. Where the output fails, printing ends and the training continues."""

    def __init__(self, event_queue: EventQueue, printer: Printer) -> None:
        super().__init__(name="printer")
        self._event_queue = event_queue
        self._printer = printer
        self.error: BadInput | None = None
        """Why the output could not be written."""
        self.has_failed = False
        """Whether nobody reads the output any more."""

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
        self.has_failed = True
        discard_output()


@contextmanager
def stop_on_signals(control: Control, on_hangup: OnHangup = "stop") -> Iterator[None]:
    """Ctrl+C and SIGTERM stop the training, which saves a checkpoint. So does a closed terminal, or it moves the training into
    the background.

    A signal that is ignored stays ignored: `nohup` starts programs so that they survive their terminal.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        control.stop()

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        if on_hangup == "detach" and control.can_detach:
            control.detach()
        else:
            control.stop()

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = hang_up
    previous: dict[signal.Signals, Any] = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
