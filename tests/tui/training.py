"""Small real trainings for the wizard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from engine.runner.start import start
from engine.training.control import Control
from tests.small_training import only_run, plan_and_dataset, prepare
from tests.training_passes import PassGate
from tests.tui.driving import until
from tui.app import Freezetui
from tui.screens.train import TrainScreen

AT_TRAIN = {"screen_name": "train", "furthest_screen": "train"}


def workspace_with_data(folder: Path) -> Path:
    """Eight images, of which six train, and weights to start from."""
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


async def held(pilot: Pilot[int], gate: PassGate) -> None:
    """Wait until the training has done every step that the gate allows."""
    await until(pilot, lambda: gate.is_waiting)


async def ended(app: Freezetui, pilot: Pilot[int]) -> None:
    """Wait until nothing trains, and until the Train screen, if it is the one in front, shows how the training ended."""
    await until(pilot, lambda: not app.training.is_running)
    screen = app.screen
    if isinstance(screen, TrainScreen):
        await until(pilot, lambda: screen.query_one("#outcome").display)
