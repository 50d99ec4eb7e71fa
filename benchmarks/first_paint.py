"""Time from the command to the first painted screen in a pseudo terminal; and of `freezetui --help`.

    python benchmarks/first_paint.py [--starts 10]

Prints medians of wall-clock seconds until the screen's heading is written to the terminal, and of the CPU seconds of the
process until then. Starts alternate with those of an empty Textual app, since a busy machine slows both. Linux and macOS.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent
EMPTY_APP = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("an empty app")
Empty().run()
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds of one start."""

    wall: float
    cpu: float


def start(arguments: list[str], marker: bytes, environment: dict[str, str], folder: str) -> Start:
    """Start Python in a terminal of 80x24 and kill it as soon as it has printed `marker`."""
    started = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, *arguments], environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        output = b""
        while marker not in output:
            chunk = os.read(terminal, 65536)
            if not chunk:
                break
            output += chunk
    except OSError as error:
        raise SystemExit(f"{arguments}: ended before it printed {marker!r}: {error}; {output[-2000:]!r}") from error
    finally:
        wall = time.perf_counter() - started
        os.kill(child, signal.SIGKILL)
        _, _, usage = os.wait4(child, 0)
        os.close(terminal)
    return Start(wall, usage.ru_utime + usage.ru_stime)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=10)
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory() as folder:
        subjects = {
            "freezetui, first screen": (["-P", "-m", "tui"], b"Hardware of this machine"),
            "an empty Textual app": (["-P", "-c", EMPTY_APP], b"an empty app"),
            "freezetui --help": (["-P", "-m", "tui", "--help"], b"Commands"),
        }
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        measured: dict[str, list[Start]] = {name: [] for name in subjects}
        for number in range(starts + 1):
            for name, (arguments, marker) in subjects.items():
                result = start(arguments, marker, environment, folder)
                if number:  # the first start fills the disk cache
                    measured[name].append(result)
    print(f"{'median of ' + str(starts) + ' starts':<26}{'wall s':>8}{'CPU s':>8}")
    for name, results in measured.items():
        wall, cpu = (statistics.median(getattr(result, field) for result in results) for field in ("wall", "cpu"))
        print(f"{name:<26}{wall:>8.2f}{cpu:>8.2f}")


if __name__ == "__main__":
    main()
