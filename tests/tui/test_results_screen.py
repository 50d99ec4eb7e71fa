"""What came out of a real training, page by page."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import DataTable, TabbedContent

from engine.dataset.sample import SAMPLE_CLASSES
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from tests.tui.driving import drive, shown, until
from tests.tui.training import PATIENCE, trained_run, workspace_with_data
from tui.app import Freezetui
from tui.screens.results import ResultsScreen
from tui.widgets.terminal_image import UPPER


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is too short to find anything."""
    return trained_run(workspace_with_data(tmp_path_factory.mktemp("results")), freeze_epoch=1, unfreeze_epoch=2)


async def judged(app: Freezetui, pilot: Pilot[int]) -> ResultsScreen:
    screen = app.screen
    assert isinstance(screen, ResultsScreen)
    await until(pilot, lambda: screen._outcome is not None, PATIENCE)
    await pilot.pause(0.3)
    return screen


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_page_of_a_run(trained: Path, language: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        text = "".join(shown(app).split())
        assert str(trained / BEST_WEIGHTS) in text
        assert str(trained / LAST_WEIGHTS) in text
        assert ("Itfindsnothingyet" if language == "en" else "目前什么也没检测到") in text
        assert screen.query_one("#body", VerticalScroll).max_scroll_y == 0

        tabs = screen.query_one(TabbedContent)
        tabs.active = "page-curves"
        await pilot.pause(0.2)
        assert "mAP50" in shown(app)
        assert "▁" in shown(app) or "█" in shown(app)

        tabs.active = "page-classes"
        await pilot.pause(0.2)
        assert screen.query_one("#scores", DataTable).row_count == len(SAMPLE_CLASSES)
        assert all(name in shown(app) for name in SAMPLE_CLASSES)

        await pilot.press("n")
        await until(pilot, lambda: UPPER in shown(app))
        await until(pilot, lambda: "1/1" in shown(app))

        tabs.active = "page-next"
        await pilot.pause(0.2)
        assert "freezetui predict --weights" in shown(app)

    drive(trained.parent.parent, script, place="results", furthest="results", run=str(trained), language=language)


def test_enter_alone_leads_to_a_picture_through_every_page_and_to_the_runs(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        pages = ("Pictures", "Classes", "Curves", "Next")
        for page in pages:
            await until(pilot, lambda page=page: f"Enter shows the next page: {page}." in shown(app))  # type: ignore[misc]
            await pilot.press("enter")
            if page == "Pictures":
                await until(pilot, lambda: UPPER in shown(app))
        assert screen.query_one(TabbedContent).active == "page-next"
        await until(pilot, lambda: "Enter shows all runs." in shown(app))
        await pilot.press("enter")
        assert app.state.place == "runs"

    drive(trained.parent.parent, script, place="results", furthest="results", run=str(trained))


def test_the_path_of_the_best_weights_is_copied(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: trained.name in shown(app))
        await pilot.press("c")
        assert app.clipboard == str(trained / BEST_WEIGHTS)

    drive(trained.parent.parent, script, place="results", furthest="results", run=str(trained))


def test_a_run_that_is_gone_is_named(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "there is no such run" in shown(app))

    drive(tmp_path, script, place="results", run="loss_2020_01_01_00_00_00")


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Nothing has been trained here yet." in shown(app))

    drive(tmp_path, script, place="results")
