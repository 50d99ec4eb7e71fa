"""What a wizard costs that nobody uses: its share of a core and its memory, on every screen.

    python -m benchmarks.idle [--workspace FOLDER] [--seconds 30] [--warm-up 15]

The wizard runs in a pseudo terminal of 120x40. Its memory is compared with that of a process that has imported torch and what else a training
needs, since the wizard does so in the background. FOLDER is a workspace in which the wizard was used, with data and a run: it is not changed.
Without it a sample set is drawn, and Train and Results are empty. Linux and macOS.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import psutil

from engine.dataset.sample_dataset import draw_sample_dataset
from tui.wizard.state import WizardState, load_state, save_state
from tui.wizard.steps import SCREEN_ORDER

PROJECT = Path(__file__).parent.parent
BASE = "import engine.runner.start, engine.training.gc_freeze as g; g.preload_modules(); print('ready', flush=True); import sys; sys.stdin.read()"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument(
        "--warm-up", type=float, default=45, metavar="SECONDS", help="imports in the background end first"
    )
    parser.add_argument("--screens", nargs="*", default=[*SCREEN_ORDER, "runs"])
    arguments = parser.parse_args()
    base = memory_of_imports()
    print(f"torch and what a training imports: {base / 2**20:.0f} MiB")
    print(f"{'screen':12}{'of a core':>10}{'MiB':>7}{'beside torch':>14}")
    with tempfile.TemporaryDirectory() as folder:
        workspace = prepare(Path(folder), arguments.workspace)
        for screen in arguments.screens:
            share, memory = measure(workspace, screen, arguments.seconds, arguments.warm_up)
            print(f"{screen:12}{share:10.1%}{memory / 2**20:7.0f}{(memory - base) / 2**20:14.0f}")


def memory_of_imports() -> int:
    """Bytes of a process with the imports that the wizard makes in the background."""
    command = [sys.executable, "-P", "-c", BASE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return memory_bytes(psutil.Process(process.pid))


def prepare(folder: Path, used: Path | None) -> Path:
    """A workspace to measure in: a copy of a used one, or a new one with the sample set."""
    if used is None:
        save_state(WizardState(data=str(draw_sample_dataset(folder / "sample", 160))), folder)
        return folder
    workspace = folder / "workspace"
    shutil.copytree(used, workspace, symlinks=True)
    return workspace


def measure(workspace: Path, screen: str, seconds: float, warm_up: float) -> tuple[float, int]:
    """The share of a core and the bytes of a wizard that is left alone on a screen."""
    state = load_state(workspace)
    state.screen_name = state.furthest_screen = screen
    save_state(state, workspace)
    child, terminal = pty.fork()
    if child == 0:
        command = [sys.executable, "-P", "-m", "tui", "--workspace", str(workspace)]
        os.execve(sys.executable, command, environment())
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        watch(terminal, 4)
        os.write(terminal, b"\r")  # keeps what was entered
        watch(terminal, warm_up)
        process = psutil.Process(child)
        start, cpu_start = time.perf_counter(), cpu_seconds(process)
        watch(terminal, seconds)
        share = (cpu_seconds(process) - cpu_start) / (time.perf_counter() - start)
        return share, memory_bytes(process)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def watch(terminal: int, seconds: float) -> None:
    """Read what is drawn, as a terminal does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            os.read(terminal, 65536)


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process and those that it has started."""
    times = [entry.cpu_times() for entry in (process, *process.children(recursive=True))]
    return sum(entry.user + entry.system for entry in times)


def memory_bytes(process: psutil.Process) -> int:
    """Of a process, without those that it has started."""
    return int(process.memory_info().rss)


def environment() -> dict[str, str]:
    """Of the processes that are measured."""
    return {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


if __name__ == "__main__":
    main()
