"""`freezetui attach`: shows a run that another process trains. Without a terminal it prints the events like `train`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.completion import complete_run
from tui.text import N_, _

if TYPE_CHECKING:
    from engine.events import Event
    from engine.runs.follow import EventBatch
    from tui.wizard.run_history import RunHistory

LiveRun = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN",
        help=N_("A run folder, or its name in logs/; without it, the only run that trains."),
        show_default=False,
        autocompletion=complete_run,
    ),
]


def find_live_run(run: Path | None, workspace: Path) -> Path:
    """The folder of the run to show.

    Raises:
        BadInput: no process trains it; or none is named, and not exactly one trains.
    """
    from engine.messages import bad_input
    from engine.runs.folder import find_run, run_folders
    from engine.runs.lock import is_running
    from engine.workspace import logs_folder

    if run is not None:
        folder = find_run(run, workspace)
        if not is_running(folder):
            raise bad_input(
                "attach.not_running",
                "{run}: no process trains this run now. See how it ended with: freezetui runs",
                run=folder.name,
            )
        return folder
    running = [folder for folder in run_folders(workspace) if is_running(folder)]
    if not running:
        logs = logs_folder(workspace).absolute()
        raise bad_input("attach.none", "No process trains a run in {logs} now.", logs=logs)
    if len(running) > 1:
        names = ", ".join(folder.name for folder in running)
        raise bad_input("attach.several", "Several runs train now; name one of them: {runs}.", runs=names)
    return running[0].resolve()


def print_events(run: Path, *, json: bool) -> int:
    """Print what the process that trains `run` writes, until the run ends; Ctrl+C only ends the printing.

    Raises:
        BadInput: the process was killed, or the log cannot be read.
    """
    from engine.events import Failed, LossNotFinite, OutOfMemory
    from engine.messages import BadInput, Message
    from engine.runs.exit_code import exit_code
    from engine.runs.follow import RunWatch
    from engine.runs.summary import summarize_run
    from tui.cli.console import print_line
    from tui.cli.event_queue import EventQueue
    from tui.cli.printers import print_failure
    from tui.cli.run_loop import Printing, make_printer
    from tui.wizard.run_history import RunHistory

    history, event_queue, leave = RunHistory(), EventQueue(), threading.Event()
    printing = Printing(event_queue, make_printer(history, json=json))
    watch, last = RunWatch(run), None
    with _set_on_signals(leave):
        printing.start()
        try:
            for batch in watch.batches(leave):
                for event in batch.events:
                    history.apply(event)
                if last is None and not json:
                    print_line(_progress(run, history))
                for event in _shown(batch, json=json, is_first=last is None):
                    event_queue.put(event)
                last = batch.events[-1]
                if printing.has_failed:
                    leave.set()
        finally:
            event_queue.close()
            printing.join()
    if leave.is_set():
        return 0
    if watch.has_died:
        summary = summarize_run(run)
        died = Message("run.died", "The process that trained this run has ended without a word.")
        raise BadInput(*filter(None, (summary.message or died, summary.hint)))
    if not json and isinstance(last, OutOfMemory | LossNotFinite | Failed):
        print_failure(last)
    return exit_code(last)


def _shown(batch: EventBatch, *, json: bool, is_first: bool) -> Sequence[Event]:
    """The events to print. When the log was set back to a checkpoint, those before were printed already; of the first batch,
    people see the end of the run at most.
    """
    from engine.events import RunStarted
    from engine.runs.event_scan import RunEnd

    if not batch.is_from_start:
        return batch.events
    if not is_first:
        starts = [number for number, event in enumerate(batch.events) if isinstance(event, RunStarted)]
        return batch.events[starts[-1] :] if starts else batch.events
    if json:
        return batch.events
    return [event for event in batch.events[-1:] if isinstance(event, RunEnd)]


def _progress(run: Path, history: RunHistory) -> str:
    """Where a run stands, for people: what happened before is in its Train screen and in its log."""
    if history.latest is None or history.last_epoch is None:
        return _("{run}: the training starts.", run=run.name)
    return _(
        "{run}: epoch {epoch} of {epochs}, steps done: {steps}.",
        run=run.name,
        epoch=history.epochs_begun,
        epochs=history.last_epoch + 1,
        steps=history.steps,
    )


def wants_screen(*, json: bool) -> bool:
    """Whether the Train screen is shown instead: in a terminal, to people."""
    return not json and sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def _set_on_signals(event: threading.Event) -> Iterator[None]:
    """Ctrl+C and SIGTERM set the event."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        event.set()

    previous: dict[signal.Signals, Any] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def stop_run(run: Path) -> int:
    """Have the process that trains `run` save a checkpoint and end; returns when it has. Ctrl+C waits no longer.

    Raises:
        BadInput: no process of this machine trains the run, or it refuses.
    """
    from engine.events import CommandAnswered
    from engine.messages import BadInput
    from engine.runs.commands import send_command
    from engine.runs.follow import RunWatch
    from tui.cli.console import print_line
    from tui.cli.printers import event_text
    from tui.cli.progress import waiting

    command_id, leave, last = send_command(run, "stop"), threading.Event(), None
    with waiting(_("Stopping after the current step")), _set_on_signals(leave):
        for batch in RunWatch(run).batches(leave):
            for event in batch.events:
                last = event
                if isinstance(event, CommandAnswered) and event.id == command_id and event.message is not None:
                    raise BadInput(event.message)
    if not leave.is_set() and last is not None and (text := event_text(last)) is not None:
        print_line(text)
    return 0
