"""The logs of a run: short for long trainings, and whole again when a run is resumed."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.events import Event, Failed, RunStarted, Step, steady_time
from engine.messages import BadInput
from engine.runner.start import exit_code, start
from engine.runs.folder import read_events
from engine.runs.summary import list_runs
from engine.training.control import Control
from engine.training.restored_logs import epoch_record, finished_epochs
from engine.training.run_log import RunLog
from engine.training.tensorboard import TensorBoardWriter
from tests.made_events import epoch
from tests.recorded_run import recorded_plan
from tests.small_training import plan_and_dataset, prepare
from tui.wizard.run_history import RunHistory

STEPS = 500


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def step(epoch: int, number: int, steps: int = STEPS) -> Step:
    return Step(
        time=1e9 + (epoch * steps + number) / 4, stage="freeze", epoch=epoch, step=number, steps=steps,
        loss=1 + number / steps, box=0.5, objectness=0.3, classes=0.2, lr=1e-3 * (1 + epoch),
        images_per_second=30.0, data_wait=0.1, memory_bytes=1,
    )  # fmt: skip


def open_log(run: Path, workspace: Path) -> RunLog:
    prepare(workspace)
    return RunLog(run, recorded_plan(workspace), {}, 0)


def write(log: RunLog, events: list[Event]) -> None:
    with closing(log):
        for event in events:
            log.record(event)


def test_a_long_epoch_takes_few_lines_and_curves_and_counts_stay_those_of_all_steps(run: Path, tmp_path: Path) -> None:
    events: list[Event] = [RunStarted(time=1e9, run=str(run), plan={}, epoch=0, step=0, continued=False)]
    events += [step(number, i) for number in range(3) for i in range(STEPS)]
    write(open_log(run, tmp_path), events)
    stored = list(read_events(run))
    assert sum(isinstance(event, Step) for event in stored) == 3 * 50
    live, read = RunHistory().apply_all(events), RunHistory().apply_all(stored)
    assert read.steps == live.steps == 3 * STEPS
    assert read.train_loss.points == pytest.approx(live.train_loss.points, rel=0.01)
    assert read.lr.points == pytest.approx(live.lr.points, rel=0.01)
    assert read.timer.seconds_per_step("freeze") == pytest.approx(0.25)


def test_a_checkpoint_in_the_middle_counts_every_step_before_it(run: Path, tmp_path: Path) -> None:
    log = open_log(run, tmp_path)
    with closing(log):
        for number in range(13):
            log.record(step(0, number))
        lengths = log.sync()
        assert lengths["events.jsonl"] == (run / "events.jsonl").stat().st_size
        assert sum(event.count for event in read_events(run) if isinstance(event, Step)) == 13
        log.record(step(0, 13))
        log.restore(lengths, ())
        log.record(step(0, 13))
    assert sum(event.count for event in read_events(run) if isinstance(event, Step)) == 14


def test_logs_are_on_the_disk_before_a_checkpoint_counts_on_them(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    log = open_log(run, tmp_path)
    with closing(log):
        log.record(epoch(0))
        monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
        log.sync()
    names = ["events.jsonl", "epoch_loss.txt", "epoch_val_loss.txt", "epoch_map.txt"]
    tensorboard = next(run.glob("events.out*")).name
    assert synced >= {(run / name).stat().st_ino for name in [*names, tensorboard]}


@pytest.mark.parametrize("damage", ["cut", "gone", "line lost", "line added"])
def test_a_resumed_run_has_all_its_epochs_whatever_became_of_its_logs(run: Path, tmp_path: Path, damage: str) -> None:
    epochs = tuple(epoch(number) for number in range(4))
    log = open_log(run, tmp_path)
    with closing(log):
        for event in epochs:
            log.record(event)
        lengths = log.sync()
    losses = (run / "epoch_loss.txt").read_text()
    log_of_events, log_of_losses = run / "events.jsonl", run / "epoch_loss.txt"
    if damage == "cut":
        os.truncate(log_of_events, lengths["events.jsonl"] - 20)
        os.truncate(log_of_losses, 3)
    elif damage == "gone":
        log_of_events.unlink()
        log_of_losses.unlink()
    elif damage == "line lost":
        log_of_losses.write_text("".join(losses.splitlines(keepends=True)[1:]))
    else:
        log_of_losses.write_text("7.0\n" + losses)
    log = RunLog(run, recorded_plan(tmp_path), lengths, 4, epochs)
    log.close()
    assert log_of_losses.read_text() == losses
    assert list(read_events(run)) == list(epochs)
    assert (log.note is not None) == (damage in ("cut", "gone"))


def test_an_event_after_a_torn_line_is_not_swallowed(run: Path, tmp_path: Path) -> None:
    write(open_log(run, tmp_path), [epoch(0), epoch(1)])
    path = run / "events.jsonl"
    torn = path.read_bytes()[:-9]
    path.write_bytes(torn)
    write(RunLog(run, recorded_plan(tmp_path), {"events.jsonl": len(torn)}, 1), [epoch(2)])
    assert [getattr(event, "epoch", None) for event in read_events(run)] == [0, 2]


def test_epochs_of_a_checkpoint_count_only_where_all_are_there() -> None:
    records = [epoch_record(epoch(number)) for number in range(3)]
    assert [event.epoch for event in finished_epochs(records, 0, 3)] == [0, 1, 2]
    assert finished_epochs(records, 0, 4) == ()
    assert finished_epochs([], 0, 2) == ()
    assert finished_epochs([{"event": "step"}], 0, 1) == ()


def test_tensorboard_keeps_its_curves_when_the_clock_is_set_back(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for first, now in ((0, 2e9), (2, 1e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        with closing(TensorBoardWriter(run, first)) as writer:
            writer.add("loss/train", 1.0 + first, first)
            writer.add("loss/train", 1.5 + first, first + 1)
    accumulator = EventAccumulator(str(run))
    accumulator.Reload()
    assert [(scalar.step, scalar.value) for scalar in accumulator.Scalars("loss/train")] == [
        (0, 1.0), (1, 1.5), (2, 3.0), (3, 3.5),
    ]  # fmt: skip


def test_the_time_of_events_does_not_jump_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = epoch(0).time
    monkeypatch.setattr(time, "time", lambda: before - 7 * 3600)
    assert 0 <= epoch(1).time - before < 60
    assert steady_time() >= before


def test_a_log_of_an_older_version_whose_clock_was_set_back_gives_no_negative_time() -> None:
    history = RunHistory()
    for number, moment in enumerate((1000.0, 1001.0, 1002.0, -24_000.0 + 1000, -24_000.0 + 1001)):
        history.apply(replace(step(0, number, 100), time=moment + 30_000))
    assert history.timer.seconds_per_step("freeze") == pytest.approx(1.0)


@pytest.mark.skipif(os.name == "nt", reason="Windows renames no folder with open files")
def test_a_run_folder_that_is_renamed_while_it_trains_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    prepare(tmp_path, images=8)
    plan, dataset = plan_and_dataset(tmp_path, num_workers=0)
    last: Event | None = None
    for last in start(plan, Control(), dataset):
        if isinstance(last, Step) and (tmp_path / "logs").exists():
            (folder,) = (tmp_path / "logs").iterdir()
            if folder.name != "renamed":
                folder.rename(folder.with_name("renamed"))
    assert isinstance(last, Failed)
    assert (last.code, exit_code(last)) == ("run.gone", 2)
    assert [run.state for run in list_runs(tmp_path)] == ["failed"]


def test_a_plan_that_needs_more_memory_than_there_is_does_not_start(tmp_path: Path) -> None:
    prepare(tmp_path, images=8)
    plan, dataset = plan_and_dataset(tmp_path, input_shape=[8192, 8192])
    assert not plan.fits
    with pytest.raises(BadInput, match=r"needs [0-9.]+ GiB .*12\.0 GiB are free"):
        next(start(plan, Control(), dataset))
    assert not (tmp_path / "logs").exists()
