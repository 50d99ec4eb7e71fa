"""The terminal belongs to the screen while the wizard runs: what libraries written in C print goes into a file instead."""

from __future__ import annotations

import multiprocessing.resource_tracker
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def prepare_children() -> None:
    """Start what Python needs for child processes; inside a running app its file descriptors are no longer there."""
    if sys.platform != "win32":
        multiprocessing.resource_tracker.ensure_running()


@contextmanager
def own_terminal(log: Path) -> Iterator[None]:
    """Give the screen a terminal of its own and let file descriptors 1 and 2 write to `log`.

    Windows keeps its console: there Textual writes through handles that follow the descriptors.
    """
    if sys.platform == "win32" or sys.__stderr__ is None:
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(1), os.dup(2)
    before = sys.__stderr__
    screen = os.fdopen(os.dup(kept[0]), "w", encoding="utf-8", errors="replace")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.__stderr__ = screen  # type: ignore[misc]  # Textual's driver writes there
        yield
    finally:
        with suppress(OSError):  # the terminal may be closed by now
            screen.flush()
        sys.__stderr__ = before  # type: ignore[misc]
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for number in (*kept, descriptor):
            os.close(number)
        with suppress(OSError):
            screen.close()
