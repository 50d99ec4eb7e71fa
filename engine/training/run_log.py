"""The logs of a run: events, losses and mAP per epoch, curves, TensorBoard.

Text logs grow by whole lines. Checkpoints store their lengths, and a resumed run truncates them to those of its checkpoint.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from engine.evaluation.curves import LOSS, MAP, VAL_LOSS, draw_curves
from engine.events import EpochFinished, Evaluated, Event, Finished, Stopped
from engine.files import disk_error
from engine.plan import Plan
from engine.runs.folder import EVENTS

if TYPE_CHECKING:
    from engine.training.tensorboard import TensorBoardWriter

_LOGS = (EVENTS, LOSS, VAL_LOSS, MAP)


class RunLog:
    """The open logs of a run."""

    def __init__(self, run: Path, plan: Plan, lengths: Mapping[str, int], first_epoch: int) -> None:
        """Open the logs, truncated to `lengths` in bytes (0 for a log that is not named).

        Raises:
            BadInput: a log cannot be written.
        """
        self.run = run
        self.plan = plan
        try:
            self._logs = {name: _open_truncated(run / name, lengths.get(name, 0)) for name in _LOGS}
        except OSError as error:
            raise _as_bad_input(run, error) from error
        self._first_epoch = first_epoch
        self._tensorboard: TensorBoardWriter | None = None

    def record(self, event: Event) -> None:
        """Write an event into every log that it belongs to.

        Raises:
            BadInput: the disk is full.
        """
        try:
            self._write(EVENTS, event.to_line())
            match event:
                case EpochFinished():
                    self._write(LOSS, f"{event.train_loss!r}")
                    if event.val_loss is not None:
                        self._write(VAL_LOSS, f"{event.val_loss!r}")
                    self._plot(event.epoch, {"loss/train": event.train_loss, "loss/validation": event.val_loss})
                case Evaluated():
                    # With the epoch, since mAP is not measured in every epoch.
                    self._write(MAP, f"{event.epoch} {event.map50!r} {event.map50_95!r}")
                    self._plot(event.epoch, {"map/50": event.map50, "map/50_95": event.map50_95})
                    self.draw()
                case Finished() | Stopped():
                    self.draw()
        except OSError as error:
            raise _as_bad_input(self.run, error) from error

    def truncate(self, lengths: Mapping[str, int]) -> None:
        """Truncate the logs to the `lengths` stored in a checkpoint."""
        for log in self._logs.values():
            log.close()
        self._logs = {name: _open_truncated(self.run / name, lengths.get(name, 0)) for name in _LOGS}

    def draw(self) -> None:
        """Draw epoch_loss.png and epoch_map.png from the text logs."""
        unfreeze_epoch = next((stage.first_epoch for stage in self.plan.stages if stage.name == "unfreeze"), None)
        draw_curves(self.run, first_epoch=self.plan.stages[0].first_epoch, unfreeze_epoch=unfreeze_epoch)

    def lengths(self) -> dict[str, int]:
        """The current length of each log in bytes."""
        return {name: log.tell() for name, log in self._logs.items()}

    def close(self) -> None:
        """Close every log."""
        for log in (*self._logs.values(), self._tensorboard):
            if log is not None:
                with suppress(OSError):
                    log.close()

    def _write(self, name: str, line: str) -> None:
        log = self._logs[name]
        log.write(f"{line}\n")
        log.flush()

    def _plot(self, epoch: int, values: Mapping[str, float | None]) -> None:
        if self._tensorboard is None:
            self._tensorboard = _open_tensorboard(self.run, self._first_epoch)
        for name, value in values.items():
            if value is not None:
                self._tensorboard.add(name, value, epoch)


def _open_tensorboard(run: Path, first_epoch: int) -> TensorBoardWriter:
    # Imported late, since it takes a second; quiet, since it reports that TensorFlow is missing.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    from engine.training.tensorboard import TensorBoardWriter

    return TensorBoardWriter(run, first_epoch)


def _open_truncated(path: Path, length: int) -> TextIO:
    """The log at `path`, truncated to `length` bytes and open for appending."""
    path.touch()
    os.truncate(path, min(length, path.stat().st_size))
    return path.open("a", encoding="utf-8", newline="\n")


def _as_bad_input(run: Path, error: OSError) -> BaseException:
    return disk_error(run, error) or error
