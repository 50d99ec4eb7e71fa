"""Curves of bounded length and the time that is left, from events whose times are known."""

from __future__ import annotations

import calendar
import time
from dataclasses import replace

import pytest

from engine.events import (
    BatchChanged,
    CheckpointSaved,
    EpochFinished,
    Evaluated,
    Event,
    Finished,
    Paused,
    Resumed,
    RunStarted,
    StageStarted,
    Step,
)
from tui.text.durations import time_of_day
from tui.widgets.training_panel import join_to_width
from tui.wizard.bounded_series import MAX_POINTS, BoundedSeries
from tui.wizard.run_history import RunHistory

STAGES = [
    {"name": "freeze", "first_epoch": 0, "last_epoch": 1, "batch_size": 4, "steps_per_epoch": 5},
    {"name": "unfreeze", "first_epoch": 2, "last_epoch": 3, "batch_size": 2, "steps_per_epoch": 10},
]


def step(moment: float, epoch: int, number: int, stage: str = "freeze", steps: int = 5) -> Step:
    return Step(
        time=moment, stage=stage, epoch=epoch, step=number, steps=steps, loss=1.0, box=0.0, objectness=0.0, classes=0.0,
        lr=1e-3, images_per_second=1.0, data_wait=0.0, memory_bytes=1,
    )  # type: ignore[arg-type]  # fmt: skip


def begun() -> list[Event]:
    return [
        RunStarted(time=0, run="r", plan={"stages": STAGES, "device": "cpu"}, epoch=0, step=0, continued=False),
        StageStarted(time=0, stage="freeze", epoch=0, batch_size=4, init_lr=1e-3, min_lr=1e-5),
    ]


def test_a_long_history_stays_short_and_keeps_its_mean() -> None:
    history = BoundedSeries()
    for value in range(10 * MAX_POINTS):
        history.append(float(value))
    points = history.points
    assert len(points) < MAX_POINTS
    assert points == sorted(points)
    assert sum(points) / len(points) == pytest.approx(len(points) * history.values_per_point / 2, rel=0.01)


def test_the_time_left_follows_the_measured_speed_and_counts_the_slower_stage_to_come() -> None:
    history = RunHistory().apply_all(begun())
    assert history.seconds_left() is None
    history.apply_all(step(10.0 + number, 0, number) for number in range(4))
    # one second a step: 1 + 5 steps frozen, then 20 steps that take twice as long for each image, at half the batch
    assert history.seconds_left() == pytest.approx(6 + 20, rel=0.01)


def test_what_comes_between_epochs_is_no_step_but_counts_for_each_epoch_to_come() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(10.0 + number, 0, number) for number in range(5))
    history.apply(EpochFinished(time=40.0, stage="freeze", epoch=0, train_loss=1.0, val_loss=0.5, seconds=30))
    history.apply_all(step(45.0 + number, 1, number) for number in range(2))
    # the first step of the second epoch came 31 s after the last of the first, 1 s of which was its own
    assert history.timer.seconds_per_step("freeze") == pytest.approx(1.0)
    assert history.seconds_left() == pytest.approx(3 + 20 + 3 * 30, rel=0.01)


def test_another_batch_is_measured_again() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(10.0 + number, 0, number) for number in range(4))
    history.apply(BatchChanged(time=14, stage="freeze", epoch=0, step=4, batch_size=2, init_lr=1e-3, min_lr=1e-5))
    assert history.batch_size == 2
    assert history.timer.seconds_per_step("freeze") is None


def test_a_smaller_batch_makes_more_steps_of_the_rest_of_the_epoch_and_of_every_other_one() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(10.0 + number, 0, number) for number in range(3))
    history.apply(BatchChanged(time=13, stage="freeze", epoch=0, step=3, batch_size=2, init_lr=1e-3, min_lr=1e-5))
    assert [(stage["batch_size"], stage["steps_per_epoch"]) for stage in history.stages] == [(2, 10), (2, 10)]
    history.apply_all(step(13.0 + number, 0, number, steps=7) for number in range(3, 7))
    # one second a step: 10 steps of the next epoch, then 20 steps that take twice as long
    assert history.seconds_left() == pytest.approx(10 + 40, rel=0.01)
    history.apply(begun()[0])
    history.apply(StageStarted(time=30, stage="freeze", epoch=1, batch_size=2, init_lr=1e-3, min_lr=1e-5))
    assert history.stages[0]["steps_per_epoch"] == 10, "a log of an older version says the batch size only there"


def test_the_border_and_the_losses_of_a_stage() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(10.0 + number, 0, number) for number in range(5))
    history.apply(EpochFinished(time=16, stage="freeze", epoch=0, train_loss=1.0, val_loss=0.5, seconds=5))
    history.apply(StageStarted(time=17, stage="unfreeze", epoch=1, batch_size=2, init_lr=1e-3, min_lr=1e-5))
    history.apply(EpochFinished(time=30, stage="unfreeze", epoch=1, train_loss=1.0, val_loss=0.9, seconds=5))
    assert history.unfreeze_step == 5
    assert history.stage_losses == [0.9]
    assert history.lowest_loss == (0, 0.5)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (0, "epoch 12/20   step 1/9   剩余 3 分   batch 8"),
        (44, "epoch 12/20   step 1/9   剩余 3 分   batch 8"),
        (43, "epoch 12/20  step 1/9  剩余 3 分  batch 8"),
        (40, "epoch 12/20   step 1/9   剩余 3 分"),
        (33, "epoch 12/20  step 1/9  剩余 3 分"),
        (5, "epoch 12/20"),
    ],
)
def test_the_figures_of_the_moment_keep_to_one_line_and_the_first_to_the_last(width: int, shown: str) -> None:
    assert join_to_width(("epoch 12/20", "step 1/9", "剩余 3 分", "batch 8"), width) == shown


def test_losses_are_kept_at_their_place_in_epochs_although_epochs_have_different_numbers_of_steps() -> None:
    history = RunHistory().apply_all(begun())
    history.apply_all(step(number, 0, number) for number in range(5))
    history.apply_all(step(10.0 + number, 1, number, "unfreeze", steps=10) for number in range(10))
    assert [position for position, _loss in history.train_loss.curve] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]
    )
    assert history.train_loss.points == [1.0] * 15
    assert history.epochs_done == 2.0


def test_a_smaller_batch_within_an_epoch_moves_no_loss_backwards() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(number, 0, number) for number in range(3))
    history.apply(BatchChanged(time=3, stage="freeze", epoch=0, step=3, batch_size=2, init_lr=1e-3, min_lr=1e-5))
    history.apply_all(step(number, 0, number, steps=7) for number in range(3, 7))
    positions = [position for position, _loss in history.train_loss.curve]
    assert positions == pytest.approx([0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0])
    history.apply_all(step(10.0 + number, 1, number, steps=10) for number in range(5))
    assert history.epochs_done == pytest.approx(1.5)


def test_one_event_for_many_steps_stands_in_their_middle() -> None:
    history = RunHistory().apply_all(begun())
    history.apply(replace(step(1, 0, 4), count=5, loss=3.0))
    assert [position for position, _loss in history.train_loss.curve] == pytest.approx([0.6] * 5)
    assert history.epochs_done == 1.0


def test_a_long_curve_keeps_its_ends() -> None:
    history = BoundedSeries()
    for number in range(10 * MAX_POINTS):
        history.append(float(number), position=number / 100)
    positions = [position for position, _value in history.curve]
    assert positions == sorted(positions)
    assert all(position * 100 == pytest.approx(value) for position, value in history.curve)


def test_the_time_left_of_the_stage_is_that_of_its_own_steps() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(10.0 + number, 0, number) for number in range(4))
    assert history.stage_seconds_left() == pytest.approx(1 + 5, rel=0.01)
    assert history.seconds_left() == pytest.approx(1 + 5 + 20, rel=0.01)


def test_elapsed_is_the_time_trained_without_pauses_and_interruptions() -> None:
    history = RunHistory().apply_all(begun())
    history.apply(step(10, 0, 0))
    history.apply(Paused(time=12, epoch=0, step=1))
    history.apply(Resumed(time=500, epoch=0, step=1))
    history.apply(step(503, 0, 1))
    assert history.stopwatch.seconds == pytest.approx(15)
    history.apply(replace(begun()[0], time=90_000.0))
    history.apply(step(90_004, 0, 2))
    assert history.stopwatch.seconds == pytest.approx(19)


def test_the_latest_classes_and_the_best_map() -> None:
    history = RunHistory().apply_all(begun())
    history.apply(Evaluated(time=1, epoch=0, map50=0.0, map50_95=0.0, best=False))
    assert history.best_map is None, "nothing is detected yet"
    history.apply(Evaluated(time=2, epoch=1, map50=0.5, map50_95=0.2, best=True, per_class={"cat": 0.5}))
    history.apply(Evaluated(time=3, epoch=2, map50=0.4, map50_95=0.2, best=False, per_class={"cat": 0.4}))
    assert history.best_map == (1, 0.5)
    assert history.per_class == {"cat": 0.4}


@pytest.mark.parametrize(
    ("hours", "text"),
    [(2, "13:00"), (12.5, "23:30"), (13, "Fri 00:00"), (24 * 5, "Tue 11:00"), (24 * 7, "2026-12-03 11:00")],
)
def test_a_finish_time_names_the_day_if_it_is_not_today(
    monkeypatch: pytest.MonkeyPatch, hours: float, text: str
) -> None:
    monkeypatch.setattr(time, "localtime", time.gmtime)
    now = float(calendar.timegm((2026, 11, 26, 11, 0, 0)))  # a Thursday
    assert time_of_day(now + 3600 * hours, now) == text


def test_a_finished_run_has_taken_what_it_says_and_loading_and_saving_are_no_training() -> None:
    history = RunHistory().apply_all(begun())
    history.apply(CheckpointSaved(time=30, path="last.ckpt", epoch=0, step=0, seconds=1))
    history.apply(step(31, 0, 0))
    assert history.stopwatch.seconds == pytest.approx(1)
    assert not history.has_ended
    history.apply(Finished(time=40, run="", best="", last="", map50=0.5, map50_95=0.2, seconds=2.5))
    assert history.has_ended
    assert history.stopwatch.seconds == 2.5
    history.apply(replace(begun()[0], time=90_000.0))
    assert not history.has_ended, "it was extended"


def test_in_the_first_steps_of_a_stage_the_time_left_is_known_from_the_stage_before_or_from_the_plan() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(10.0 + number, 0, number) for number in range(5))
    before = history.seconds_left()
    history.apply(step(16.0, 1, 0, stage="unfreeze"))
    after = history.seconds_left()
    assert before is not None
    assert after is not None
    assert 0 < after <= before
    planned = RunHistory().apply_all(begun())
    planned.stages = tuple({**stage, "seconds_estimate": 20.0} for stage in planned.stages)
    planned.apply(step(10.0, 0, 0))
    assert 0 < (planned.seconds_left() or 0.0) <= 20.0 * len(planned.stages)
