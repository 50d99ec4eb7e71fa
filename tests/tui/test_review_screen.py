"""Review: the whole Plan, the same run as a command line, a preset of one's own, and the start."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.events import Event
from engine.plan import DataSource
from engine.planning.request import PreparedPlan
from engine.recipe.presets import find_preset
from engine.training.control import Control
from tests.given_hardware import GivenHardware
from tests.small_training import freezetui
from tests.test_run_lock import held_by_another_process
from tests.training_passes import PassGate, gated_passes
from tests.tui.driving import drive, shown, until
from tests.tui.entered import somewhere
from tests.tui.training import ended, held
from tui.app import Freezetui
from tui.dialogs.confirm import ConfirmDialog
from tui.screens.review import ReviewScreen
from tui.wizard.cli_equivalent import command_words, set_argument
from tui.wizard.data_source import absolute_source
from tui.wizard.dataset_inspection import check_images, inspect_dataset
from tui.wizard.recipe_draft import RecipeDraft, recipe_draft
from tui.wizard.state import WizardState


def review(app: Freezetui) -> ReviewScreen:
    assert isinstance(app.screen, ReviewScreen)
    return app.screen


async def planned(app: Freezetui, pilot: Pilot[int]) -> PreparedPlan:
    step = review(app)
    await until(pilot, lambda: step.prepared is not None)
    await pilot.pause()
    assert step.prepared is not None
    return step.prepared


def page(app: Freezetui) -> str:
    return "\n".join(str(words.content) for words in app.screen.query("PlanPage Label"))  # type: ignore[attr-defined]


def test_the_whole_plan_is_on_the_page_and_its_times_arrive(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        plan = (await planned(app, pilot)).plan
        text = page(app)
        assert str(tmp_path / "data") in text
        assert "3: ball, crate, star" in text
        assert "the whole network of start.pth" in text
        assert "unfreeze_epoch = 3  (preset: 50)" in text
        assert "steps are few" in text
        assert f"{plan.stages[1].init_lr:.2g}" in text
        step = review(app)
        await until(
            pilot,
            lambda: step.prepared is not None and step.prepared.is_timed and "measuring ..." not in page(app),
            300,
        )
        assert step.prepared is not None
        assert step.prepared.is_timed

    drive(tmp_path, script, size=(120, 40), **somewhere(tmp_path, "review", is_timed=False))


@pytest.mark.parametrize("language", ["en", "zh_CN", "pseudo"])
def test_at_80x24_it_scrolls_and_nothing_is_cut_at_the_side(tmp_path: Path, language: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        body = app.screen.query_one("#body")
        assert body.max_scroll_x == 0
        await pilot.press("end")
        await until(pilot, lambda: body.scroll_y == body.max_scroll_y > 0)
        assert "--data" in shown(app)

    drive(tmp_path, script, language=language, **somewhere(tmp_path, "review"))


def test_the_command_is_copied_and_plans_the_very_same_run(tmp_path: Path) -> None:
    workspace = tmp_path / "a place [of] 图's"
    workspace.mkdir()
    copied: list[str] = []
    plans: list[Any] = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        plans.append((await planned(app, pilot)).plan)
        await pilot.press("c")
        await pilot.pause()
        copied.append(app.clipboard)

    drive(workspace, script, **somewhere(workspace, "review", seed=5, label_smoothing=0.005, mosaic=False))
    program, command, *options = shlex.split(copied[0])
    assert (program, command) == ("freezetui", "train")
    done = freezetui("plan", *options, "--json", "--no-dry-run")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (plan,) = plans
    assert found["recipe"] == plan.to_json()["recipe"]
    assert found["data"] == plan.to_json()["data"]
    assert [stage["batch_size"] for stage in found["stages"]] == [stage.batch_size for stage in plan.stages]


def test_without_data_it_does_not_say_that_it_calculates(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "There are no training images yet" in shown(app))
        assert "Calculating" not in shown(app)

    drive(tmp_path, script, screen_name="review")


class TestCommandLine:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("model_path", "123"),
            ("model_path", "true"),
            ("model_path", 'a "b" \\ c.pth'),
            ("model_path", ""),
            ("pretrained", True),
            ("init_lr", 1e-05),
            ("input_shape", [320, 416]),
            ("anchors", [[1.5, 2.0], [3.0, 4.0]]),
            ("freeze_batch_size", "auto"),
        ],
    )
    def test_what_is_assigned_is_read_back(self, name: str, value: Any) -> None:
        from engine.recipe import parse_assignments

        assert parse_assignments([set_argument(name, value)]) == {name: value}

    def test_a_preset_of_the_other_method_is_spelled_out(self, tmp_path: Path) -> None:
        (tmp_path / "presets").mkdir()
        (tmp_path / "presets" / "mine.toml").write_text('method = "tutorial"\niou_type = "siou"\n', encoding="utf-8")
        draft = RecipeDraft(find_preset("mine", tmp_path), changes={"method": "modern"})
        words = command_words(draft, DataSource("data"), tmp_path)
        assert words[words.index("--preset") + 1] == "modern-whole"
        assert "iou_type=siou" not in words
        assert draft.recipe().method == "modern"

    def test_format_classes_and_mapping_go_along(self, tmp_path: Path) -> None:
        (tmp_path / "names.txt").write_text("a\n", encoding="utf-8")
        source = absolute_source(DataSource("data", "yolo", str(tmp_path / "names.txt"), {"x=y": "z"}), tmp_path)
        words = command_words(RecipeDraft(find_preset("quick-cpu")), source, tmp_path)
        assert words[words.index("--format") + 1] == "yolo"
        assert words[words.index("--classes") + 1] == str(tmp_path / "names.txt")
        assert words[words.index("--map") + 1] == "x=y=z"


def test_it_is_saved_as_a_preset_of_ones_own_and_never_over_another_unasked(tmp_path: Path) -> None:
    entered = somewhere(tmp_path, "review")
    saved = tmp_path / "presets" / "mine.toml"

    async def save(app: Freezetui, pilot: Pilot[int], name: str) -> None:
        await pilot.press("s")
        await until(pilot, lambda: "Name of the preset?" in shown(app))
        app.screen.query_one(Input).value = name
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        await save(app, pilot, "quick-cpu")
        assert "comes with freezetui" in shown(app)
        await pilot.press("escape")
        await save(app, pilot, "a/b")
        assert "cannot be a file name" in shown(app)
        await pilot.press("escape")
        await save(app, pilot, "mine")
        await until(pilot, saved.exists)
        assert app.state.preset == "mine"
        assert app.state.settings == {}
        assert app.state.preset_origin == "saved"
        saved.write_text("seed = 99\n", encoding="utf-8")
        await pilot.pause()
        await save(app, pilot, "mine")
        assert "Press Enter again to replace it" in shown(app)
        assert saved.read_text(encoding="utf-8") == "seed = 99\n"
        await pilot.press("enter")
        await until(pilot, lambda: "seed = 99" not in saved.read_text(encoding="utf-8"))

    before = recipe_draft(WizardState(**entered), tmp_path).recipe()
    drive(tmp_path, script, size=(120, 40), **entered)
    preset = find_preset("mine", tmp_path)
    assert preset.recipe() == before
    assert preset.settings["unfreeze_epoch"] == 3
    assert (preset.based_on, preset.summary) == ("modern-whole", "Saved in the wizard, based on modern-whole.")
    assert "optimizer_type" not in preset.settings
    assert "# The total number of epochs." in saved.read_text(encoding="utf-8")


def test_enter_starts_the_training_also_where_it_came_too_early(tmp_path: Path) -> None:
    machine = GivenHardware(is_known=False)

    async def script(app: Freezetui, pilot: Pilot[int], gate: PassGate) -> None:
        try:
            await pilot.press("enter")
            assert app.state.screen_name == "review"
            machine.is_known.set()
            await held(pilot, gate)
            assert app.training.history.steps == 1
            assert app.training.history.last_epoch == 2
            assert app.state.screen_name == "train"
            app.training.stop()
        finally:
            gate.open()
        await ended(app, pilot)

    with gated_passes(1) as gate:
        drive(
            tmp_path,
            lambda app, pilot: script(app, pilot, gate),
            open_hardware=machine.open,
            **somewhere(tmp_path, "review"),
        )


def test_the_goal_is_shown_and_a_first_look_is_no_warning(tmp_path: Path) -> None:
    entered = somewhere(tmp_path, "review")
    entered["settings"] = {name: value for name, value in entered["settings"].items() if not name.endswith("_epoch")}

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        prepared = await planned(app, pilot)
        text = page(app)
        epochs = prepared.plan.recipe.unfreeze_epoch
        assert f"a first look from 16 training images: {epochs} epochs" in text
        assert f"{prepared.plan.total_steps} steps in total: a first look; a good result takes" in text
        assert "steps are enough" not in text
        assert "steps are few" not in text

    drive(tmp_path, script, **{**entered, "goal": "first_look", "train_images": 16})


def test_images_that_cannot_be_read_are_counted_once_they_were_checked(tmp_path: Path) -> None:
    entered = somewhere(tmp_path, "review")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        prepared = await planned(app, pilot)
        assert "cannot be read" not in page(app)
        source = app.state.source
        assert source is not None
        for index in prepared.dataset.splits["val"].tolist():
            prepared.dataset.image_path(index).write_bytes(b"no image")
        inspection = inspect_dataset(source, tmp_path, app.datasets)
        assert inspection is not None
        app.inspection = check_images(inspection, lambda *_: None, lambda: False)
        app.show_screen("tune")
        await until(pilot, lambda: app.state.screen_name == "tune")
        app.show_screen("review")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await planned(app, pilot)
        count = len(prepared.dataset.splits["val"])
        assert f"{count} images cannot be read and are left out: 16 remain for training, 0 for validation." in page(app)
        assert "No validation image can be read" in page(app)

    drive(tmp_path, script, **entered)


def test_a_learning_rate_that_is_clipped_is_said(tmp_path: Path) -> None:
    settings = {"method": "tutorial", "network": "yolov4-tiny", "init_lr": 1.0}

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        assert "the tutorial method allows 0.0005 to 0.05; the freeze stage uses 0.05" in page(app)

    drive(tmp_path, script, **somewhere(tmp_path, "review", **settings))


def test_a_second_training_starts_only_where_that_is_confirmed(tmp_path: Path) -> None:
    entered = somewhere(tmp_path, "review")
    run = tmp_path / "logs" / "loss_2026_01_02_03_04_05"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        with held_by_another_process(run) as holder:
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
            assert f"process {holder.pid}" in " ".join(shown(app).replace("│", "").split())
            await pilot.press("enter")  # by habit
            await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
            assert not app.is_training
            assert app.approved_plan is None

    drive(tmp_path, script, size=(120, 40), **entered)


def test_while_a_training_runs_enter_shows_it_and_says_so(tmp_path: Path) -> None:
    entered = somewhere(tmp_path, "review")
    may_end = threading.Event()

    def events(_: Control) -> Iterator[Event]:
        may_end.wait()
        yield from ()

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        assert "start training" in shown(app).splitlines()[-1]
        try:
            app.training.follow(events)
            await until(pilot, lambda: "show training" in shown(app).splitlines()[-1])
            assert "A training is running; Enter shows it." in shown(app)
        finally:
            may_end.set()
        await until(pilot, lambda: "start training" in shown(app).splitlines()[-1])
        assert "Enter starts the training." in shown(app)

    drive(tmp_path, script, **entered)
