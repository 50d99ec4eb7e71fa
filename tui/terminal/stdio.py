"""The terminal belongs to the screen while the wizard runs: what libraries written in C print goes into a file instead."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.driver import Driver


def prepare_children() -> None:
    """Start what Python's child processes are tracked with. It is handed standard error, and a running app's has no
    descriptor. In the app's own thread only: nobody else may swap standard error under it.
    """
    if sys.platform != "win32":
        from multiprocessing.resource_tracker import ensure_running  # 50 ms; not before the first screen

        with redirect_stderr(sys.__stderr__):
            ensure_running()


class _Screen(io.TextIOWrapper):
    """What the screen is written to. A terminal that went away must not end what still has a checkpoint to save."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()

    def close(self) -> None:
        with suppress(OSError):
            super().close()


def driver_class() -> type[Driver] | None:
    """Textual's driver, for Linux and macOS with an ear for a terminal that went away; None for Textual's own choice."""
    if sys.platform == "win32" or os.environ.get("TEXTUAL_DRIVER"):
        return None
    from textual.drivers.linux_driver import LinuxDriver

    class WizardDriver(LinuxDriver):
        """Knows that standard output is no longer the terminal, and tells the wizard when the terminal is gone."""

        def _get_terminal_size(self) -> tuple[int, int]:
            if self._file is not None:
                with suppress(OSError):
                    size = os.get_terminal_size(self._file.fileno())
                    return size.columns, size.lines
            return super()._get_terminal_size()

        def run_input_thread(self) -> None:
            try:
                super().run_input_thread()
            except OSError:  # Textual would show a traceback to nobody
                self._app.call_later(self._app.hung_up)  # type: ignore[attr-defined]

    return WizardDriver


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
    before = sys.__stdout__, sys.__stderr__
    screen = _Screen(os.fdopen(os.dup(kept[0]), "wb"), encoding="utf-8", errors="replace")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        # Textual's driver writes to the one, pictures go to the other.
        sys.__stdout__ = sys.__stderr__ = screen  # type: ignore[misc]
        yield
    finally:
        with suppress(OSError):  # the terminal may be closed by now
            screen.flush()
        sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for number in (*kept, descriptor):
            os.close(number)
        with suppress(OSError):
            screen.close()
