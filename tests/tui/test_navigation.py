"""Going about the wizard by keys, by the path, by the menu; and what a new data set changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.command import CommandList
from textual.pilot import Pilot

from tests.tui.driving import drive, shown, until
from tui.app import Freezetui
from tui.screens.registry import screen_class
from tui.widgets.step_header import StepMarker
from tui.wizard.state import WizardState, load_state
from tui.wizard.steps import SCREEN_ORDER


@pytest.mark.parametrize("screen_name", SCREEN_ORDER)
def test_runs_open_with_a_key_and_escape_leads_back(tmp_path: Path, screen_name: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        app.screen.set_focus(None)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, screen_class("runs")))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, screen_class(screen_name)))

    assert drive(tmp_path, script, screen_name=screen_name, furthest_screen=SCREEN_ORDER[-1]).screen_name == screen_name


def test_a_click_on_the_path_goes_where_one_has_been_and_nowhere_else(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        stops = list(app.screen.query(StepMarker))
        await pilot.click(stops[5])
        await pilot.pause()
        assert app.state.screen_name == "recipe"
        await pilot.click(stops[1])
        await until(pilot, lambda: app.state.screen_name == "data")

    drive(tmp_path, script, screen_name="recipe", furthest_screen="recipe")


def test_the_menu_opens_runs_and_changes_language_and_theme(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await choose_first(app, pilot, "Runs")
        await until(pilot, lambda: isinstance(app.screen, screen_class("runs")))
        await choose_first(app, pilot, "nord")
        await until(pilot, lambda: app.theme == "nord")
        await choose_first(app, pilot, "简体")
        await until(pilot, lambda: "训练记录" in shown(app))

    state = drive(tmp_path, script, size=(100, 30))
    assert (state.theme, state.language) == ("nord", "zh_CN")
    assert load_state(tmp_path).theme == "nord"


def test_the_kept_theme_is_worn_again_and_one_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    themes = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        themes.append(app.theme)

    drive(tmp_path, script, theme="nord")
    drive(tmp_path, script, theme="no such theme")
    assert themes[0] == "nord"
    assert themes[1] != "no such theme"


def test_another_data_set_changes_what_hangs_on_the_data_and_nothing_else() -> None:
    state = WizardState(
        data="old", format="voc", classes_file="names.txt", mapping={"a": "b"}, run="logs/loss_x", start="whole",
        preset="modern-whole", settings={"seed": 3}, furthest_screen="results", language="zh_CN", theme="nord",
    )  # fmt: skip
    state.set_data("new")
    assert state == WizardState(
        data="new", start="whole", preset="modern-whole", settings={"seed": 3}, furthest_screen="data", language="zh_CN",
        theme="nord",
    )  # fmt: skip


def test_nothing_is_offered_where_nothing_was_entered() -> None:
    assert not WizardState(screen_name="runs", language="zh_CN", theme="nord").has_entries
    assert WizardState(data="somewhere").has_entries


async def choose_first(app: Freezetui, pilot: Pilot[int], words: str) -> None:
    """Take the first of the menu's commands that are like `words`."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: "Type to search" in shown(app))
    await pilot.press(*words)
    hits = app.screen.query_one(CommandList)
    await until(pilot, lambda: hits.option_count > 0 and words in str(hits.get_option_at_index(0).prompt))
    await pilot.press("down", "enter")
