"""Runs that are killed, stopped and resumed end as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from engine.events import CheckpointSaved, RunStarted, Step
from engine.messages import BadInput
from engine.runner.resume import resume
from engine.runner.start import exit_code, start
from engine.runs.folder import load_plan, read_events
from engine.runs.summary import list_runs, summarize_run
from engine.training.checkpoint import load_newest, save_checkpoint
from engine.training.control import Control
from tests.command import command
from tests.small_training import (
    IMAGES,
    arguments,
    copy_run,
    copy_start,
    final_weights,
    finished_workspace,
    freezetui,
    only_run,
    plan_and_dataset,
    prepare,
    same_bits,
    start_freezetui,
)
from tests.warm_processes import warm_processes
from tui.wizard.run_history import RunHistory

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX knows them")
KILLS = int(os.environ.get("FREEZETUI_KILLS", "3"))


@pytest.fixture(scope="module")
def uninterrupted() -> Path:
    """A run that was trained to its end at once, in another process than those below."""
    return only_run(finished_workspace())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The same data and weights, and no run yet."""
    copy_start(finished_workspace(), tmp_path)
    return tmp_path


def train_and_report(workspace: Path, sender: Connection) -> None:
    """In a process of its own: train, and tell of every event."""
    plan, dataset = plan_and_dataset(workspace)
    for event in start(plan, Control(), dataset):
        sender.send(event.event_name())


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(uninterrupted: Path, workspace: Path, kill: int) -> None:
    """After any event: in a step, at the stage border, in validation, while saving."""
    events = list(read_events(uninterrupted))
    first_checkpoint = next(number for number, event in enumerate(events) if isinstance(event, CheckpointSaved))
    last_event_read = random.Random(kill).randrange(first_checkpoint, len(events) - 1)
    receiver, sender = warm_processes().Pipe(duplex=False)
    training = warm_processes().Process(target=train_and_report, args=(workspace, sender))
    training.start()
    for _ in range(last_event_read + 1):
        receiver.recv()
    training.kill()
    training.join()
    run = only_run(workspace)
    if list_runs(workspace)[0].state != "finished":
        assert list_runs(workspace)[0].state == "interrupted"
        assert exit_code(list(resume(run, Control()))[-1]) == 0
    assert list_runs(workspace)[0].state == "finished"
    assert same_bits(final_weights(run), final_weights(uninterrupted))
    for name in ("epoch_loss.txt", "epoch_val_loss.txt", "epoch_map.txt"):
        assert (run / name).read_text() == (uninterrupted / name).read_text()


def test_sigterm_in_mid_epoch_loses_no_step(uninterrupted: Path, workspace: Path) -> None:
    training = start_freezetui(*arguments(workspace), "--json")
    assert training.stdout is not None
    steps = 0
    for line in training.stdout:
        steps += json.loads(line)["event"] == "step"
        if steps == 4:
            training.send_signal(signal.SIGTERM)
            break
    training.communicate()
    assert training.returncode == 130
    run = only_run(workspace)
    before = [(event.epoch, event.step) for event in read_events(run) if isinstance(event, Step)]
    assert list_runs(workspace)[0].state == "stopped"
    resumed = freezetui("resume", run.name, "--workspace", str(workspace))
    assert resumed.returncode == 0, resumed.stderr
    after = [(event.epoch, event.step) for event in read_events(run) if isinstance(event, Step)]
    assert after == [(event.epoch, event.step) for event in read_events(uninterrupted) if isinstance(event, Step)]
    assert after[: len(before)] == before
    assert same_bits(final_weights(run), final_weights(uninterrupted))


def test_a_finished_run_says_how_to_extend_it_and_extending_resumes_it(tmp_path: Path) -> None:
    run = copy_run(finished_workspace(), tmp_path)
    with pytest.raises(BadInput, match="finished its 3 epochs"):
        list(resume(run, Control()))
    extended = command("resume", str(run), "--set", "unfreeze_epoch=4")
    assert extended.returncode == 0, extended.stderr
    assert "Extended from 3 to 4 epochs" in extended.stdout
    assert len((run / "epoch_loss.txt").read_text().split()) == 4
    again = command("resume", str(run))
    assert again.returncode == 2
    assert "finished its 4 epochs" in again.stderr
    assert "--set unfreeze_epoch=8" in again.stderr


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run of four epochs, three of them of the freeze stage, stopped within the second."""
    prepare(tmp_path, images=IMAGES)
    plan, dataset = plan_and_dataset(tmp_path, freeze_epoch=3, unfreeze_epoch=4, freeze_batch_size=2)
    control = Control()
    for event in start(plan, control, dataset):
        if isinstance(event, Step) and (event.epoch, event.step) == (1, 0):
            control.stop()
    return only_run(tmp_path)


def test_a_run_is_shortened_to_what_has_begun_and_no_further(stopped: Path) -> None:
    refused = command("resume", str(stopped), "--set", "unfreeze_epoch=1")
    assert refused.returncode == 2
    assert "has trained 2 epochs already" in refused.stderr
    assert "the nearest is unfreeze_epoch=2" in refused.stderr
    shortened = command("resume", str(stopped), "--set", "unfreeze_epoch=2")
    assert shortened.returncode == 0, shortened.stderr
    assert "Shortened from 4 to 2 epochs" in shortened.stdout
    recipe = load_plan(stopped).recipe
    assert (recipe.unfreeze_epoch, recipe.freeze_epoch) == (2, 2)
    assert summarize_run(stopped).state == "finished"
    again = command("resume", str(stopped), "--set", "unfreeze_epoch=1")
    assert again.returncode == 2
    assert "the nearest is unfreeze_epoch=2" in again.stderr


def test_a_run_that_is_resumed_with_a_smaller_batch_says_how_many_steps_are_left(stopped: Path) -> None:
    checkpoint = load_newest(stopped)
    checkpoint.progress.batch_sizes = {"freeze": 2, "unfreeze": 2}
    checkpoint.progress.accumulates = {"freeze": 2}
    save_checkpoint(stopped, checkpoint)
    history = RunHistory()
    training = resume(stopped, Control())
    for event in training:
        history.apply(event)
        if isinstance(event, Step) and event.epoch == 2:
            break
    training.close()
    assert history.latest is not None
    assert history.latest.steps == 2
    assert [stage["steps_per_epoch"] for stage in history.stages] == [2, 5]
    started = next(event for event in read_events(stopped) if isinstance(event, RunStarted) and event.continued)
    assert started.plan["total_steps"] == 3 * 2 + 5
    assert load_plan(stopped).stages[0].steps_per_epoch == 5, "the schedule is that of the plan"


def test_a_misspelled_setting_is_answered_with_the_nearest_not_called_fixed(tmp_path: Path) -> None:
    run = copy_run(finished_workspace(), tmp_path)
    before = (run / "process.json").read_bytes()
    refused = command("resume", str(run), "--set", "unfreze_epoch=9")
    assert refused.returncode == 2
    assert "did you mean unfreeze_epoch?" in refused.stderr
    assert (run / "process.json").read_bytes() == before, "what the last training died of can still be told"
