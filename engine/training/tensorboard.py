"""Writes the scalars of a run into a TensorBoard event file.

TensorBoard's own writer uses a thread, where the error of a full disk cannot be caught. This one uses its record format without
that thread.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class TensorBoardWriter:
    """An open TensorBoard file in a run folder."""

    def __init__(self, run: Path, first_epoch: int) -> None:
        """Create a file. TensorBoard no longer shows what earlier files of the run have for `first_epoch` and later.

        Raises:
            OSError: the folder cannot be written.
        """
        started_at = time.time()
        self._file = (run / f"events.out.tfevents.{started_at:.6f}.{socket.gethostname()}").open("ab")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=started_at, step=first_epoch, file_version="brain.Event:2"))
        self._write(Event(wall_time=started_at, step=first_epoch, session_log=SessionLog(status=SessionLog.START)))

    def add(self, name: str, value: float, epoch: int) -> None:
        """Write one value.

        Raises:
            OSError: the disk is full.
        """
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        self._write(Event(wall_time=time.time(), step=epoch, summary=summary))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()
