"""Curves of bounded length and the time that is left, from events whose times are known."""

from __future__ import annotations

import pytest

from engine.events import BatchChanged, EpochFinished, Event, RunStarted, StageStarted, Step
from tui.widgets.training_panel import join_to_width
from tui.wizard.run_history import MAX_POINTS, BoundedSeries, RunHistory

STAGES = [
    {"name": "freeze", "first_epoch": 0, "last_epoch": 1, "batch_size": 4, "steps_per_epoch": 5},
    {"name": "unfreeze", "first_epoch": 2, "last_epoch": 3, "batch_size": 2, "steps_per_epoch": 10},
]


def step(time: float, epoch: int, number: int, stage: str = "freeze", steps: int = 5) -> Step:
    return Step(
        time=time, stage=stage, epoch=epoch, step=number, steps=steps, loss=1.0, box=0.0, objectness=0.0, classes=0.0,
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


def test_another_batch_is_measured_anew() -> None:
    history = RunHistory().apply_all(begun()).apply_all(step(10.0 + number, 0, number) for number in range(4))
    history.apply(BatchChanged(time=14, stage="freeze", epoch=0, step=4, batch_size=2, init_lr=1e-3, min_lr=1e-5))
    assert history.batch_size == 2
    assert history.timer.seconds_per_step("freeze") is None


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
