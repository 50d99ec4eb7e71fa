"""From the command to the first painted screen, in a terminal of its own; and `freezetui --help`.

    python benchmarks/first_paint.py [--starts 10]

Medians of as many starts, in turn with an empty Textual app, since a busy machine slows both: wall-clock seconds until the
screen's heading has arrived at the terminal, and the processor's seconds of the process until then. Linux and macOS.
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
    """Seconds on the clock and of the processor."""

    wall: float
    processor: float


def start(words: list[str], awaited: bytes, environment: dict[str, str], folder: str) -> Start:
    """Start Python with `words` in a terminal of 80x24 and kill it as soon as `awaited` has been printed."""
    began = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, *words], environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        seen = b""
        while awaited not in seen:
            part = os.read(terminal, 65536)
            if not part:
                break
            seen += part
    except OSError as error:
        raise SystemExit(f"{words}: ended before it printed {awaited!r}: {error}; {seen[-2000:]!r}") from error
    finally:
        wall = time.perf_counter() - began
        os.kill(child, signal.SIGKILL)
        _, _, used = os.wait4(child, 0)
        os.close(terminal)
    return Start(wall, used.ru_utime + used.ru_stime)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=10)
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory() as folder:
        subjects = {
            "freezetui, first screen": (["-P", "-m", "tui"], b"What this machine has"),
            "an empty Textual app": (["-P", "-c", EMPTY_APP], b"an empty app"),
            "freezetui --help": (["-P", "-m", "tui", "--help"], b"Commands"),
        }
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        measured: dict[str, list[Start]] = {name: [] for name in subjects}
        for number in range(starts + 1):
            for name, (words, awaited) in subjects.items():
                one = start(words, awaited, environment, folder)
                if number:  # the first start warms the disk
                    measured[name].append(one)
    print(f"{'median of ' + str(starts) + ' starts':<26}{'wall s':>8}{'processor s':>13}")
    for name, ones in measured.items():
        wall, processor = (statistics.median(getattr(one, field) for one in ones) for field in ("wall", "processor"))
        print(f"{name:<26}{wall:>8.2f}{processor:>13.2f}")


if __name__ == "__main__":
    main()
