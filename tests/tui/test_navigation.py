"""Going about the wizard by keys, by the path, by the menu; and what a new data set changes."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.command import CommandList
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.driving import NO_CARD, drive, shown, until
from tui.app import Freezetui
from tui.dialogs.help import HelpDialog
from tui.screens.registry import screen_class
from tui.widgets.key_footer import KeyFooter
from tui.widgets.label import Label
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


def test_keys_work_with_caps_lock_and_fields_still_take_capital_letters(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, partial(is_shown, app, "hardware"))
        await pilot.press("R")
        await until(pilot, partial(is_shown, app, "runs"))
        app.show_screen("data")
        await until(pilot, partial(is_shown, app, "data"))
        field = app.screen.query_one(Input)
        field.focus()
        await pilot.press("R")
        await until(pilot, lambda: field.value.endswith("R"))

    drive(tmp_path, script, screen_name="hardware", furthest_screen="data")


def test_escape_leads_back_to_runs_from_a_screen_that_was_opened_there(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        for name in ("runs", "results"):
            app.show_screen(name)
            await until(pilot, partial(is_shown, app, name))
        app.set_language("zh_CN")
        await until(pilot, lambda: "结果" in shown(app))
        for name in ("runs", "data", "hardware"):
            await pilot.press("escape")
            await until(pilot, partial(is_shown, app, name))

    drive(tmp_path, script, screen_name="data", furthest_screen="results")


@pytest.mark.parametrize("screen_name", [*SCREEN_ORDER, "runs"])
def test_f1_says_more_than_the_subtitle(tmp_path: Path, screen_name: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: isinstance(app.screen, screen_class(screen_name)))
        app.screen.set_focus(None)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))
        text = str(app.screen.query(Label).first().visual)
        screen = screen_class(screen_name)
        assert not {text, text.strip()} & {screen.reason, screen.heading}
        assert len(text) > len(screen.reason) + 20

    drive(tmp_path, script, screen_name=screen_name, furthest_screen="results")


def test_a_notification_leaves_the_hint_and_the_keys_visible(tmp_path: Path) -> None:
    async def run() -> None:
        state = WizardState(language="en", screen_name="data", furthest_screen="data")
        app = Freezetui(state, tmp_path, open_hardware=NO_CARD.open)
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await until(pilot, lambda: "Enter uses" in shown(app))
            before = shown(app).splitlines()
            for number in range(3):
                app.notify(f"A sentence that is long enough for several lines of a notification, number {number}")
            await until(pilot, lambda: "number 2" in shown(app))
            lines = shown(app).splitlines()
            assert lines[14:] == before[14:]
            assert lines[0] == before[0]

    asyncio.run(run())


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


def is_shown(app: Freezetui, screen_name: str) -> bool:
    return isinstance(app.screen, screen_class(screen_name))


async def choose_first(app: Freezetui, pilot: Pilot[int], words: str) -> None:
    """Take the first of the menu's commands that are like `words`."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: "Type to search" in shown(app))
    await pilot.press(*words)
    hits = app.screen.query_one(CommandList)
    await until(pilot, lambda: hits.highlighted == 0 and words in str(hits.get_option_at_index(0).prompt))
    await pilot.press("enter")


class ManyKeys(App[None]):
    """More keys than a narrow window has room for."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding(key, f"press('{key}')", f"the key {key}") for key in "abcdef"]

    def compose(self) -> ComposeResult:
        yield KeyFooter(show_command_palette=False)


def test_the_footer_shows_no_key_that_is_cut_off() -> None:
    """Keys that have no room are left out whole, and come back in a wider window."""

    async def script() -> None:
        app = ManyKeys()
        async with app.run_test(size=(40, 5)) as pilot:
            footer = app.query_one(KeyFooter)

            def ends() -> list[int]:
                return [key.virtual_region.right for key in footer.children if key.display]

            for width, shown_keys in ((40, 3), (200, 6), (30, 2)):
                await pilot.resize_terminal(width, 5)
                await until(pilot, lambda count=shown_keys: len(ends()) == count)
                assert ends()[-1] <= width

    asyncio.run(script())
