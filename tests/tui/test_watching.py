"""The Train screen on a run that another process trains: moved there with D, or found in Runs."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.events import CommandAnswered, Finished
from engine.runs.commands import COMMANDS, RECEIVER, Receiver, read_receiver
from engine.runs.folder import EVENTS, load_plan, read_events
from engine.runs.summary import list_runs
from tests.command import command
from tests.small_training import (
    ENDLESS,
    PROJECT,
    copy_run,
    copy_start,
    final_weights,
    finished_workspace,
    only_run,
    plan_and_dataset,
    same_bits,
)
from tests.training_passes import gated_passes
from tests.tui.driving import drive, until, until_shown
from tests.tui.training import AT_TRAIN, ended, held
from tests.waiting import wait_for
from tui.app import Freezetui
from tui.launcher import open_wizard
from tui.screens.train import TrainScreen
from tui.terminal.background import is_in_background
from tui.wizard.approved_plan import ApprovedPlan
from tui.wizard.state import WizardState, save_state

TRAINS = """
import sys, time
from pathlib import Path
from engine.runs.commands import command_inbox
from engine.runs.lock import run_lock
with run_lock(Path(sys.argv[1])), command_inbox(Path(sys.argv[1])) as inbox:
    print("trains", flush=True)
    while True:
        for received in inbox.read():
            print(received.command.name, received.command.value, flush=True)
        time.sleep(0.02)
"""
"""Holds the lock of a run and reads its commands, as a training does."""


@contextmanager
def another_process(run: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINS, str(run)], cwd=PROJECT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "trains\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A run in its last epoch, and the process that trains it."""
    run = copy_run(finished_workspace(), tmp_path, link=True)
    lines = (run / EVENTS).read_text(encoding="utf-8").splitlines(keepends=True)
    last_step = max(number for number, line in enumerate(lines) if line.startswith('{"event":"step"'))
    (run / EVENTS).write_text("".join(lines[: last_step + 1]), encoding="utf-8", newline="\n")
    with another_process(run) as process:
        yield run, process


async def watched(app: Freezetui, pilot: Pilot[int]) -> None:
    """Press Enter on the run in Runs."""
    await until_shown(app, pilot, "Enter shows the training.")
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, TrainScreen) and app.training.history.latest is not None)


def test_d_moves_the_training_into_the_background_and_changes_no_bit(tmp_path: Path) -> None:
    copy_start(finished_workspace(), tmp_path)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        with gated_passes(3) as gate:
            app.approved_plan = ApprovedPlan(*plan_and_dataset(tmp_path))
            app.show_screen("train")
            await held(pilot, gate)
            await pilot.press("d")
            await until_shown(app, pilot, "moving into the background")
            gate.open()
            await until(pilot, lambda: app.training.watched is not None)
        assert not app.is_training
        await until_shown(app, pilot, "trains this run in the background")
        assert app.training_status is not None
        await ended(app, pilot)
        assert isinstance(app.training.last_event, Finished)
        await until_shown(app, pilot, "Enter shows the results.")

    drive(tmp_path, script, screen_name="review", furthest_screen="review")
    run = only_run(tmp_path)
    assert not is_in_background()
    assert [event.command for event in read_events(run) if isinstance(event, CommandAnswered)] == ["detach"]
    assert list_runs(tmp_path)[0].state == "finished"
    assert same_bits(final_weights(run), final_weights(only_run(finished_workspace())))


def test_keys_reach_the_process_and_its_death_is_said(live: tuple[Path, subprocess.Popen[str]], tmp_path: Path) -> None:
    _run, process = live

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await watched(app, pilot)
        await until_shown(app, pilot, f"Process {process.pid} trains this run in the background", "p pause")
        await pilot.press("p")
        await until_shown(app, pilot, "pausing after this step")
        await pilot.press("s")
        await until_shown(app, pilot, "saving and stopping after this step")
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["pause None\n", "stop None\n"]
        process.kill()
        await ended(app, pilot)
        await until_shown(app, pilot, "The process was killed and left no reason", "Enter resumes from the last")
        await until_shown(app, pilot, "⏎ resume")

    drive(tmp_path, script, screen_name="runs", furthest_screen="train")


def test_what_trains_on_another_machine_is_watched_and_not_steered(
    live: tuple[Path, subprocess.Popen[str]], tmp_path: Path
) -> None:
    run, process = live
    receiver = read_receiver(run)
    assert isinstance(receiver, Receiver)
    elsewhere = receiver.model_copy(update={"host": "gpu-server"})
    (run / COMMANDS / RECEIVER).write_text(elsewhere.model_dump_json(), encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await watched(app, pilot)
        await until_shown(app, pilot, "trains on the machine gpu-server; from", "here it can be watched, not steered.")
        keys = app.screen.active_bindings
        assert not keys["s"].binding.show
        assert keys["c"].binding.show
        phase = app.training.phase
        await pilot.press("p")
        await until(pilot, lambda: bool(app.screen.query_one("#validation-error").display))
        assert app.training.phase == phase
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app.return_value is not None)
        assert app.return_value == 0, "leaving stops nothing, so nothing is asked"
        left.append(app)

    left: list[Freezetui] = []
    drive(tmp_path, script, screen_name="runs", furthest_screen="train")
    assert process.poll() is None
    farewell = "\n".join(left[0].farewell)
    assert f"The run {run.name} trains on in the background." in farewell
    assert f"freezetui attach {run.name}" in farewell


def test_the_train_screen_finds_the_training_that_was_left_in_the_background(
    live: tuple[Path, subprocess.Popen[str]], tmp_path: Path
) -> None:
    run, _process = live

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.training.watched is not None and app.training.history.latest is not None)
        await until_shown(app, pilot, "epoch 3/3")

    drive(tmp_path, script, run=str(run), **AT_TRAIN)


def test_another_day_it_is_said_that_the_run_still_trains(
    live: tuple[Path, subprocess.Popen[str]], tmp_path: Path
) -> None:
    run, _process = live
    state = WizardState(run=str(run), language="en", **AT_TRAIN)

    async def go() -> None:
        app = Freezetui(state, tmp_path, offer_resume=True)
        async with app.run_test(size=(80, 24)) as pilot:
            await until_shown(app, pilot, "Continue your last session?", f"The run {run.name} trains on in the")

    asyncio.run(go())


def test_who_attaches_without_entries_finds_the_data_set_of_the_run(
    live: tuple[Path, subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _process = live
    shown = []
    monkeypatch.setattr("tui.launcher.can_show_screens", lambda: True)
    monkeypatch.setattr(Freezetui, "run", lambda app: shown.append(app.state))
    # What it changes in the process, for its whole life.
    monkeypatch.setattr("tui.launcher.gc.set_threshold", lambda *_thresholds: None)
    for package in ("engine", "tui"):
        monkeypatch.setattr(logging.getLogger(package), "handlers", [])
    open_wizard(tmp_path, watched_run=run)
    (state,) = shown
    assert state.source == load_plan(run).data
    assert state.screen_name == "train"

    save_state(WizardState(data="mine"), tmp_path)
    open_wizard(tmp_path, watched_run=run)
    assert shown[1].data == "mine"


def test_a_closed_terminal_leaves_the_training_to_the_background_if_so_chosen(tmp_path: Path) -> None:
    copy_start(finished_workspace(), tmp_path)
    changes = {"freeze_epoch": ENDLESS, "unfreeze_epoch": ENDLESS, "eval_period": ENDLESS}

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        with gated_passes(1) as gate:
            app.set_on_hangup("detach")
            app.approved_plan = ApprovedPlan(*plan_and_dataset(tmp_path, **changes))
            app.show_screen("train")
            await held(pilot, gate)
            app.hang_up()
            gate.open()
            await until(pilot, lambda: app.return_value is not None)
        assert app.return_value == 0

    state = drive(tmp_path, script, screen_name="review", furthest_screen="review")
    assert state.on_hangup == "detach"
    run = only_run(tmp_path)
    wait_for(lambda: read_receiver(run) is not None, "the process in the background")
    assert command("runs", "stop", run.name, "--workspace", str(tmp_path)).returncode == 0
    assert list_runs(tmp_path)[0].state == "stopped"
