"""From Data to Results the labels are read once: without them on the disk, everything after Data works as before."""

from __future__ import annotations

import shutil
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import DataTable

from engine.events import Finished
from tests.tui.driving import drive, until
from tests.tui.entered import somewhere
from tests.tui.training import ended
from tui.app import Freezetui
from tui.screens.base import WizardScreen
from tui.screens.results import ResultsScreen
from tui.screens.review import ReviewScreen


def test_without_the_label_files_everything_from_data_to_results_works(tmp_path: Path) -> None:
    async def forward(app: Freezetui, pilot: Pilot[int], name: str) -> None:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen) and app.screen.screen_name == name)
        await pilot.press("enter")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.inspection is not None and app.inspection.findings is not None)
        shutil.rmtree(tmp_path / "data" / "VOCdevkit" / "VOC2007" / "Annotations")
        for name in ("data", "weights", "recipe", "tune"):
            await forward(app, pilot, name)
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        review = app.screen
        assert isinstance(review, ReviewScreen)
        # The dry run reads them in a process of its own, unless it is given the index.
        await until(pilot, lambda: review.prepared is not None and review.prepared.is_timed)
        await pilot.press("enter")
        await until(pilot, lambda: app.training.is_running)
        await ended(app, pilot)
        assert isinstance(app.training.last_event, Finished)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await until(pilot, lambda: app.screen.query_one("#scores", DataTable).row_count > 0)

    drive(tmp_path, script, size=(120, 40), **somewhere(tmp_path, "data", unfreeze_epoch=2))
