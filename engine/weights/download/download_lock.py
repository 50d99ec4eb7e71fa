"""One process at a time downloads a file; the others wait for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor, unlock_descriptor

from engine.files import temporary_name
from engine.weights.download.http import POLL_SECONDS, Cancelled


@contextmanager
def download_lock(path: Path, is_cancelled: Callable[[], bool]) -> Iterator[Path]:
    """Wait until no other process downloads `path`; gives the file to download into.

    That is `NAME.part`, which a later download resumes. On a file system without locks it is a file of this process alone.

    Raises:
        Cancelled: `is_cancelled` returned True while another process was downloading.
        OSError: the folder cannot be written.
    """
    lock_path = path.with_name(f".{path.name}.lock")
    try:
        lock = _wait_for_lock(lock_path, is_cancelled)
    except _NoLocksError:
        own_part = path.with_name(temporary_name(path.name))
        try:
            yield own_part
        finally:
            own_part.unlink(missing_ok=True)
        return
    with lock:
        try:
            yield path.with_name(f"{path.name}.part")
        finally:
            with suppress(OSError):  # Windows does not remove an open file
                lock_path.unlink()
            with suppress(OSError):
                unlock_descriptor(lock.fileno())


class _NoLocksError(Exception):
    """The file system has no locks."""


def _wait_for_lock(lock_path: Path, is_cancelled: Callable[[], bool]) -> BinaryIO:
    """The lock file, open and locked."""
    while True:
        file = lock_path.open("ab")
        try:
            if _is_locked_by_us(file) and _is_still_at(file, lock_path):
                return file
            file.close()
        except BaseException:
            file.close()
            raise
        if is_cancelled():
            raise Cancelled
        time.sleep(POLL_SECONDS)


def _is_locked_by_us(file: BinaryIO) -> bool:
    try:
        return lock_descriptor(file.fileno(), blocking=False)
    except OSError as error:
        raise _NoLocksError from error


def _is_still_at(file: BinaryIO, path: Path) -> bool:
    """Whether `path` is the open file: the process that had the lock before has removed its file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
