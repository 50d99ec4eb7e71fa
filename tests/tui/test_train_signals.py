"""The wizard is killed, or its terminal is closed, while it trains: the real command in a real terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("termios", reason="signals and terminals as POSIX knows them")

from engine.events import Step
from engine.runs.folder import read_events
from engine.runs.summary import list_runs
from tests.tui.terminal_session import Session, session
from tests.tui.training import trained_run, workspace_with_data
from tui.wizard.state import WizardState, save_state

LEAVES_THE_SCREEN = b"\x1b[?1049l"


@pytest.fixture
def training(tmp_path: Path) -> Iterator[tuple[Session, Path, Any]]:
    """A wizard that goes on with a run, its first new step done; the run, and how the terminal was set before."""
    run = trained_run(
        workspace_with_data(tmp_path),
        stop_at=5,
        freeze_epoch=400,
        unfreeze_epoch=400,
        freeze_batch_size=2,
        eval_period=400,
        save_period=400,
    )
    save_state(WizardState(screen_name="train", furthest_screen="train", run=str(run), language="en"), tmp_path)
    steps = number_of_steps(run)
    with session("--workspace", tmp_path) as running:
        before = running.modes
        running.see("Continue your last session?", 90)
        running.press("\r")
        running.see("Enter resumes it.", 90)
        running.press("\r")
        running.read_until(lambda: number_of_steps(run) > steps, "a further step", 120)
        yield running, run, before


def number_of_steps(run: Path) -> int:
    return sum(isinstance(event, Step) for event in read_events(run))


def test_sigterm_saves_restores_the_terminal_and_exits_130(training: tuple[Session, Path, Any]) -> None:
    running, run, before = training
    running.kill(signal.SIGTERM)
    assert running.ended() == 130
    assert LEAVES_THE_SCREEN in running.printed
    assert b"Traceback" not in running.printed
    assert running.modes == before
    (summary,) = list_runs(run.parent.parent)
    assert (summary.state, summary.resumable) == ("stopped", True)


def test_a_closed_terminal_saves_and_exits(training: tuple[Session, Path, Any]) -> None:
    running, run, _before = training
    running.hang_up()
    assert running.ended(90) == 130
    (summary,) = list_runs(run.parent.parent)
    assert (summary.state, summary.resumable) == ("stopped", True)


def test_ctrl_q_names_the_run_and_the_command_that_resumes_it(
    training: tuple[Session, Path, Any], tmp_path: Path
) -> None:
    running, run, _before = training
    running.see("% · freezetui\x07")
    running.press("\x11")
    running.see("A training is running.")
    running.press("s")
    assert running.ended() == 130
    after = running.printed.partition(LEAVES_THE_SCREEN)[2].decode()
    assert run.name in after
    assert f"freezetui resume {run.name} --workspace {tmp_path}" in after
    assert b"\x1b[23;2t" in running.printed
