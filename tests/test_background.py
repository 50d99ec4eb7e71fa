"""Trainings that outlive what started them: in the background, after a closed terminal, watched and stopped from elsewhere."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import psutil
import pytest

pytest.importorskip("termios", reason="terminals and signals as POSIX knows them")

from engine.events import CommandAnswered, Finished, Step, Stopped
from engine.runs.commands import read_receiver, send_command
from engine.runs.folder import find_run, read_events
from engine.runs.lock import is_running
from engine.runs.summary import list_runs
from tests.command import command
from tests.small_training import (
    ENDLESS,
    arguments,
    copy_start,
    final_weights,
    finished_workspace,
    only_run,
    same_bits,
    start_freezetui,
)
from tests.tui.terminal_session import session
from tests.waiting import wait_for
from tui.terminal.background import LOG

ENDLESSLY = {"freeze_epoch": ENDLESS, "unfreeze_epoch": ENDLESS, "eval_period": ENDLESS, "save_period": ENDLESS}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Data and weights of the run in `finished_workspace`, and no run yet."""
    copy_start(finished_workspace(), tmp_path)
    return tmp_path


def test_a_closed_terminal_moves_the_training_into_the_background_and_changes_no_bit(workspace: Path) -> None:
    told = workspace / "told"
    program = workspace / "tell"
    program.write_text(
        f'#!{sys.executable}\nimport os, sys\nopen({str(told)!r}, "w").write("|".join([*sys.argv[1:], '
        'os.environ["FREEZETUI_RUN"], os.environ["FREEZETUI_STATUS"], os.environ["FREEZETUI_MAP50"]]))\n'
    )
    program.chmod(0o755)
    words = [*arguments(workspace), "--on-hangup", "detach", "--notify", f"{program} 'a b' $HOME;true"]
    with session(*words) as terminal:
        terminal.see("Epoch 1/3", 120)
        terminal.hang_up()
        assert terminal.ended(90) == 0
    run = only_run(workspace)
    assert not isinstance(list(read_events(run))[-1], Finished), "it had finished before it could be moved"
    wait_for(told.exists, "the end of the run and its notification")
    assert list_runs(workspace)[0].state == "finished"
    assert same_bits(final_weights(run), final_weights(only_run(finished_workspace())))
    events = list(read_events(run))
    assert [event.command for event in events if isinstance(event, CommandAnswered)] == ["detach"]
    (finished,) = (event for event in events if isinstance(event, Finished))
    assert finished.map50 is not None
    wait_for(lambda: told.read_text(), "what the program was told")
    assert told.read_text().split("|") == ["a b", "$HOME;true", str(run), "finished", f"{finished.map50:.4f}"]
    assert "Resuming" in (run / LOG).read_text(encoding="utf-8")


def test_a_detached_training_is_watched_by_two_and_stopped_by_a_third(workspace: Path) -> None:
    started = command(*arguments(workspace, **ENDLESSLY), "--detach", "--json")
    assert started.returncode == 0, started.stderr
    answer = json.loads(started.stdout)
    run = only_run(workspace)
    assert answer == {"run": str(run), "pid": answer["pid"], "log": str(run / LOG)}
    assert os.getsid(answer["pid"]) == answer["pid"], "it is not in a session of its own"
    wait_for(lambda: any(isinstance(event, Step) for event in read_events(run)), "the first step")
    with (
        start_freezetui("attach", run.name, "--workspace", str(workspace), "--json") as for_programs,
        start_freezetui("attach", run.name, "--workspace", str(workspace)) as for_people,
    ):
        assert for_programs.stdout is not None
        assert for_people.stdout is not None
        printed = [for_programs.stdout.readline(), for_people.stdout.readline()]
        assert re.fullmatch(rf"{run.name}: epoch \d+ of \d+, steps done: \d+\.\n", printed[1])
        receiver = read_receiver(run)
        assert receiver is not None
        assert (receiver.pid, receiver.can_detach) == (answer["pid"], False)
        paused = send_command(run, "pause")
        wait_for(lambda: paused in (run / "events.jsonl").read_text(encoding="utf-8"), "its answer")
        stopped = command("runs", "stop", run.name, "--workspace", str(workspace))
        assert stopped.returncode == 0, stopped.stderr
        assert "Stopped; a checkpoint is saved" in stopped.stdout
        assert not is_running(run)
        printed = [printed[0] + for_programs.stdout.read(), printed[1] + for_people.stdout.read()]
        assert [for_programs.wait(), for_people.wait()] == [130, 130]
    assert [json.loads(line) for line in printed[0].splitlines()] == [event.to_json() for event in read_events(run)]
    assert "A pause is requested." in printed[1]
    assert "Training in" not in printed[1], "what happened before is not told again"
    assert isinstance(list(read_events(run))[-1], Stopped)
    wait_for(lambda: not psutil.pid_exists(answer["pid"]), "its process to be waited for, so that no zombie is left")


def test_what_the_background_refuses_is_said_where_it_was_asked(workspace: Path) -> None:
    refused = command(*arguments(workspace, unfreeze_epoch=0), "--detach")
    assert refused.returncode == 2
    assert "unfreeze_epoch" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not [path for path in (workspace / "logs").iterdir() if path.name.startswith(".")]


def test_nothing_that_trains_cannot_be_attached_or_stopped() -> None:
    workspace = finished_workspace()
    run = only_run(workspace)
    for words in (("attach", run.name), ("runs", "stop", run.name)):
        refused = command(*words, "--workspace", str(workspace))
        assert refused.returncode == 2
        assert f"{run.name}: no process trains this run" in refused.stderr
    without_name = command("attach", "--workspace", str(workspace))
    assert without_name.returncode == 2
    assert "No process trains a run in" in without_name.stderr
    assert find_run(run, workspace) == run


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no-such-program-at-all x", "there is no program no-such-program-at-all"),
        ("'open", "quotation mark"),
        (" ", "write a command"),
    ],
)
def test_a_notify_command_that_cannot_run_is_refused_before_the_training(
    workspace: Path, text: str, reason: str
) -> None:
    refused = command(*arguments(workspace), "--notify", text)
    assert refused.returncode == 2
    assert reason in refused.stderr
    assert not (workspace / "logs").exists()
