"""The trainings of other processes on this machine: they share its memory and its cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.runs.folder import LOCK, run_folders
from engine.runs.lock import is_running, lock_holder

_PROGRAMS = ("python", "freezetui")
"""How the names of processes begin that may be freezetui."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that another process trains. What is unknown about the process is None."""

    run: Path
    pid: int | None
    memory_bytes: int | None
    """Resident memory of the process and its children."""


def other_trainings(workspace: Path) -> tuple[LiveRun, ...]:
    """The runs that other processes train now: in this workspace, and wherever else on this machine the user's processes train."""
    found = {folder.resolve(): _pid_of(folder) for folder in run_folders(workspace) if is_running(folder)}
    for pid, folder in _locked_folders():
        if folder not in found and is_running(folder):
            found[folder] = pid
    own = os.getpid()
    return tuple(LiveRun(run, pid, _memory_bytes(pid)) for run, pid in found.items() if pid != own)


def _pid_of(run: Path) -> int | None:
    pid = lock_holder(run)
    return pid if pid is not None and psutil.pid_exists(pid) else None


def _locked_folders() -> Iterator[tuple[int, Path]]:
    """Processes that have the lock file of a run open, each with the folder. Processes of other users cannot be seen."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or not process.name().lower().startswith(_PROGRAMS):
                continue
            for file in process.open_files():
                path = Path(file.path)
                if path.name == LOCK:
                    yield process.pid, path.parent


def _memory_bytes(pid: int | None) -> int | None:
    if pid is None:
        return None
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return sum(_resident_bytes(each) for each in (process, *process.children(recursive=True)))
    return None


def _resident_bytes(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
