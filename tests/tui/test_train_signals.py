"""The wizard is killed, or its terminal is closed, while it trains: the real command in a real terminal."""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and terminals as POSIX knows them")

from engine.events import Step  # noqa: E402
from engine.runs import list_runs, read_events  # noqa: E402
from tests.small_training import child_environment  # noqa: E402
from tests.tui.training import trained_run, workspace_with_data  # noqa: E402
from tui.state import WizardState, save_state  # noqa: E402

LEAVES_THE_SCREEN = b"\x1b[?1049l"


class Terminal:
    """The wizard in a pseudo terminal of 80 x 24."""

    def __init__(self, workspace: Path) -> None:
        import fcntl
        import pty
        import termios

        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

        def own_session() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(
            [sys.executable, "-P", "-m", "tui", "--workspace", str(workspace)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=own_session,
            env=child_environment(TERM="xterm-256color", LC_ALL="C.UTF-8"),
        )
        os.close(slave)

    def read(self, until: bytes, seconds: float = 90) -> bool:
        """Read on until `until` was on the screen."""
        end = time.monotonic() + seconds
        while until not in self.seen and time.monotonic() < end:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            try:
                self.seen += os.read(self.master, 65536) if ready else b""
            except OSError:
                break
        return until in self.seen

    def press(self, key: bytes) -> None:
        """Type; what was on the screen before is forgotten."""
        self.seen = b""
        os.write(self.master, key)


@pytest.fixture
def training(tmp_path: Path) -> tuple[Terminal, Path]:
    """A wizard that goes on with a run, its first new step done."""
    run = trained_run(
        workspace_with_data(tmp_path),
        stop_at=5,
        freeze_epoch=40,
        unfreeze_epoch=40,
        freeze_batch_size=2,
        eval_period=50,
    )
    save_state(WizardState(place="train", furthest="train", run=str(run), language="en"), tmp_path)
    steps = number_of_steps(run)
    terminal = Terminal(tmp_path)
    assert terminal.read(b"Go on where you left?"), terminal.seen
    terminal.press(b"\r")
    assert terminal.read(b"Enter goes on with it."), terminal.seen
    terminal.press(b"\r")
    end = time.monotonic() + 120
    while number_of_steps(run) <= steps:
        terminal.read(b"never", 0.1)
        assert time.monotonic() < end, terminal.seen
    return terminal, run


def number_of_steps(run: Path) -> int:
    return sum(isinstance(event, Step) for event in read_events(run))


def test_sigterm_saves_restores_the_terminal_and_exits_130(training: tuple[Terminal, Path]) -> None:
    terminal, run = training
    terminal.seen = b""
    terminal.child.send_signal(signal.SIGTERM)
    assert terminal.read(LEAVES_THE_SCREEN)
    terminal.read(b"never", 1)
    assert terminal.child.wait(60) == 130
    assert b"Traceback" not in terminal.seen
    (summary,) = list_runs(run.parent.parent)
    assert (summary.state, summary.resumable) == ("stopped", True)
    os.close(terminal.master)


def test_a_closed_terminal_saves_and_exits(training: tuple[Terminal, Path]) -> None:
    terminal, run = training
    os.close(terminal.master)
    terminal.child.wait(90)
    (summary,) = list_runs(run.parent.parent)
    assert (summary.state, summary.resumable) == ("stopped", True)
    assert terminal.child.returncode == 130
