"""`freezetui` in a real terminal of its own (a pty), as a user's shell would start it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.small_training import child_environment

# What starts a whole test run in the background (a shell, nohup) ignores SIGINT or SIGHUP, and an ignored signal stays ignored.
CHECKING_IN = (
    "import os, sys, fcntl, signal, termios; hangup = sys.argv.pop(1); signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "signal.signal(signal.SIGHUP, signal.SIG_IGN if hangup == 'ignored' else signal.SIG_DFL); os.setsid(); "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)


class Session:
    """The process, and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int, tty: int) -> None:
        self.process = process
        self.printed = b""
        self._terminal = terminal
        self._tty = tty

    @property
    def modes(self) -> list[Any]:
        """How the terminal is set: echo, line editing and so on."""
        return termios.tcgetattr(self._tty)

    def see(self, text: str, seconds: float = 60) -> None:
        """Wait until `text` has been printed."""
        self.read_until(lambda: text.encode() in self.printed, text, seconds)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._terminal, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size; the system tells the process."""
        set_size(self._tty, columns, rows)

    def kill(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Close the terminal, as closing its window does."""
        os.close(self._tty)
        os.close(self._terminal)
        self._terminal = self._tty = -1

    def ended(self, seconds: float = 60) -> int:
        """Wait for the end; the exit code."""
        if self._terminal >= 0:
            self.read_until(lambda: self.process.poll() is not None, "its end", seconds)
        return self.process.wait(seconds)

    def close(self) -> None:
        """Let go of everything."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for descriptor in (self._terminal, self._tty):
            if descriptor >= 0:
                os.close(descriptor)

    def read_until(self, met: Callable[[], bool], wanted: str, seconds: float) -> None:
        """Read what it prints until something is so."""
        end = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < end, f"waited in vain for {wanted}: {self.printed[-3000:]!r}"
            if select.select([self._terminal], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self.printed += os.read(self._terminal, 65536)


def set_size(tty: int, columns: int, rows: int) -> None:
    """The size of a terminal's window."""
    fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def session(
    *words: str | Path, size: tuple[int, int] = (80, 24), nohup: bool = False, **environment: str
) -> Iterator[Session]:
    """Start `freezetui` with `words` in a terminal of (columns, rows); `nohup`: with SIGHUP ignored."""
    terminal, tty = pty.openpty()
    set_size(tty, *size)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CHECKING_IN,
            "ignored" if nohup else "heard",
            sys.executable,
            "-P",
            "-m",
            "tui",
            *map(str, words),
        ],
        stdin=tty,
        stdout=tty,
        stderr=tty,
        env={**child_environment(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
    )
    running = Session(process, terminal, tty)
    try:
        yield running
    finally:
        running.close()
