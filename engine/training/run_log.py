"""The logs of a run: events, losses and mAP per epoch, curves, TensorBoard.

Text logs grow by whole lines. They are flushed to the disk before a checkpoint is saved; a resumed run sets them back to those of
its checkpoint (`restored_logs.py`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from engine.dataset.image_header import image_size
from engine.evaluation.curves import draw_curves
from engine.evaluation.samples import sample_folder
from engine.events import EpochFinished, Evaluated, Event, Finished, Step, Stopped
from engine.messages import Message, format_bytes, printable
from engine.plan import Plan
from engine.runs.folder import EVENTS, write_error
from engine.training.restored_logs import LOGS, epoch_lines, restore_logs
from engine.training.step_means import StepMeans

if TYPE_CHECKING:
    from engine.training.tensorboard import TensorBoardWriter


class RunLog:
    """The open logs of a run."""

    def __init__(
        self,
        run: Path,
        plan: Plan,
        lengths: Mapping[str, int],
        first_epoch: int,
        epochs: Sequence[EpochFinished | Evaluated] = (),
    ) -> None:
        """Open the logs as they were when a checkpoint was saved.

        Args:
            run: the run folder.
            plan: the plan of the run.
            lengths: the length of each log in bytes, 0 for a log that is not named. What follows is removed.
            first_epoch: the epoch with which the training starts or resumes.
            epochs: the events of all finished epochs, from which the logs are written again where they are damaged.

        Raises:
            BadInput: a log cannot be written.
        """
        self.run = run
        self.plan = plan
        self._first_epoch = first_epoch
        self._tensorboard: TensorBoardWriter | None = None
        self._step_means = StepMeans()
        self.note: Message | None = None
        """What was damaged in the logs."""
        self._logs: dict[str, TextIO] = {}
        self.restore(lengths, epochs)

    def restore(self, lengths: Mapping[str, int], epochs: Sequence[EpochFinished | Evaluated]) -> None:
        """Set the logs back to a checkpoint; see `__init__`.

        Raises:
            BadInput: a log cannot be written.
        """
        self._step_means.pop()
        try:
            for log in self._logs.values():
                log.close()
            lost = restore_logs(self.run, lengths, epochs)
            self._logs = {name: _open_log(self.run / name) for name in LOGS}
        except OSError as error:
            raise write_error(self.run, error) from error
        if lost:
            self.note = Message(
                "run.log_damaged",
                "{path} had lost {size}: the epochs were restored from the checkpoint, the steps between them were not.",
                {"path": self.run / EVENTS, "size": format_bytes(lost)},
            )

    def record(self, event: Event) -> None:
        """Write an event into every log that it belongs to.

        Raises:
            BadInput: the disk is full, or the run folder is gone.
        """
        try:
            if isinstance(event, Step):
                self._write_step(self._step_means.add(event))
                return
            self._write_step(self._step_means.pop())
            if isinstance(event, Finished | Stopped):
                self.draw()  # first: a run that has ended is never touched again, so nothing may be left half drawn
            self._write(EVENTS, event.to_line())
            for name, line in epoch_lines(event):
                self._write(name, line)
            match event:
                case EpochFinished():
                    self._plot(event.epoch, {"loss/train": event.train_loss, "loss/validation": event.val_loss})
                case Evaluated():
                    classes = {f"ap50/{printable(name)}": ap50 for name, ap50 in event.per_class.items()}
                    self._plot(event.epoch, {"map/50": event.map50, "map/50_95": event.map50_95, **classes})
                    self._plot_samples(event.epoch)
                    self.draw()
        except OSError as error:
            raise write_error(self.run, error) from error

    def draw(self) -> None:
        """Draw epoch_loss.png and epoch_map.png from the text logs."""
        unfreeze_epoch = next((stage.first_epoch for stage in self.plan.stages if stage.name == "unfreeze"), None)
        draw_curves(self.run, first_epoch=self.plan.stages[0].first_epoch, unfreeze_epoch=unfreeze_epoch)

    def sync(self) -> dict[str, int]:
        """Flush every log to the disk, so that a checkpoint can count on it; returns their lengths in bytes.

        Raises:
            BadInput: the disk is full, or the run folder is gone.
        """
        try:
            self._write_step(self._step_means.pop())
            for log in self._logs.values():
                os.fsync(log.fileno())
            if self._tensorboard is not None:
                self._tensorboard.sync()
        except OSError as error:
            raise write_error(self.run, error) from error
        return {name: log.tell() for name, log in self._logs.items()}

    def close(self) -> None:
        """Close every log."""
        with suppress(OSError):
            self._write_step(self._step_means.pop())
        for log in (*self._logs.values(), self._tensorboard):
            if log is not None:
                with suppress(OSError):
                    log.close()

    def _write_step(self, step: Step | None) -> None:
        if step is not None:
            self._write(EVENTS, step.to_line())

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

    def _plot_samples(self, epoch: int) -> None:
        for path in sorted(sample_folder(self.run, epoch).glob("*.jpg")):
            jpeg = path.read_bytes()
            if self._tensorboard is not None and (size := image_size(jpeg)) is not None:
                self._tensorboard.add_image(f"samples/{printable(path.stem)}", jpeg, (size.width, size.height), epoch)


def _open_tensorboard(run: Path, first_epoch: int) -> TensorBoardWriter:
    # Imported late, since it takes a second; quiet, since it reports that TensorFlow is missing.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    from engine.training.tensorboard import TensorBoardWriter

    return TensorBoardWriter(run, first_epoch)


def _open_log(path: Path) -> TextIO:
    """The log at `path`, open for appending."""
    return path.open("a", encoding="utf-8", newline="\n")
