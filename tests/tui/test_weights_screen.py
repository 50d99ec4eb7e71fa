"""The Weights screen: three starts, files that are here, files that are fetched, and files that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from textual.pilot import Pilot

from engine.network.detector import build_network
from engine.network.registry import Address
from engine.runs.folder import save_plan
from engine.weights.download.registry import KNOWN
from engine.weights.native import info_of, save_weights
from tests.small_training import plan_and_dataset, prepare
from tests.tui.driving import drive, shown, until
from tests.weights_server import OFFICIAL, WeightsServer, weights_server
from tui.app import Freezetui
from tui.dialogs.confirm_scratch import ConfirmScratchDialog
from tui.dialogs.folder_picker import FolderPicker
from tui.screens.weights import WeightsScreen
from tui.widgets.download_bar import DownloadBar
from tui.widgets.label import Label
from tui.widgets.path_input import PathInput
from tui.widgets.radio_list import RadioList
from tui.wizard.weights_catalog import weights_options

__all__ = ["weights_server"]


def said(app: Freezetui, where: str) -> str:
    return str(app.screen.query_one(where, Label).content)


async def suggested(app: Freezetui, pilot: Pilot[int], sentence: str) -> None:
    await until(pilot, lambda: sentence in said(app, "#enter-hint"))


async def reported(app: Freezetui, pilot: Pilot[int], sentence: str) -> None:
    await until(pilot, lambda: sentence in said(app, "#report-text"))


def tiny_weights(path: Path, network: str = "yolov4-tiny", classes: tuple[str, ...] = ("a", "b")) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    made = build_network(network, len(classes))
    save_weights(path, made, info_of(made, classes, (64, 64)))


def test_enter_fetches_what_is_recommended_and_goes_on(tmp_path: Path, weights_server: WeightsServer) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter downloads yolov4-tiny.weights (23.1 MiB) and continues.")
        assert "● Whole network (recommended)" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "recipe")

    state = drive(tmp_path, script, screen_name="weights")
    assert state.start == "whole"
    assert state.model_path is None
    assert (tmp_path / "model_data" / "yolov4-tiny.weights").stat().st_size == OFFICIAL.bytes


def test_fetching_shows_how_far_it_is_and_escape_stops_it(tmp_path: Path, weights_server: WeightsServer) -> None:
    weights_server.halting = True

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter downloads")
        await pilot.press("enter")
        await until(pilot, lambda: "11.6 MiB / 23.1 MiB" in shown(app))
        assert app.screen.query_one(DownloadBar).display
        assert "Esc stops it" in said(app, "#enter-hint")
        await pilot.press("enter")
        await pilot.pause()
        assert "Still downloading" in said(app, "#validation-error")
        await pilot.press("escape")
        await until(pilot, lambda: "The download was stopped" in said(app, "#validation-error"))
        assert app.state.screen_name == "weights"
        assert not app.screen.query_one(DownloadBar).display
        await pilot.press("escape")
        await pilot.pause()
        assert app.state.screen_name == "data"

    drive(tmp_path, script, screen_name="weights")
    part = tmp_path / "model_data" / "yolov4-tiny.weights.part"
    assert part.stat().st_size == OFFICIAL.bytes // 2


def test_leaving_the_wizard_stops_a_download(tmp_path: Path, weights_server: WeightsServer) -> None:
    weights_server.halting = True

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter downloads")
        await pilot.press("enter")
        await until(pilot, lambda: "11.6 MiB / 23.1 MiB" in shown(app))

    drive(tmp_path, script, screen_name="weights")  # ends, though the server never would
    assert not (tmp_path / "model_data" / "yolov4-tiny.weights").exists()


def test_where_nothing_can_be_reached_the_file_that_would_do_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    nobody = replace(OFFICIAL, sources=(Address("http://127.0.0.1:1/yolov4-tiny.weights"),))
    monkeypatch.setitem(KNOWN, OFFICIAL.name, nobody)  # type: ignore[arg-type]

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter downloads")
        await pilot.press("enter")
        await reported(app, pilot, "could not be")
        sentence = said(app, "#report-text")
        assert f"copy the file of 24,251,276 bytes into {tmp_path / 'model_data'}" in sentence
        assert "choose another file" in said(app, "#validation-error")
        assert app.state.screen_name == "weights"
        assert app.screen.query_one("#body").max_scroll_y == 0

    drive(tmp_path, script, screen_name="weights")


def test_a_file_in_model_data_is_offered_with_what_would_be_taken_over(
    tmp_path: Path, weights_server: WeightsServer
) -> None:
    prepare(tmp_path, 12)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "start.pth" in shown(app))
        await pilot.press("tab", "down")
        await reported(app, pilot, "21 of 21 convolutions (weights of a run).")
        await suggested(app, pilot, "Enter starts from the whole network in start.pth.")
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "recipe"

    state = drive(tmp_path, script, screen_name="weights", data=str(tmp_path / "data"))
    assert state.model_path == str(tmp_path / "model_data" / "start.pth")


def test_weights_of_runs_are_offered_and_other_classes_are_no_obstacle(
    tmp_path: Path, weights_server: WeightsServer
) -> None:
    prepare(tmp_path, 12)
    (tmp_path / "model_data" / "start.pth").unlink()
    tiny_weights(tmp_path / "logs" / "loss_2026_01_02_03_04_05" / "best_epoch_weights.pth")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "loss_2026_01_02_03_04_05" in shown(app))
        assert "best weights of this run" in shown(app)
        await pilot.press("tab", "down")
        await reported(app, pilot, "19 of 21 convolutions")
        assert "since the file has 2 classes and the network 3" in said(app, "#report-text")

    drive(tmp_path, script, screen_name="weights", data=str(tmp_path / "data"))


def test_runs_of_another_network_are_not_offered(tmp_path: Path) -> None:
    prepare(tmp_path, 12)
    plan, _dataset = plan_and_dataset(tmp_path)
    for name, network in (("loss_2026_01_02_03_04_05", "yolov4"), ("loss_2026_01_02_03_04_06", "yolov4-tiny")):
        run = tmp_path / "logs" / name
        tiny_weights(run / "best_epoch_weights.pth")
        save_plan(run, replace(plan, recipe=plan.recipe.model_copy(update={"network": network})))
    names = [option.name for option in weights_options("yolov4", tmp_path) if option.kind == "run"]
    assert names == ["loss_2026_01_02_03_04_05"]


def test_the_mark_is_at_the_file_that_enter_takes(tmp_path: Path, weights_server: WeightsServer) -> None:
    prepare(tmp_path, 12)
    mine = tmp_path / "elsewhere" / "mine.pth"
    tiny_weights(mine)

    def marks(app: Freezetui) -> list[str]:
        files = app.screen.query_one("#files", RadioList)
        prompts = (str(files.get_option_at_index(index).prompt) for index in range(files.option_count))
        return [prompt.split()[1] for prompt in prompts if prompt.startswith("●")]

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: marks(app) == ["yolov4-tiny.weights"])
        field = app.screen.query_one("#file", PathInput)
        field.value = str(mine)
        await suggested(app, pilot, "Enter starts from the whole network in mine.pth.")
        assert marks(app) == []
        field.value = "start.pth"
        await suggested(app, pilot, "Enter starts from the whole network in start.pth.")
        assert marks(app) == ["start.pth"]
        assert app.state.model_path == str(tmp_path / "model_data" / "start.pth")
        field.value = ""
        await suggested(app, pilot, "Enter downloads yolov4-tiny.weights")
        assert marks(app) == ["yolov4-tiny.weights"]

    drive(tmp_path, script, screen_name="weights", data=str(tmp_path / "data"))


def test_weights_of_another_network_are_refused_until_that_network_is_chosen(
    tmp_path: Path, weights_server: WeightsServer
) -> None:
    path = tmp_path / "elsewhere [1]" / "mine.pth"
    tiny_weights(path)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter downloads yolov4.weights")
        app.screen.query_one("#file", PathInput).value = str(path)
        await reported(app, pilot, "these are weights of yolov4-tiny, not of yolov4")
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "weights"
        assert "cannot be used" in said(app, "#validation-error")
        await pilot.press("f2")
        await reported(app, pilot, "19 of 21 convolutions")
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "recipe"

    state = drive(tmp_path, script, screen_name="weights", settings={"network": "yolov4"})
    assert state.settings == {}
    assert state.model_path == str(path)


def test_what_is_no_weights_file_is_said(tmp_path: Path, weights_server: WeightsServer) -> None:
    (tmp_path / "notes.pth").write_text("no weights", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter downloads")
        field = app.screen.query_one("#file", PathInput)
        field.value = str(tmp_path / "nots.pth")
        await reported(app, pilot, "There is no nots.pth in")
        assert "did you mean notes.pth?" in said(app, "#report-text")
        await pilot.press("enter")
        await pilot.pause()
        assert "There is no file" in said(app, "#validation-error")
        field.value = str(tmp_path / "notes.pth")
        await reported(app, pilot, "this is not a weights file")
        field.value = ""
        await suggested(app, pilot, "Enter downloads")

    drive(tmp_path, script, screen_name="weights")


def test_the_backbone_comes_out_of_the_official_file(tmp_path: Path, weights_server: WeightsServer) -> None:
    (tmp_path / "model_data").mkdir()
    (tmp_path / "model_data" / OFFICIAL.name).write_bytes(weights_server.content)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter starts from the whole network in yolov4-tiny.weights.")
        await pilot.press("down")
        await reported(app, pilot, "15 of 21 convolutions (Darknet, whole).")
        assert not app.screen.query_one("#files").display
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "recipe"

    assert drive(tmp_path, script, screen_name="weights").start == "backbone"


def test_scratch_asks_twice_and_says_why(tmp_path: Path, weights_server: WeightsServer) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScratchDialog))
        assert "detects badly" in said(app, "#details")
        await pilot.press("enter")  # no is the answer that needs no thought
        await until(pilot, lambda: isinstance(app.screen, WeightsScreen))
        await until(pilot, lambda: app.screen.query_one("#start", RadioList).highlighted == 0)
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScratchDialog))
        await pilot.press("s")
        await until(pilot, lambda: "Are you sure?" in shown(app))
        assert "more than ten thousand images" in said(app, "#details")
        assert app.state.start != "scratch"
        await pilot.press("s")
        await until(pilot, lambda: app.state.screen_name == "recipe")

    assert drive(tmp_path, script, screen_name="weights").start == "scratch"


@pytest.mark.parametrize("named", ["whole path", "name in model_data"])
def test_what_was_chosen_is_chosen_again_and_nothing_overflows(
    tmp_path: Path, weights_server: WeightsServer, named: str
) -> None:
    prepare(tmp_path, 12)
    chosen = str(tmp_path / "model_data" / "start.pth")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "● start.pth" in shown(app))
        assert app.screen.query_one("#body").max_scroll_y == 0
        assert app.state.model_path == chosen

    path = chosen if named == "whole path" else "start.pth"
    drive(tmp_path, script, screen_name="weights", start="whole", model_path=path, data=str(tmp_path / "data"))


def test_a_file_is_chosen_from_the_tree_where_enter_opens_folders(
    tmp_path: Path, weights_server: WeightsServer
) -> None:
    tiny_weights(tmp_path / "model_data" / "deeper" / "mine.pth")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await suggested(app, pilot, "Enter downloads")
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, FolderPicker))
        await until(pilot, lambda: "deeper" in shown(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "mine.pth" in shown(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, WeightsScreen))
        await reported(app, pilot, "19 of 21 convolutions")

    state = drive(tmp_path, script, screen_name="weights")
    assert state.model_path == str(tmp_path / "model_data" / "deeper" / "mine.pth")
