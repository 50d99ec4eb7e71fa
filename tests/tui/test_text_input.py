"""Typing into a field that has just got the focus replaces its text, however it got the focus."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.dataset.class_mapping import ClassNames
from tests.tui.driving import drive, until
from tui.app import Freezetui
from tui.dialogs.class_names import ClassNamesDialog
from tui.dialogs.number_prompt import NumberPrompt
from tui.dialogs.prediction import PredictionDialog
from tui.dialogs.save_preset import SavePresetDialog

TUNE = {"screen_name": "tune", "preset": "modern-whole", "start": "whole"}


def epochs(app: Freezetui) -> Input:
    return app.screen.query_one("#field-unfreeze_epoch Input", Input)


@pytest.mark.parametrize("way", ["tab", "down", "click", "focus"])
def test_a_number_of_a_setting_is_replaced(tmp_path: Path, way: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        field = epochs(app)
        assert field.value == "50"
        if way == "click":
            await pilot.click(field, offset=(1, 0))
        elif way == "focus":
            field.focus()
        while app.focused is not field:
            await pilot.press(way)
            await pilot.pause()
        await pilot.press("2", "0", "0")
        await until(pilot, lambda: field.value == "200")
        assert app.state.settings["unfreeze_epoch"] == 200

    drive(tmp_path, script, size=(120, 40), **TUNE)


def test_a_second_click_places_the_cursor(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        field = epochs(app)
        await pilot.click(field, offset=(1, 0))
        await pilot.click(field, offset=(1, 0))
        await pilot.press("1")
        await until(pilot, lambda: field.value == "510")

    drive(tmp_path, script, size=(120, 40), **TUNE)


def test_what_is_typed_stays_when_the_help_was_read(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        field = epochs(app)
        field.focus()
        await pilot.pause()
        await pilot.press("1", "2", "f1")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("0")
        await until(pilot, lambda: field.value == "120")

    drive(tmp_path, script, size=(120, 40), **TUNE)


def test_the_path_of_the_data_is_replaced_and_can_be_completed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        field = app.screen.query_one("#path", Input)
        assert app.focused is field
        await pilot.press("slash", "x")
        await until(pilot, lambda: field.value == "/x")
        field.value = str(tmp_path / "ot")
        field.cursor_position = len(field.value)
        await pilot.press("tab")
        await until(pilot, lambda: Path(field.value) == tmp_path / "other")
        await pilot.press("z")
        await until(pilot, lambda: field.value.endswith("z"))
        assert field.value.startswith(str(tmp_path))

    drive(tmp_path, script, screen_name="data", data=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["number", "preset", "images", "class"])
def test_a_dialog_that_suggests_a_text_lets_it_be_replaced(tmp_path: Path, name: str) -> None:
    dialogs = {
        "number": lambda: NumberPrompt("How many?", "", suggested=50, minimum=1, maximum=1000),
        "preset": lambda: SavePresetDialog("mine", lambda _name, _replace: None),
        "images": lambda: PredictionDialog(tmp_path / "run", str(tmp_path)),
        "class": lambda: ClassNamesDialog(ClassNames({"ball": 3}, ()), None, {"ball": "old"}),
    }

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        app.push_screen(dialogs[name]())  # type: ignore[arg-type]
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.pause()
        field = app.focused
        assert isinstance(field, Input)
        assert field.value
        await pilot.press("7", "5")
        await until(pilot, lambda: field.value == "75")

    drive(tmp_path, script, size=(120, 40), screen_name="hardware")
