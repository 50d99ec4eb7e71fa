"""While the app runs, only the app writes to the terminal: what C libraries print goes to a log file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.terminal.web import is_web, web_driver_class

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver

    from tui.terminal.announcer import Announcer


def prepare_streams() -> bool:
    """Make standard input, output and error usable, whatever the process was started with; False if there is no output.

    A closed descriptor is opened on the null device: otherwise the next file that is opened would get its number, and with it
    what libraries print. Characters that the encoding of a stream lacks are replaced.
    """
    has_output = sys.stdout is not None
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if sys.platform != "win32":
        os.environ.setdefault("TERM", "dumb")  # libraries would take an unknown terminal for one with escape sequences
    return has_output


def can_show_screens() -> bool:
    """Whether the terminal knows the escape sequences that the wizard needs."""
    return sys.platform == "win32" or os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def start_resource_tracker() -> None:
    """Start the process with which Python tracks child processes.

    It inherits standard error, and Textual's replacement has no file descriptor. Call it in the app's thread: no other
    thread may replace standard error at the same time.
    """
    if sys.platform != "win32":
        from multiprocessing.resource_tracker import ensure_running  # takes 50 ms: after the first paint

        with redirect_stderr(sys.__stderr__):
            ensure_running()


class _TerminalStream(io.TextIOWrapper):
    """Ignores write errors: after a terminal was closed, the app must still save its checkpoint."""

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


def driver_class(on_disconnect: Callable[[], object], announcer: Announcer) -> type[Driver] | None:
    """The driver for Linux, macOS and browsers; None: use Textual's own.

    Args:
        on_disconnect: called in the app's thread when the terminal, or the tab of the browser, was closed.
        announcer: may write to the terminal while the app uses it.
    """
    if is_web():
        return web_driver_class(on_disconnect, announcer)
    if sys.platform == "win32" or os.environ.get("TEXTUAL_DRIVER"):
        return None
    from textual.drivers.linux_driver import LinuxDriver

    class WizardDriver(LinuxDriver):
        """Works although standard output is not the terminal, and reports a closed terminal."""

        def __init__(
            self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
        ) -> None:
            super().__init__(app, debug=debug, mouse=mouse, size=size)
            announcer.attach(self.write)

        def stop_application_mode(self) -> None:
            announcer.detach()
            super().stop_application_mode()

        def _get_terminal_size(self) -> tuple[int, int]:
            if self._file is not None:
                with suppress(OSError):
                    size = os.get_terminal_size(self._file.fileno())
                    return size.columns, size.lines
            return super()._get_terminal_size()

        def run_input_thread(self) -> None:
            try:
                super().run_input_thread()
            except OSError:  # otherwise Textual would print a traceback
                self._app.call_later(on_disconnect)

    return WizardDriver


@contextmanager
def redirect_stdio(log: Path) -> Iterator[None]:
    """Give the app a stream of its own to the terminal, and redirect file descriptors 1 and 2 to `log`.

    Not in a terminal of Windows: there Textual writes through handles that belong to the descriptors.
    """
    if (sys.platform == "win32" and not is_web()) or sys.__stderr__ is None:
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    saved_descriptors = os.dup(1), os.dup(2)
    saved_streams = sys.__stdout__, sys.__stderr__
    terminal = _TerminalStream(os.fdopen(os.dup(saved_descriptors[0]), "wb"), encoding="utf-8", errors="replace")
    log_descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(log_descriptor, 1)
        os.dup2(log_descriptor, 2)
        # Textual's driver writes to one of them, textual-image to the other.
        sys.__stdout__ = sys.__stderr__ = terminal  # type: ignore[misc]
        yield
    finally:
        with suppress(OSError):  # the terminal may be closed
            terminal.flush()
        sys.__stdout__, sys.__stderr__ = saved_streams  # type: ignore[misc]
        os.dup2(saved_descriptors[0], 1)
        os.dup2(saved_descriptors[1], 2)
        for descriptor in (*saved_descriptors, log_descriptor):
            os.close(descriptor)
        with suppress(OSError):
            terminal.close()
