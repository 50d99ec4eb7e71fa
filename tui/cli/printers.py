"""Printers for the events of a training: JSON for programs, lines for a log, a progress bar for a terminal."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from engine.events import (
    CheckpointSaved,
    Event,
    Failed,
    Finished,
    LossNotFinite,
    OutOfMemory,
    Step,
    Stopped,
)
from tui.cli.console import print_json_text, print_line, without_controls
from tui.cli.errors import print_error
from tui.cli.run_argument import run_argument
from tui.text import _, translate
from tui.text.durations import duration
from tui.text.events import describe_end, describe_event, epoch_number
from tui.text.joining import join_sentences
from tui.text.stages import STAGE_NAMES
from tui.wizard.run_history import RunHistory

if TYPE_CHECKING:
    from rich.progress import Task


class Printer(Protocol):
    """Shows events, one after the other."""

    def show(self, event: Event) -> None:
        """Show one event."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _PlainPrinter:
    """A printer that needs no setup."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class JsonPrinter(_PlainPrinter):
    """Prints every event as one line of JSON."""

    def show(self, event: Event) -> None:
        """Print one event."""
        print_json_text(event.to_line())


class LinePrinter(_PlainPrinter):
    """Prints every event but single steps and checkpoints as text."""

    def __init__(self, history: RunHistory) -> None:
        """Make the printer. `history` has the event that is shown already: it knows how many epochs are planned."""
        self._history = history

    def show(self, event: Event) -> None:
        """Print one event."""
        if (text := event_text(event, _epochs(self._history))) is not None:
            print_line(text)


class BarPrinter:
    """The same text as `LinePrinter`, and below it a progress bar for the current epoch."""

    def __init__(self, history: RunHistory) -> None:
        """Make the printer. `history` has the event that is shown already: it estimates the time left."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._history = history
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(highlight=False),
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task(_("starting"), total=None, detail="")

    @property
    def tasks(self) -> list[Task]:
        """The tasks of the bar: one, the current epoch."""
        return self._bar.tasks

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Advance the bar, or print a line above it."""
        if isinstance(event, Step):
            self._bar.update(
                self._task,
                description=_(
                    "epoch {epoch}  {stage}",
                    epoch=epoch_number(event.epoch, _epochs(self._history)),
                    stage=_(STAGE_NAMES[event.stage]),
                ),
                total=event.steps,
                completed=event.step + 1,
                detail=self._step_detail(event),
            )
        elif (text := event_text(event, _epochs(self._history))) is not None:
            self._bar.console.print(without_controls(text), markup=False)

    def _step_detail(self, step: Step) -> str:
        detail = _(
            "loss {loss}  lr {lr}  {speed} images/s",
            loss=f"{step.loss:.4f}",
            lr=f"{step.lr:.1e}",
            speed=f"{step.images_per_second:.0f}",
        )
        seconds = self._history.seconds_left()
        return detail if seconds is None else f"{detail}  " + _("about {time} left", time=duration(seconds))


def event_text(event: Event, epochs: int | None = None) -> str | None:
    """What a command prints about an event of a training of `epochs` on standard output; None for steps, checkpoints and errors."""
    match event:
        case CheckpointSaved() | OutOfMemory() | LossNotFinite() | Failed():
            return None
        case Stopped():
            run = Path(event.checkpoint).parent
            resume = _("Resume with: {command}", command=f"freezetui resume {run_argument(run)}")
            return join_sentences(describe_event(event), resume)
        case Finished():
            return join_sentences(describe_event(event), _("The weights: {path}", path=event.best))
    return describe_event(event, epochs)


def _epochs(history: RunHistory) -> int | None:
    """How many epochs are planned; None before the first event."""
    return None if history.last_epoch is None else history.last_epoch + 1


def print_failure(event: OutOfMemory | LossNotFinite | Failed) -> None:
    """Print on standard error why a training failed, and what to do."""
    hint = None if event.hint is None else translate(event.hint)
    print_error(join_sentences(describe_end(event), hint))
