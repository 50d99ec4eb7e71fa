"""Small real trainings for the wizard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from engine.runner.start import start
from engine.training.control import Control
from tests.small_training import only_run, plan_and_dataset, prepare
from tests.tui.driving import until
from tui.app import Freezetui

AT_TRAIN = {"place": "train", "furthest": "train"}
PATIENCE = 120.0
"""Seconds: steps are slow where other tests run beside this one."""


def workspace_with_data(folder: Path) -> Path:
    """Eight pictures, of which six train, and weights to start from."""
    prepare(folder, images=8)
    return folder


def trained_run(workspace: Path, *, stop_at: int | None = None, **changes: Any) -> Path:
    """A run trained to its end, or stopped after `stop_at` events."""
    plan, dataset = plan_and_dataset(workspace, **changes)
    control = Control()
    for number, _event in enumerate(start(plan, control, dataset)):
        if number == stop_at:
            control.stop()
    return only_run(workspace)


async def steps(app: Freezetui, pilot: Pilot[int], count: int = 1) -> None:
    """Wait until so many steps are done."""
    await until(pilot, lambda: app.training.course.steps >= count or not app.training.alive, PATIENCE)
    assert app.training.course.steps >= count


async def over(app: Freezetui, pilot: Pilot[int]) -> None:
    """Wait until nothing trains."""
    await until(pilot, lambda: not app.training.alive, PATIENCE)
    await pilot.pause(0.3)
