"""Weights that a preset or a Plan needs are downloaded where they are needed."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from engine.recipe.presets import find_preset
from tests.tui.driving import drive, shown, until
from tests.weights_server import OFFICIAL, WeightsServer, weights_server
from tui.app import Freezetui
from tui.widgets.label import Label
from tui.widgets.preset_list import PresetList
from tui.wizard.recipe_draft import apply_preset
from tui.wizard.state import WizardState

__all__ = ["weights_server"]


def hint(app: Freezetui) -> str:
    return str(app.screen.query_one("#enter-hint", Label).content)


def problem(app: Freezetui) -> str:
    return str(app.screen.query_one("#validation-error", Label).content)


async def highlight(app: Freezetui, pilot: Pilot[int], name: str) -> None:
    presets = app.screen.query_one(PresetList)
    await until(pilot, lambda: presets.option_count > 0)
    presets.highlighted = presets.get_option_index(name)
    await pilot.pause()


def test_a_card_says_which_network_and_file_the_preset_brings(tmp_path: Path, weights_server: WeightsServer) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await highlight(app, pilot, "tutorial-whole-adam")
        await until(pilot, lambda: "switches to yolov4, downloads yolov4.weights (246 MiB)" in hint(app))
        assert "switches to yolov4, downloads yolov4.weights (246 MiB)" in shown(app)
        await highlight(app, pilot, "modern-whole")
        await until(pilot, lambda: "· downloads yolov4-tiny.weights (23.1 MiB)" in hint(app))

    # Neither do changes for another network hide it.
    settings = {"unfreeze_epoch": 2, "freeze_epoch": 1, "anchors": [[n, n] for n in range(1, 7)]}
    drive(tmp_path, script, screen_name="recipe", start="whole", size=(120, 40), settings=settings)


def test_anchors_do_not_outlive_their_preset_and_data_set(tmp_path: Path) -> None:
    state = WizardState(data="a", preset="modern-whole", settings={"anchors": [[1, 1]], "unfreeze_epoch": 4})
    apply_preset(state, find_preset("tutorial-whole-adam"))
    assert state.settings == {"unfreeze_epoch": 4}
    state.settings["anchors"] = [[1, 1]]
    state.set_data("a")
    assert "anchors" in state.settings
    state.set_data("b")
    assert "anchors" not in state.settings


def test_enter_on_a_preset_downloads_what_it_needs(tmp_path: Path, weights_server: WeightsServer) -> None:
    weights_server.halting = True

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await highlight(app, pilot, "modern-whole")
        await pilot.press("enter")
        await until(pilot, lambda: "11.6 MiB / 23.1 MiB" in shown(app))
        assert "Esc stops it" in hint(app)
        await pilot.press("enter")
        await until(pilot, lambda: "Still downloading" in problem(app))
        await pilot.press("escape")
        await until(pilot, lambda: "The download was stopped" in problem(app))
        assert app.state.screen_name == "recipe"
        weights_server.halting = False
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "tune")

    state = drive(tmp_path, script, screen_name="recipe", start="whole")
    assert state.preset == "modern-whole"
    assert (tmp_path / "model_data" / OFFICIAL.name).stat().st_size == OFFICIAL.bytes


def test_a_download_that_fails_is_said_and_nothing_is_chosen(tmp_path: Path, weights_server: WeightsServer) -> None:
    weights_server.content = b"not the file"

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await highlight(app, pilot, "modern-whole")
        await pilot.press("enter")
        await until(pilot, lambda: "could not be downloaded" in problem(app))
        assert app.state.screen_name == "recipe"
        await highlight(app, pilot, "quick-cpu")
        await until(
            pilot, lambda: not app.screen.query_one("#validation-error").display
        )  # it was about the other preset

    assert drive(tmp_path, script, screen_name="recipe", start="whole").preset is None
