"""The path: walked by Enter, back without loss, kept between two starts."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input
from textual.widgets._footer import FooterKey

from tests.tui.driving import drive, shown, until
from tui.app import Freezetui
from tui.dialogs.help import HelpDialog
from tui.dialogs.number_prompt import epochs_prompt
from tui.wizard.state import WizardState, load_state, save_state, state_file
from tui.wizard.steps import SCREEN_ORDER


def test_escape_goes_back_and_the_way_forward_stays_open(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.press("escape")
        assert app.state.screen_name == "weights"
        assert app.state.was_visited("recipe")

    assert drive(tmp_path, script, screen_name="recipe", furthest_screen="recipe", data="somewhere").data == "somewhere"


def test_the_language_changes_while_running(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert "Hardware" in shown(app)
        app.set_language("zh_CN")
        await pilot.pause()
        assert "硬件" in shown(app)

    drive(tmp_path, script)


def test_a_small_window_is_told_so_and_loses_nothing(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert "60x20" in shown(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "Hardware of this machine" in shown(app)

    drive(tmp_path, script)


def test_a_dialog_does_not_cover_that_the_window_is_too_small(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        app.push_screen(epochs_prompt(3, 1))
        await until(pilot, lambda: "How many epochs" in shown(app))
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: "60x20" in shown(app) and "How many epochs" not in shown(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "How many epochs" in shown(app))
        await pilot.press("9")
        assert app.screen.query_one(Input).value.endswith("9")

    drive(tmp_path, script)


def test_f1_in_a_dialog_explains_the_dialog(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        app.push_screen(epochs_prompt(3, 1))
        await until(pilot, lambda: "How many epochs" in shown(app))
        await pilot.press("f1")
        await until(pilot, lambda: "Type a whole number" in shown(app))

    drive(tmp_path, script)


def test_the_first_screen_offers_no_way_back(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert "esc" not in shown(app).splitlines()[-1]
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "data" and "esc" in shown(app).splitlines()[-1])

    drive(tmp_path, script)


def test_f1_explains_and_closes(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.press("f1")
        await pilot.pause()
        assert "Esc closes this." in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: "Esc closes this." not in shown(app))

    drive(tmp_path, script)


def test_the_state_survives_and_a_damaged_file_is_a_fresh_start(tmp_path: Path) -> None:
    state = WizardState(
        data="图片 [1]",
        mapping={"ball": "sphere"},
        settings={"seed": 3},
        screen_name="tune",
        furthest_screen=SCREEN_ORDER[5],
    )
    save_state(state, tmp_path)
    assert load_state(tmp_path) == state
    for damage in (
        '{"format_version": 1, "place": "nowhere"}',
        "[]",
        '{"format_ver',
        '{"format_version": 1, "new": 2}',
    ):
        state_file(tmp_path).write_text(damage, encoding="utf-8")
        assert load_state(tmp_path) == WizardState()


@pytest.mark.parametrize(("key", "data"), [("enter", "somewhere [old]"), ("n", None)])
def test_another_day_one_is_asked_whether_to_go_on(tmp_path: Path, key: str, data: str | None) -> None:
    state = WizardState(data="somewhere [old]", screen_name="recipe", furthest_screen="recipe", language="en")

    async def run() -> None:
        app = Freezetui(state, tmp_path, offer_resume=True)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "somewhere [old]" in shown(app)
            await pilot.press(key)
            await until(pilot, lambda: "Continue your last session?" not in shown(app))

    asyncio.run(run())
    assert state.data == data


def test_screens_that_were_closed_leave_no_keys_behind(tmp_path: Path) -> None:
    def alive() -> int:
        gc.collect()
        return sum(type(one) is FooterKey for one in gc.get_objects())

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.hardware is not None)
        shown_now = len(app.screen.query(FooterKey))
        for _time in range(4):
            await pilot.press("f1")
            await until(pilot, lambda: isinstance(app.screen, HelpDialog))
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, HelpDialog))
        await until(pilot, lambda: alive() <= 2 * shown_now)

    drive(tmp_path, script)
