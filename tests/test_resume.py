"""Runs that are killed, stopped and gone on with end as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from engine.events import Step
from engine.runs.folder import list_runs, read_events
from tests.small_training import (
    arguments,
    copy_start,
    final_weights,
    freezetui,
    only_run,
    same_bits,
    start_freezetui,
    trained,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX knows them")
KILLS = int(os.environ.get("FREEZETUI_KILLS", "3"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one uninterrupted run."""
    return trained(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def workspace(whole: Path, tmp_path: Path) -> Path:
    """The same data and weights, and no run yet."""
    copy_start(whole, tmp_path)
    return tmp_path


def seconds_of(run: Path) -> float:
    times = [event.time for event in read_events(run)]
    return times[-1] - times[0]


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(whole: Path, workspace: Path, kill: int) -> None:
    """In a step, at the stage border, in validation, while saving: wherever the moment falls."""
    moments = random.Random(kill)
    training = start_freezetui(*arguments(workspace), "--json")
    assert training.stdout is not None
    for line in training.stdout:
        if json.loads(line)["event"] == "checkpoint_saved":
            break
    time.sleep(moments.uniform(0, seconds_of(only_run(whole))))
    training.send_signal(signal.SIGKILL)
    training.communicate()
    run = only_run(workspace)
    if list_runs(workspace)[0].state != "finished":
        assert list_runs(workspace)[0].state == "interrupted"
        resumed = freezetui("resume", str(run))
        assert resumed.returncode == 0, resumed.stderr
    assert list_runs(workspace)[0].state == "finished"
    assert same_bits(final_weights(run), final_weights(only_run(whole)))
    for name in ("epoch_loss.txt", "epoch_val_loss.txt", "epoch_map.txt"):
        assert (run / name).read_text() == (only_run(whole) / name).read_text()


def test_sigterm_in_mid_epoch_loses_no_step(whole: Path, workspace: Path) -> None:
    training = start_freezetui(*arguments(workspace), "--json")
    assert training.stdout is not None
    steps = 0
    for line in training.stdout:
        steps += json.loads(line)["event"] == "step"
        if steps == 6:
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
    uninterrupted = [(event.epoch, event.step) for event in read_events(only_run(whole)) if isinstance(event, Step)]
    assert after == uninterrupted
    assert after[: len(before)] == before
    assert same_bits(final_weights(run), final_weights(only_run(whole)))


def test_a_finished_run_says_how_to_extend_it_and_extending_goes_on(whole: Path) -> None:
    run = only_run(whole)
    refused = freezetui("resume", str(run))
    assert refused.returncode == 2
    assert "finished its 3 epochs" in refused.stderr
    with_overrides = freezetui("resume", str(run), "--set", "unfreeze_epoch=4")
    assert with_overrides.returncode == 0, with_overrides.stderr
    assert "Extended from 3 to 4 epochs" in with_overrides.stdout
    assert len((run / "epoch_loss.txt").read_text().split()) == 4
    again = freezetui("resume", str(run))
    assert again.returncode == 2
    assert "finished its 4 epochs" in again.stderr
    assert "--set unfreeze_epoch=8" in again.stderr


def test_a_misspelled_setting_is_answered_with_the_nearest_not_called_fixed(whole: Path) -> None:
    traces = only_run(whole) / "process.json"
    before = traces.read_bytes()
    refused = freezetui("resume", str(only_run(whole)), "--set", "unfreze_epoch=9")
    assert refused.returncode == 2
    assert traces.read_bytes() == before, "what the last training died of can still be told"
    assert "did you mean unfreeze_epoch?" in refused.stderr
