"""The lock of a run folder: one process at a time may train into it or delete it.

`filelock.lock_descriptor` is used rather than `FileLock`, which would create the file when runs are listed and leaves no
place for the pid of the process that holds the lock. On file systems without `flock` (some network file systems), the lock is
filelock's marker file with host, process and start time.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import psutil
from filelock import SoftFileLock, Timeout, lock_descriptor, unlock_descriptor
from pydantic import BaseModel

from engine.files import disk_error, write_text
from engine.hardware.process_info import KillReason, ProcessInfo, current_process_info, kill_reason
from engine.messages import BadInput, bad_input
from engine.regular_files import read_regular_file
from engine.runs.folder import LOCK, LOCK_OWNER, RUN_GONE, is_being_deleted

if sys.platform != "win32":
    import fcntl

_PROCESS_INFO = "process.json"
_ATTEMPTS = 10
"""`is_running` of another process may hold a shared lock for a moment."""
_MAX_RECORD_BYTES = 2**16
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))


class _ProcessRecord(BaseModel):
    """The process that trained last, as in process.json; older versions wrote neither host nor start time."""

    pid: int
    boot: str
    memory_kills: int | None
    host: str | None = None
    started: float | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it ran on another machine."""
        return self.host not in (None, socket.gethostname())

    def is_process(self, process: psutil.Process) -> bool:
        """Whether it is this `process`, not one that got its number later."""
        return self.pid == process.pid and (self.started is None or abs(process.create_time() - self.started) < 1)


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Hold the lock of a run. The operating system releases it when the process ends, however it ends.

    Code that acts on what is in the folder must read it inside the lock: until then another process may change or delete it.

    Raises:
        BadInput: another process holds the lock, or the folder cannot be written or was deleted meanwhile.
        OSError: there is no such folder.
    """
    path = run / LOCK
    try:
        path.touch()
        file = path.open("r+b")
    except OSError as error:
        if (refusal := disk_error(path, error)) is None:
            raise
        raise refusal from error
    with file, _locked(run, file):
        # In this order: a folder whose deletion has begun may be renamed between the two checks, one that is locked may not.
        if is_being_deleted(run) or not _is_same_file(file, path):
            raise bad_input("run.gone", RUN_GONE, run=run)
        # Windows lets nobody else read the locked first byte, so the pid follows it.
        file.write(b" %d\n" % os.getpid())
        file.truncate()
        file.flush()
        yield


def is_running(run: Path) -> bool:
    """Whether a process is training into the run. Creates no file, does not wait, and keeps no training from starting."""
    if _is_marked(run):
        return True
    try:
        with (run / LOCK).open("rb") as file:
            is_locked = _is_locked(file)
            with suppress(OSError):
                unlock_descriptor(file.fileno())
            return is_locked
    except OSError:
        return False


def write_process_info(run: Path) -> None:
    """Record this process in the run folder, so that `read_kill_reason` can tell later why it was killed."""
    record = {"pid": os.getpid(), "host": socket.gethostname(), "started": psutil.Process().create_time()}
    write_text(run / _PROCESS_INFO, json.dumps({**record, **asdict(current_process_info())}) + "\n")


def read_kill_reason(run: Path) -> KillReason:
    """What probably killed the process that trained into `run`."""
    if (stored := _read_process_record(run)) is None:
        return "unknown"
    return kill_reason(ProcessInfo(stored.boot, stored.memory_kills), current_process_info())


def trained_by(run: Path, pid: int) -> bool:
    """Whether the process `pid` of this machine was the last that trained into `run`."""
    stored = _read_process_record(run)
    return stored is not None and stored.pid == pid and not stored.is_elsewhere


def lock_holder(run: Path) -> int | None:
    """The process that was the last to lock the run; None where it is unknown, or on another machine."""
    stored = _read_process_record(run)
    if stored is not None and stored.is_elsewhere:
        return None
    with suppress(OSError, ValueError), (run / LOCK).open("rb") as file:
        return int(_read_pid(file))
    return None


@contextmanager
def _locked(run: Path, file: BinaryIO) -> Iterator[None]:
    """Hold the lock of the open lock file, or the marker file where there are no locks."""
    try:
        is_locked = any(_try_lock(file, attempt * 0.02) for attempt in range(_ATTEMPTS))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        with _marked(run):
            yield
        return
    if not is_locked:
        raise _busy(run, _read_pid(file) or "?")
    try:
        yield
    finally:
        with suppress(OSError):
            unlock_descriptor(file.fileno())


@contextmanager
def _marked(run: Path) -> Iterator[None]:
    """Hold the marker file of a run. That of a process that has died on this machine is replaced; of a process on another
    machine nobody knows whether it has died.
    """
    marker = SoftFileLock(run / LOCK_OWNER, timeout=0)
    try:
        marker.acquire()
    except Timeout as error:
        if (stored := _read_process_record(run)) is not None and stored.is_elsewhere:
            raise bad_input(
                "run.busy_elsewhere",
                "{run}: a process on the machine {host} is training into this run; if that is no longer true, delete {marker}.",
                run=run,
                host=stored.host,
                marker=run / LOCK_OWNER,
            ) from error
        raise _busy(run, str(marker.pid or "?")) from error
    try:
        yield
    finally:
        marker.release()


def _busy(run: Path, pid: str) -> BadInput:
    return bad_input(
        "run.busy",
        "{run}: process {pid} is training into this run; wait for it, or stop it first.",
        run=run,
        pid=pid,
    )


def _is_marked(run: Path) -> bool:
    """Whether the marker file belongs to a process that runs, or to one on another machine."""
    path = run / LOCK_OWNER
    if not path.exists():
        return False
    pid, stored = SoftFileLock(path).pid, _read_process_record(run)
    if pid is None or stored is None or stored.is_elsewhere:
        return True
    with suppress(psutil.Error):
        return stored.is_process(psutil.Process(pid))
    return False


def _read_process_record(run: Path) -> _ProcessRecord | None:
    """The content of process.json; None where it is missing or damaged."""
    with suppress(OSError, ValueError):
        return _ProcessRecord.model_validate_json(read_regular_file(run / _PROCESS_INFO, _MAX_RECORD_BYTES))
    return None


def _try_lock(file: BinaryIO, delay: float = 0.0) -> bool:
    """Lock `file` after `delay` seconds; False where another descriptor holds the lock.

    Raises:
        OSError: the file system has no locks.
    """
    time.sleep(delay)
    return lock_descriptor(file.fileno(), blocking=False)


def _is_locked(file: BinaryIO) -> bool:
    """Whether another descriptor holds the lock. On POSIX a shared lock tells, so that two processes that list runs do not
    take each other for a training.

    Raises:
        OSError: the file system has no locks.
    """
    if sys.platform == "win32":
        return not lock_descriptor(file.fileno(), blocking=False)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _is_same_file(file: BinaryIO, path: Path) -> bool:
    """Whether `path` is still the open file: the folder may have been deleted while this process waited for the lock."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _read_pid(file: BinaryIO) -> str:
    for offset in (0, 1):
        with suppress(OSError):
            file.seek(offset)
            return file.read().decode("ascii", "replace").strip()
    return ""
