"""What a headless training shows: JSON lines for programs, plain lines in a log, a live bar on a terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from engine.events import (
    BatchChanged,
    EpochFinished,
    Evaluated,
    Event,
    Finished,
    ImageSkipped,
    RunStarted,
    StageStarted,
    Step,
    Stopped,
    WeightsLoaded,
)
from engine.messages import printable
from tui.cli.console import duration


class Printer(Protocol):
    """Shows events, one after the other."""

    def show(self, event: Event) -> None:
        """Show one event."""
        ...

    def __enter__(self) -> Printer: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Plain:
    """A printer with nothing to open or close."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class JsonPrinter(_Plain):
    """Every event as one line of JSON."""

    def show(self, event: Event) -> None:
        """Print one event."""
        sys.stdout.write(event.to_line() + "\n")
        sys.stdout.flush()


class LinePrinter(_Plain):
    """A line for everything but the single steps."""

    def show(self, event: Event) -> None:
        """Print one event."""
        if (text := sentence(event)) is not None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


class BarPrinter:
    """The same lines, and below them a bar for the epoch that runs."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=Console(highlight=False),
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("starting", total=None, detail="")
        self._clock = _Clock()

    def __enter__(self) -> BarPrinter:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Move the bar, or print a line above it."""
        if isinstance(event, RunStarted):
            self._clock.begin(event)
        if isinstance(event, Step):
            self._clock.count()
            detail = f"loss {event.loss:.4f}  lr {event.lr:.1e}  {event.images_per_second:.0f} images/s  {self._clock.left()}"
            self._bar.update(
                self._task,
                description=f"epoch {event.epoch + 1}  {event.stage}",
                total=event.steps,
                completed=event.step + 1,
                detail=detail,
            )
        elif (text := sentence(event)) is not None:
            self._bar.console.print(text, markup=False)


class _Clock:
    """How long a run will take yet, from how long its steps took."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._started = time.monotonic()

    def begin(self, event: RunStarted) -> None:
        stages = event.plan.get("stages", ())
        before = sum(
            stage["steps_per_epoch"] * max(0, min(event.epoch, stage["last_epoch"] + 1) - stage["first_epoch"])
            for stage in stages
        )
        self._total = int(event.plan.get("total_steps", 0)) - before - event.step
        self._started = time.monotonic()

    def count(self) -> None:
        self._done += 1

    def left(self) -> str:
        if self._done < 3 or self._total <= self._done:  # the first steps are slower and foretell nothing
            return ""
        per_step = (time.monotonic() - self._started) / self._done
        return f"about {duration(per_step * (self._total - self._done))} left"


def sentence(event: Event) -> str | None:
    """One line for people about an event; None where it is not worth one, and for bad ends, which go to standard error."""
    match event:
        case RunStarted():
            begins = "Going on" if event.continued else "Training"
            return " ".join(filter(None, (f"{begins} in {printable(event.run)}", event.note)))
        case WeightsLoaded():
            loaded = f"Weights: {event.matched} of {event.total} convolutions from {printable(event.file)}"
            return "\n".join([loaded, *map(printable, event.skipped)])
        case StageStarted():
            return f"Stage {event.stage}, batch {event.batch_size}, learning rate up to {event.init_lr:g}: {_WHY[event.stage]}"
        case EpochFinished():
            val = "" if event.val_loss is None else f"  val loss {event.val_loss:.4f}"
            return f"epoch {event.epoch + 1:3d}  loss {event.train_loss:.4f}{val}  {duration(event.seconds)}"
        case Evaluated():
            return f"           mAP50 {event.map50:.3f}  mAP50-95 {event.map50_95:.3f}" + (
                "  best so far" if event.best else ""
            )
        case ImageSkipped():
            return printable(event.reason)
        case BatchChanged():
            return f"From here on {event.batch_size} images a step."
        case Stopped():
            return f"Stopped; nothing is lost. Go on with: freezetui resume {printable(Path(event.checkpoint).parent)}"
        case Finished():
            best = "" if event.map50 is None else f", best mAP50 {event.map50:.3f}"
            return f"Finished in {duration(event.seconds)}{best}. The weights: {printable(event.best)}"
    return None


_WHY = {
    "freeze": "the backbone keeps what it has learned; only the rest learns.",
    "unfreeze": "now everything learns; the loss may rise for a moment.",
}
