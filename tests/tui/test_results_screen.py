"""What came out of a real training, page by page."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import DataTable, TabbedContent

from engine.dataset.sample_dataset import SAMPLE_CLASSES
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from tests.small_training import copy_run, finished_workspace
from tests.tui.driving import drive, shown, until, until_shown
from tui.app import Freezetui
from tui.screens.results import ResultsScreen
from tui.widgets.terminal_image import UPPER_HALF


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is too short to find anything."""
    return copy_run(finished_workspace(), tmp_path_factory.mktemp("results"))


async def judged(app: Freezetui, pilot: Pilot[int]) -> ResultsScreen:
    screen = app.screen
    assert isinstance(screen, ResultsScreen)
    await until(pilot, lambda: screen.report is not None)
    return screen


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_page_of_a_run(trained: Path, language: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        verdict = "Noobjectsaredetectedyet" if language == "en" else "目前什么也没检测到"
        expected = (str(trained / BEST_WEIGHTS), str(trained / LAST_WEIGHTS), verdict)
        await until(pilot, lambda: all(text in "".join(shown(app).split()) for text in expected))  # broken over lines
        assert screen.query_one("#body", VerticalScroll).max_scroll_y == 0

        tabs = screen.query_one(TabbedContent)
        tabs.active = "page-curves"
        await until(pilot, lambda: "mAP50" in shown(app) and ("▁" in shown(app) or "█" in shown(app)))

        tabs.active = "page-classes"
        await until_shown(app, pilot, *SAMPLE_CLASSES)
        assert screen.query_one("#scores", DataTable).row_count == len(SAMPLE_CLASSES)

        await pilot.press("n")
        await until(pilot, lambda: UPPER_HALF in shown(app))
        await until(pilot, lambda: "1/1" in shown(app))

        tabs.active = "page-next"
        await until_shown(app, pilot, "freezetui predict --weights")

    drive(
        trained.parent.parent,
        script,
        screen_name="results",
        furthest_screen="results",
        run=str(trained),
        language=language,
    )


def test_enter_alone_leads_to_a_picture_through_every_page_and_to_the_runs(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = await judged(app, pilot)
        pages = ("Images", "Classes", "Curves", "Next steps")
        for page in pages:
            await until(pilot, lambda page=page: f"Enter shows the next page: {page}." in shown(app))  # type: ignore[misc]
            await pilot.press("enter")
            if page == "Pictures":
                await until(pilot, lambda: UPPER_HALF in shown(app))
        assert screen.query_one(TabbedContent).active == "page-next"
        await until(pilot, lambda: "Enter shows all runs." in shown(app))
        await pilot.press("enter")
        assert app.state.screen_name == "runs"

    drive(trained.parent.parent, script, screen_name="results", furthest_screen="results", run=str(trained))


def test_the_path_of_the_best_weights_is_copied(trained: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: trained.name in shown(app))
        await pilot.press("c")
        assert app.clipboard == str(trained / BEST_WEIGHTS)

    drive(trained.parent.parent, script, screen_name="results", furthest_screen="results", run=str(trained))


def test_a_run_that_is_gone_is_named(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "there is no such run" in shown(app))
        assert "no longer exists" in shown(app)
        assert "Reading ..." not in shown(app)

    drive(tmp_path, script, screen_name="results", run="loss_2020_01_01_00_00_00")


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "No runs yet." in shown(app))

    drive(tmp_path, script, screen_name="results")
