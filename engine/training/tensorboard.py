"""Writes the scalars of a run into a TensorBoard event file.

TensorBoard's own writer uses a thread, where the error of a full disk cannot be caught. This one uses its record format without
that thread.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

_PREFIX = "events.out.tfevents."


class TensorBoardWriter:
    """An open TensorBoard file in a run folder."""

    def __init__(self, run: Path, first_epoch: int) -> None:
        """Create a file. TensorBoard no longer shows what earlier files of the run have for `first_epoch` and later.

        Raises:
            OSError: the folder cannot be written.
        """
        self._clock_offset = _start_time(run) - time.monotonic()
        started_at = self._time()
        self._file = (run / f"{_PREFIX}{started_at:.6f}.{socket.gethostname()}").open("ab")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=started_at, step=first_epoch, file_version="brain.Event:2"))
        self._write(Event(wall_time=started_at, step=first_epoch, session_log=SessionLog(status=SessionLog.START)))

    def add(self, name: str, value: float, epoch: int) -> None:
        """Write one value.

        Raises:
            OSError: the disk is full.
        """
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        self._write(Event(wall_time=self._time(), step=epoch, summary=summary))

    def add_image(self, name: str, jpeg: bytes, size: tuple[int, int], epoch: int) -> None:
        """Write one image of `size` (width, height).

        Raises:
            OSError: the disk is full.
        """
        image = Summary.Image(width=size[0], height=size[1], colorspace=3, encoded_image_string=jpeg)
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self._write(Event(wall_time=self._time(), step=epoch, summary=summary))

    def sync(self) -> None:
        """Flush the file to the disk.

        Raises:
            OSError: the disk is full.
        """
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _time(self) -> float:
        """The Unix time; it does not jump when the clock is set."""
        return self._clock_offset + time.monotonic()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()


def _start_time(run: Path) -> float:
    """The Unix time; where the clock was set back, a time after those of the files that are there.

    TensorBoard reads the files in the order of their names, which begin with their time, and each replaces what those
    before it have for its epochs.
    """
    times = [0.0]
    for file in run.glob(f"{_PREFIX}*"):
        with suppress(ValueError):
            times.append(float(".".join(file.name.removeprefix(_PREFIX).split(".")[:2])))
    return max(time.time(), max(times) + 1)
