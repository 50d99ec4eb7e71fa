"""The lock of a run folder: one process at a time may train into it.

`filelock.lock_descriptor` is used rather than `FileLock`, which would create the file when runs are listed and leaves no
place for the pid of the process that holds the lock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor, unlock_descriptor

from engine.files import disk_error, write_text
from engine.hardware.process_info import KillReason, ProcessInfo, current_process_info, kill_reason
from engine.messages import bad_input

_LOCK = "run.lock"
_PROCESS_INFO = "process.json"
_ATTEMPTS = 3
"""`is_running` of another process may hold the lock for a moment."""


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Hold the lock of a run. The operating system releases it when the process ends, however it ends.

    Raises:
        BadInput: another process holds the lock, or the folder cannot be written.
    """
    path = run / _LOCK
    try:
        path.touch()
        file = path.open("r+b")
    except OSError as error:
        if (refusal := disk_error(path, error)) is None:
            raise
        raise refusal from error
    with file:
        if not any(_try_lock(file, attempt * 0.05) for attempt in range(_ATTEMPTS)):
            raise bad_input(
                "run.busy",
                "{run}: process {pid} is training into this run; wait for it, or stop it first.",
                run=run,
                pid=_read_pid(file) or "?",
            )
        # Windows lets nobody else read the locked first byte, so the pid follows it.
        file.write(b" %d\n" % os.getpid())
        file.truncate()
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                unlock_descriptor(file.fileno())


def is_running(run: Path) -> bool:
    """Whether a process is training into the run. Creates no file and does not wait."""
    try:
        with (run / _LOCK).open("rb") as file:
            if not _try_lock(file):
                return True
            with suppress(OSError):
                unlock_descriptor(file.fileno())
    except OSError:
        pass
    return False


def write_process_info(run: Path) -> None:
    """Record this process in the run folder, so that `read_kill_reason` can tell later why it was killed."""
    write_text(run / _PROCESS_INFO, json.dumps({"pid": os.getpid(), **asdict(current_process_info())}) + "\n")


def read_kill_reason(run: Path) -> KillReason:
    """What probably killed the process that trained into `run`."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads((run / _PROCESS_INFO).read_text(encoding="utf-8"))
        return kill_reason(ProcessInfo(stored["boot"], stored["memory_kills"]), current_process_info())
    return "unknown"


def _try_lock(file: BinaryIO, delay: float = 0.0) -> bool:
    """Lock `file` after `delay` seconds; False where another descriptor holds the lock."""
    time.sleep(delay)
    try:
        return lock_descriptor(file.fileno(), blocking=False)
    except OSError:  # a file system without locks, such as some network file systems: nobody is kept out
        return True


def _read_pid(file: BinaryIO) -> str:
    for offset in (0, 1):
        with suppress(OSError):
            file.seek(offset)
            return file.read().decode("ascii", "replace").strip()
    return ""
