"""Recipe: cards of presets, the recommended one first with its reason."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.hardware import Card, Driver, Hardware, Memory, Processor, TorchBuild
from engine.plan import DataSource
from engine.planning.dry_run.dry_run import dry_run
from engine.planning.request import PlanRequest
from engine.planning.request import prepare as prepare_plan
from engine.recipe.presets import find_preset, list_presets, save_preset
from tests.small_training import prepare
from tests.tui.driving import NO_CARD, drive, shown, until, until_shown
from tests.tui.entered import MEASURED
from tui.app import Freezetui
from tui.text import _, set_language
from tui.text.presets import preset_summary
from tui.widgets.goal_choice import GoalChoice
from tui.widgets.label import Label
from tui.widgets.preset_list import PresetList
from tui.wizard.cli_equivalent import command_words
from tui.wizard.recipe_draft import draft_of, recipe_draft
from tui.wizard.recommendation import GOAL_NAMES, recommend
from tui.wizard.state import WizardState

PROCESSOR_ONLY = Hardware(Processor("a processor", 4), Memory(16 * 2**30, 8 * 2**30), None, TorchBuild("2.14.0"))
CARD = Card(0, "RTX 3060", cuda_index=0, memory_total=12 * 2**30, memory_free=7 * 2**30, capability=(8, 6))
WITH_CARD = replace(PROCESSOR_ONLY, cards=(CARD,), driver=Driver("580", (13, 0)))
NAMES = {preset.name for preset in list_presets()}


async def ready(app: Freezetui, pilot: Pilot[int]) -> None:
    await until(pilot, lambda: "recommended" in shown(app))


@pytest.mark.parametrize(
    ("hardware", "start", "images", "preset", "said"),
    [
        (PROCESSOR_ONLY, "whole", None, "quick-cpu", "processor"),
        (PROCESSOR_ONLY, "whole", 130, "quick-cpu", "130 images"),
        (WITH_CARD, "whole", 5000, "modern-whole", "whole network"),
        (WITH_CARD, "whole", 80, "modern-whole", "80 training images"),
        (WITH_CARD, "backbone", 80, "modern-backbone", "backbone"),
        (WITH_CARD, "scratch", 80, "modern-scratch", "10000"),
        (replace(WITH_CARD, cards=(replace(CARD, memory_free=2**30),)), None, 80, "modern-freeze-only", "1.0 GiB"),
    ],
)
def test_hardware_data_and_weights_decide_what_is_recommended(
    hardware: Hardware, start: str | None, images: int | None, preset: str, said: str
) -> None:
    set_language("en")
    found = recommend(NAMES, hardware, start, images)  # type: ignore[arg-type]
    assert found.preset == preset
    assert said in found.reason


def test_enter_takes_the_recommendation(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        lines = shown(app).splitlines()
        ours = next(number for number, line in enumerate(lines) if "freezetui's presets" in line)
        assert "recommended" in lines[ours + 1]
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "tune")

    state = drive(tmp_path, script, screen_name="recipe", start="whole")
    usable = recommend(NAMES, PROCESSOR_ONLY, "whole", None).preset
    assert state.preset in (usable, "modern-whole", "modern-freeze-only")


def test_the_reason_counts_the_images(tmp_path: Path) -> None:
    prepare(tmp_path)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "16 " in shown(app) and "recommended" in shown(app))

    drive(tmp_path, script, screen_name="recipe", start="whole", data=str(tmp_path / "data"), size=(120, 40))


def test_a_tutorials_preset_brings_its_own_start_along_and_keeps_what_was_changed(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        cards = app.screen.query_one(PresetList)
        cards.highlighted = cards.get_option_index("tutorial-backbone-adam")
        await until(pilot, lambda: "starts from: a backbone" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "tune")

    settings = {"seed": 5, "unfreeze_epoch": 100}
    state = drive(tmp_path, script, screen_name="recipe", start="whole", preset="modern-whole", settings=settings)
    assert (state.preset, state.start) == ("tutorial-backbone-adam", "backbone")
    assert find_preset("tutorial-backbone-adam").recipe().unfreeze_epoch == 100
    assert state.settings == {"seed": 5}


def test_what_the_user_highlights_stays_when_the_hardware_is_looked_at_again(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        await pilot.press("down", "down")
        selected = app.screen.query_one(PresetList).selected
        await until(pilot, lambda: selected is not None and f"Enter uses: {selected.title}" in shown(app))
        app.hardware = WITH_CARD
        await pilot.pause()
        assert app.screen.query_one(PresetList).selected == selected

    drive(tmp_path, script, screen_name="recipe", start="whole")


def test_f1_says_what_the_preset_sets_and_what_that_means(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        cards = app.screen.query_one(PresetList)
        cards.highlighted = cards.get_option_index("quick-cpu")
        await pilot.press("f1")
        await until(pilot, lambda: "input_shape = 320 x 320" in shown(app))
        assert "Input height and width" in shown(app).replace("\n", " ")

    drive(tmp_path, script, screen_name="recipe")


def test_a_preset_of_the_workspace_is_a_card_and_an_impossible_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    mine = '[preset]\ntitle = "Mine [/b] 图"\nsummary = "brackets"\norder = -1\n'
    (tmp_path / "presets" / "mine.toml").write_text("unfreeze_epoch = 4\n" + mine, encoding="utf-8")
    (tmp_path / "presets" / "bad.toml").write_text("unfreeze_epoch = -4\n", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        # Without spaces, since lines end wherever the length of the path makes them end.
        assert "bad.toml:unfreeze_epoch:-4isnotpossible" in "".join(shown(app).split())
        cards = app.screen.query_one(PresetList)
        cards.highlighted = cards.get_option_index("mine")
        await until(pilot, lambda: "Enter uses: Mine [/b] 图" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "tune")

    assert drive(tmp_path, script, screen_name="recipe").preset == "mine"


def test_a_damaged_file_in_the_workspace_is_named_and_ours_are_there(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "broken.toml").write_text("= =", encoding="utf-8")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        assert "broken.toml" in shown(app).replace("\n", "").replace(" ", "")

    drive(tmp_path, script, screen_name="recipe", size=(160, 40))


def goals(app: Freezetui) -> str:
    return str(app.screen.query_one(GoalChoice).content)


def test_g_switches_between_a_good_result_and_a_first_look_each_with_its_time(tmp_path: Path) -> None:
    prepare(tmp_path)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "● a good result: 200 epochs, 397 steps, about" in shown(app))
        assert "○ a first look: 77 epochs, 151 steps, about" in shown(app)
        assert "G switches to it" in shown(app)
        assert "With 16 training images, more images help most." in shown(app)
        await pilot.press("g")
        await until(pilot, lambda: "● a first look" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "tune")
        draft = recipe_draft(app.state, tmp_path)
        assert draft.recipe().unfreeze_epoch == 77
        assert "unfreeze_epoch=77" in command_words(draft, DataSource("data"), tmp_path)

    state = drive(
        tmp_path, script, screen_name="recipe", data=str(tmp_path / "data"), start="whole", model_path="start.pth"
    )
    assert (state.goal, state.train_images, state.settings) == ("first_look", 16, {})


def test_presets_that_are_to_be_repeated_as_they_are_have_no_goals(tmp_path: Path) -> None:
    prepare(tmp_path)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "a good result" in goals(app))
        cards = app.screen.query_one(PresetList)
        for name, title in (("tutorial-whole-adam", "Tutorial: whole, Adam"), ("modern-scratch", "From scratch")):
            cards.highlighted = cards.get_option_index(name)
            await until_shown(app, pilot, f"Enter uses: {title}")
            await until(pilot, lambda: not app.screen.query_one(GoalChoice).display and "other goal" not in shown(app))

    drive(tmp_path, script, screen_name="recipe", data=str(tmp_path / "data"), start="whole")


def test_enter_waits_until_the_images_are_counted(tmp_path: Path) -> None:
    prepare(tmp_path)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.screen.query_one(PresetList).selected is not None)
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "tune")

    state = drive(
        tmp_path,
        script,
        screen_name="recipe",
        data=str(tmp_path / "data"),
        start="whole",
        model_path="start.pth",
        preset="quick-cpu",
    )
    assert recipe_draft(state, tmp_path).recipe().unfreeze_epoch == 200


def test_a_saved_preset_is_not_suggested_for_the_next_training_but_one_that_was_chosen_is(tmp_path: Path) -> None:
    save_preset(tmp_path, "mine", {"unfreeze_epoch": 9}, "mine", "Mine.")

    def highlighted(**entered: object) -> str:
        found: list[str] = []

        async def script(app: Freezetui, pilot: Pilot[int]) -> None:
            await ready(app, pilot)
            selected = app.screen.query_one(PresetList).selected
            assert selected is not None
            found.append(selected.name)

        drive(tmp_path, script, screen_name="recipe", preset="mine", **entered)
        return found[0]

    assert highlighted() == "mine"
    saved = WizardState(data="a", preset="mine", preset_origin="saved")
    saved.set_data("a")
    assert highlighted(preset_origin=saved.preset_origin) == "mine"  # the same training: going back loses nothing
    saved.set_data("b")
    assert highlighted(preset_origin=saved.preset_origin) == "quick-cpu"
    chosen = WizardState(data="a", preset="mine")
    chosen.set_data("b")
    assert highlighted(preset_origin=chosen.preset_origin) == "mine"


def test_settings_of_an_earlier_training_are_named_and_can_be_reset(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        await until(pilot, lambda: "2 settings of yours apply too" in shown(app))
        assert "input_shape = 320 x 320, unfreeze_epoch = 7. Ctrl+R resets them." in " ".join(shown(app).split())
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "of yours" not in shown(app))

    settings = {"input_shape": [320, 320], "unfreeze_epoch": 7, "network": "yolov4"}
    state = drive(tmp_path, script, screen_name="recipe", preset="modern-whole", settings=settings)
    assert state.settings == {"network": "yolov4"}


def test_the_hint_has_no_parentheses_within_parentheses(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await ready(app, pilot)
        cards = app.screen.query_one(PresetList)
        for preset in list_presets():
            cards.highlighted = cards.get_option_index(preset.name)
            await pilot.pause()
            hint = str(app.screen.query_one("#enter-hint", Label).content)
            assert preset.title in hint
            assert not re.search(r"\([^()]*\(", hint), hint

    drive(tmp_path, script, screen_name="recipe", start="whole")


def test_a_saved_preset_says_in_any_language_what_it_is_based_on(tmp_path: Path) -> None:
    save_preset(tmp_path, "mine", {"seed": 3}, "mine", "Saved in the wizard, based on quick-cpu.", based_on="quick-cpu")
    preset = find_preset("mine", tmp_path)
    assert preset.based_on == "quick-cpu"
    set_language("zh_CN")
    try:
        assert preset_summary(preset) == _("Saved in the wizard, based on {preset}.", preset="quick-cpu")
        assert preset_summary(preset) != preset.summary
    finally:
        set_language("en")
    assert preset_summary(preset) == preset.summary


def test_f1_shows_the_epochs_that_are_adapted_to_the_data_set(tmp_path: Path) -> None:
    prepare(tmp_path)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "recommended", "a good result")
        await pilot.press("f1")
        await until_shown(app, pilot, "unfreeze_epoch = 200")
        assert "the preset has 12" in " ".join(shown(app).replace("│", "").split())

    drive(tmp_path, script, screen_name="recipe", start="whole", data=str(tmp_path / "data"), size=(120, 40))


def test_a_time_that_was_measured_replaces_the_estimate(tmp_path: Path) -> None:
    prepare(tmp_path)
    data = str(tmp_path / "data")
    state = WizardState(data=data, start="whole", model_path="start.pth", preset="quick-cpu", train_images=16)
    source = DataSource(data)
    for goal in GOAL_NAMES:
        recipe = draft_of(state, find_preset("quick-cpu"), goal).recipe()
        prepared = prepare_plan(PlanRequest(recipe, source, NO_CARD.hardware, tmp_path, check_amp=False))
        dry_run(prepared.plan, prepared.dataset, NO_CARD.hardware, call=lambda *_: asdict(MEASURED))

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "as measured")
        assert "about" not in "".join(line for line in shown(app).splitlines() if "epochs" in line and "steps" in line)

    entered = {"data": data, "start": "whole", "model_path": "start.pth", "train_images": 16}
    drive(tmp_path, script, screen_name="recipe", size=(120, 40), **entered)


def test_every_preset_has_a_summary_of_its_own() -> None:
    summaries = [preset.summary for preset in list_presets()]
    assert len(set(summaries)) == len(summaries)
