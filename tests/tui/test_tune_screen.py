"""Tune: a form from the model, errors beside the field while typing, what follows from it live."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from engine.dataset.anchors import AnchorFit, AnchorSuggestion
from engine.hardware import Hardware, Memory
from engine.network.registry import NETWORKS
from engine.planning.dry_run.dry_run import DryRunResult
from engine.planning.request import PreparedPlan
from engine.recipe import Recipe, make_recipe, to_plain_value
from tests.dataset_on_disk import write_image, write_text
from tests.given_hardware import PROCESSOR_ONLY, GivenHardware
from tests.small_training import plan_and_dataset, prepare
from tests.tui.driving import drive, shown, until
from tests.tui.entered import somewhere
from tui.app import Freezetui
from tui.screens.tune import TuneScreen
from tui.widgets.cycle_select import CycleSelect
from tui.widgets.field_row import FieldRow
from tui.wizard.anchor_offer import AnchorCheck, check_anchors
from tui.wizard.free_memory import FreeMemoryMonitor
from tui.wizard.recipe_fields import FIELD_GROUPS, recipe_fields
from tui.wizard.setting_notes import Note


def tune(app: Freezetui) -> TuneScreen:
    assert isinstance(app.screen, TuneScreen)
    return app.screen


def row(app: Freezetui, name: str) -> FieldRow:
    return app.screen.query_one(f"#field-{name}", FieldRow)


def note(app: Freezetui, name: str) -> str:
    return str(row(app, name).query_one(".field-note").content)  # type: ignore[attr-defined]


def notices(app: Freezetui) -> list[str]:
    """The first sentence of each message that is shown beside the screen."""
    return [notice.message.split(" The training")[0] for notice in app._notifications]


async def enter(app: Freezetui, pilot: Pilot[int], name: str, text: str) -> None:
    editor = row(app, name).query_one(Input)
    editor.focus()
    editor.value = ""
    await pilot.pause()
    await pilot.press(*({".": "full_stop", "-": "minus", " ": "space"}.get(key, key) for key in text))
    await pilot.pause()


async def planned(app: Freezetui, pilot: Pilot[int]) -> PreparedPlan:
    step = tune(app)
    await until(pilot, lambda: step.prepared is not None)
    assert step.prepared is not None
    return step.prepared


class TestFields:
    def test_there_is_one_for_every_setting_that_leaves_a_choice(self) -> None:
        assert {field.name for field in recipe_fields()} == set(Recipe.model_fields) - {"format_version"}

    @pytest.mark.parametrize("field", recipe_fields(), ids=lambda field: field.name)
    def test_what_a_field_shows_it_reads_again(self, field: Any) -> None:
        default = to_plain_value(getattr(make_recipe({}), field.name))
        if not field.choices:
            assert field.parse(field.text(default)) == default
        assert field.description
        assert field.allowed

    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("input_shape", "608x416", [416, 608]),
            ("input_shape", "608 × 416", [416, 608]),
            ("input_shape", "320", [320, 320]),
            ("input_shape", "[320, 416]", [320, 416]),
            ("devices", "0, 1", [0, 1]),
            ("devices", "", []),
            ("anchors", "[[1,2],[3,4]]", [[1, 2], [3, 4]]),
            ("freeze_batch_size", "auto", "auto"),
            ("freeze_batch_size", " 8 ", 8),
            ("init_lr", "1e-3", 0.001),
            ("weight_decay", "0", 0.0),
            ("model_path", "123", "123"),
        ],
    )
    def test_people_write_values_in_many_ways(self, name: str, text: str, value: Any) -> None:
        field = next(field for field in recipe_fields() if field.name == name)
        read = field.parse(text)
        assert read == value
        assert type(read) is type(value)


def test_an_error_stands_beside_its_field_and_keeps_one_here(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await enter(app, pilot, "unfreeze_epoch", "many")
        assert "a whole number from 1" in note(app, "unfreeze_epoch")
        assert row(app, "unfreeze_epoch").has_class("-error")
        await enter(app, pilot, "freeze_batch_size", "9")
        assert note(app, "freeze_batch_size").startswith("9 must be 1 to 2 times unfreeze_batch_size")
        await pilot.press("enter")
        await pilot.pause()
        assert app.state.screen_name == "tune"
        assert "a whole number from 1" in shown(app)
        await enter(app, pilot, "unfreeze_epoch", "4")
        assert not row(app, "unfreeze_epoch").has_class("-error")

    state = drive(tmp_path, script, **somewhere(tmp_path, "tune"))
    assert state.settings["unfreeze_epoch"] == 4


def test_enter_goes_to_the_setting_that_has_an_error(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await enter(app, pilot, "freeze_epoch", "500")
        row(app, "network").focus_value()
        await until(pilot, lambda: "Enter goes to the setting that has to be corrected." in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: row(app, "freeze_epoch").has_focus_within)
        assert app.state.screen_name == "tune"

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


def test_rates_steps_and_memory_follow_what_is_typed(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        before = (await planned(app, pilot)).plan
        await until(pilot, lambda: "GiB of" in shown(app))
        assert before.stages[1].batch_size == 2
        await enter(app, pilot, "unfreeze_batch_size", "4")
        await until(pilot, lambda: tune(app).prepared.plan.stages[1].batch_size == 4)  # type: ignore[union-attr]
        after = (await planned(app, pilot)).plan
        assert after.total_steps < before.total_steps
        # At 64 pixels the weights that are saved weigh more than a batch does.
        assert (after.stages[1].memory_estimate_bytes or 0) >= (before.stages[1].memory_estimate_bytes or 0) > 0
        await until(pilot, lambda: f"{tune(app).prepared.plan.total_steps} steps in total." in shown(app))  # type: ignore[union-attr]
        assert "steps are few" in note(app, "unfreeze_epoch")

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


def test_auto_is_a_batch_size_and_the_suggestion_is_shown(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        suggested = (await planned(app, pilot)).batch_sizes
        assert suggested is not None
        await until(pilot, lambda: f"suggested: {suggested.unfreeze}" in note(app, "unfreeze_batch_size"))
        await enter(app, pilot, "freeze_batch_size", "auto")
        await enter(app, pilot, "unfreeze_batch_size", "auto")
        await until(pilot, lambda: note(app, "unfreeze_batch_size").startswith("auto: "))
        stage = (await planned(app, pilot)).plan.stages[1]
        assert note(app, "unfreeze_batch_size") == f"auto: {stage.batch_size} now"

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


def test_only_what_differs_from_the_preset_is_kept_and_can_be_taken_back(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await enter(app, pilot, "unfreeze_epoch", "15")
        assert app.state.settings == {"unfreeze_epoch": 15}
        await enter(app, pilot, "unfreeze_epoch", "12")
        assert app.state.settings == {}
        await enter(app, pilot, "freeze_epoch", "2")
        assert row(app, "freeze_epoch").has_class("-changed")
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert app.state.settings == {}
        assert row(app, "freeze_epoch").query_one(Input).value == "3"

    drive(tmp_path, script, screen_name="tune", preset="quick-cpu", start="whole")


def test_another_method_shows_its_own_fields_and_brings_its_own_values(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.press("f2")
        await pilot.pause()
        assert not row(app, "iou_type").display
        assert row(app, "seed").display
        row(app, "method").query_one(CycleSelect).focus()
        await pilot.press("right")
        await pilot.pause()
        assert row(app, "iou_type").display
        assert row(app, "optimizer_type").query_one(CycleSelect).value == "sgd"
        assert row(app, "init_lr").query_one(Input).value == "0.01"
        await pilot.press("f2")
        await pilot.pause()
        assert not row(app, "seed").display

    state = drive(tmp_path, script, screen_name="tune", preset="modern-whole", start="whole")
    assert state.settings == {"method": "tutorial"}


def test_the_way_to_start_is_the_same_as_in_weights(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert row(app, "model_path").query_one(Input).value == "mine [1].pth"
        row(app, "pretrained").query_one(CycleSelect).focus()
        await pilot.press("space")
        await pilot.pause()
        assert (app.state.start, app.state.model_path) == ("backbone", None)
        assert row(app, "model_path").query_one(Input).value == ""
        await enter(app, pilot, "model_path", "other.pth")
        assert (app.state.start, app.state.model_path) == ("whole", "other.pth")

    state = drive(tmp_path, script, screen_name="tune", preset="modern-whole", start="whole", model_path="mine [1].pth")
    assert state.settings == {}


def test_weights_that_are_not_there_are_said_beside_the_field(tmp_path: Path) -> None:
    entered = somewhere(tmp_path, "tune") | {"model_path": "nowhere.pth"}

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: row(app, "model_path").has_class("-error"))
        assert "nowhere.pth does not exist" in note(app, "model_path")

    drive(tmp_path, script, **entered)


def test_enter_alone_goes_on_and_f1_explains_the_field(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        row(app, "init_lr").query_one(Input).focus()
        await pilot.press("f1")
        await until(pilot, lambda: "Default: 0.002" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Without a preset" not in shown(app))
        app.screen.set_focus(None)
        await pilot.press("enter")
        await until(pilot, lambda: app.state.screen_name == "review")

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


def test_memory_that_another_program_takes_is_seen_and_said_beside_the_batch(tmp_path: Path) -> None:
    machine = GivenHardware()

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        need = (await planned(app, pilot)).plan.stages[1].memory_estimate_bytes or 0
        less = replace(PROCESSOR_ONLY.memory, available=need - 700 * 2**20)
        machine.hardware = replace(PROCESSOR_ONLY, memory=less)
        await until(pilot, lambda: row(app, "unfreeze_batch_size").has_class("-warning"))
        assert "would fit" in note(app, "unfreeze_batch_size") or "smallest batch" in note(app, "unfreeze_batch_size")

    entered = somewhere(tmp_path, "tune", unfreeze_batch_size=12, freeze_batch_size=12)
    drive(tmp_path, script, open_hardware=machine.open, **entered)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_nothing_is_wider_than_the_screen(tmp_path: Path, language: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.press("f2")
        await pilot.pause()
        for line in app.screen.query(FieldRow):
            if line.display:
                assert line.region.right <= 80
        form = app.screen.query_one("#form")
        assert form.max_scroll_x == 0
        assert form.size.height >= 8

    drive(tmp_path, script, screen_name="tune", preset="modern-whole", start="whole", language=language)


def test_a_plan_is_requested_again_only_where_free_memory_changed_noticeably() -> None:
    watch = FreeMemoryMonitor()

    def free(gibibytes: float) -> Hardware:
        return replace(PROCESSOR_ONLY, memory=Memory(total=64 * 2**30, available=int(gibibytes * 2**30)))

    assert watch.has_changed(free(8), None)
    watch.set_reference(free(8))
    assert not watch.has_changed(free(7.9), "cpu")
    assert watch.has_changed(free(6), "cpu")
    watch.ignore_changes()
    assert not watch.has_changed(free(6), "cpu")


class TestTyping:
    def test_a_burst_of_keys_is_all_there_and_the_next_key_follows_it(self, tmp_path: Path) -> None:
        async def script(app: Freezetui, pilot: Pilot[int]) -> None:
            await planned(app, pilot)
            for name, first, then in (("input_shape", "416x41", "6"), ("unfreeze_epoch", "12", "0")):
                editor = row(app, name).query_one(Input)
                editor.focus()
                editor.value = ""
                await pilot.pause()
                for key in first:  # as a paste or a slow line delivers them: all at once
                    app.post_message(Key(key, key))
                await until(pilot, lambda: editor.value == first)  # noqa: B023
                await pilot.press(then)
                await until(pilot, lambda: editor.value == first + then)  # noqa: B023

        drive(tmp_path, script, **somewhere(tmp_path, "tune"))

    @pytest.mark.parametrize("size", [(80, 24), (120, 40)])
    def test_the_arrow_keys_go_from_field_to_field(self, tmp_path: Path, size: tuple[int, int]) -> None:
        async def script(app: Freezetui, pilot: Pilot[int]) -> None:
            seen = []
            for _ in range(4):
                await pilot.press("down")
                await pilot.pause()
                focused = tune(app)._form.focused_row()
                seen.append(None if focused is None else focused.field.name)
            assert None not in seen
            assert len(set(seen)) == 4
            await pilot.press("up")
            await pilot.pause()
            focused = tune(app)._form.focused_row()
            assert focused is not None
            assert focused.field.name == seen[2]

        drive(tmp_path, script, size=size, **somewhere(tmp_path, "tune"))


def test_other_anchors_are_offered_where_those_of_the_network_fit_badly(tmp_path: Path) -> None:
    root = tmp_path / "small-objects"
    for number in range(6):
        write_image(root / f"{number}.png")
        rows = (f"0 {0.1 + 0.02 * n:.3f} 0.5 {0.03 + 0.002 * n:.4f} 0.04\n" for n in range(30))
        write_text(root / f"{number}.txt", "".join(rows))
    write_text(root / "classes.txt", "ball\n")

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        assert not row(app, "anchors").display
        await until(pilot, lambda: "F3 fits them" in note(app, "anchors"))
        assert row(app, "anchors").display
        assert "F3 fits them to your boxes: mean IoU 0." in shown(app)
        assert "starts with a higher loss" in note(app, "anchors")
        await pilot.press("f3")
        await until(pilot, lambda: notices(app) == ["The anchors are fitted to your boxes."])
        await until(pilot, lambda: tune(app).prepared.plan.recipe.anchors != "network")  # type: ignore[union-attr]
        await until(pilot, lambda: "not the anchors of the weights" in note(app, "anchors"))
        assert row(app, "anchors").display

    state = drive(tmp_path, script, **{**somewhere(tmp_path, "tune"), "data": str(root)})
    anchors = state.settings["anchors"]
    assert len(anchors) == len(NETWORKS["yolov4-tiny"].anchors)
    assert max(map(max, anchors[:4])) < 12


def test_no_anchors_are_offered_where_those_at_hand_fit(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        await until(pilot, lambda: tune(app).anchors is not None)
        assert not row(app, "anchors").display
        await pilot.press("f3")
        await pilot.pause()
        assert notices(app) == ["80 boxes are too few to fit anchors to them; 100 or more are needed."]
        assert "anchors" not in app.state.settings

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


def test_f3_says_why_it_changes_nothing(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.press("f3")
        await pilot.pause()
        assert notices(app) == ["It is not known yet whether the anchors fit your boxes."]

    drive(tmp_path, script, screen_name="tune", preset="modern-whole", start="whole")
    fit = AnchorFit(NETWORKS["yolov4-tiny"].anchors, mean_iou=0.71, recall=1.0)
    check = AnchorCheck(make_recipe({}), AnchorSuggestion(500, fit, replace(fit, mean_iou=0.74)))
    assert check.no_offer_reason() == (
        "The anchors fit your boxes: their mean IoU is 0.71, and the best ones that were found have 0.74."
    )
    assert not check.has_offer


def test_a_data_set_without_boxes_is_said_by_f3(tmp_path: Path) -> None:
    prepare(tmp_path)
    plan, dataset = plan_and_dataset(tmp_path)
    without = replace(dataset, boxes=dataset.boxes[:0], labels=dataset.labels[:0], offsets=dataset.offsets * 0)
    check = check_anchors(PreparedPlan(plan, without, PROCESSOR_ONLY, None))
    assert "no box" in check.no_offer_reason()


class TestGroups:
    def test_every_setting_is_in_one_group_and_has_a_word_of_its_own(self) -> None:
        grouped = [name for names in FIELD_GROUPS.values() for name in names]
        assert sorted(grouped) == sorted(set(Recipe.model_fields) - {"format_version"})
        labels = [field.label for field in recipe_fields()]
        assert len(set(labels)) == len(labels)
        assert max(map(len, labels)) <= 22

    def test_words_and_names_are_beside_each_other_below_the_title(self, tmp_path: Path) -> None:
        async def script(app: Freezetui, pilot: Pilot[int]) -> None:
            await planned(app, pilot)
            lines = shown(app).splitlines()
            # The last columns are the scroll bar's, whose end may be on any line.
            first = next(number for number, line in enumerate(lines) if line[:110].strip() == "Schedule")
            assert "epochs in all" in lines[first + 1]
            assert "unfreeze_epoch" in lines[first + 1]
            assert "Loss" not in shown(app)  # all of its settings are for experts
            await pilot.press("f2", *["pagedown"] * 5)
            await until(pilot, lambda: "Device" in shown(app))

        drive(tmp_path, script, size=(120, 40), **somewhere(tmp_path, "tune"))

    @pytest.mark.parametrize("size", [(80, 24), (120, 40)])
    def test_a_reason_is_shown_whole(self, tmp_path: Path, size: tuple[int, int]) -> None:
        long = "A reason that is as long as reasons are: " + "word " * 30 + "and its end."

        async def script(app: Freezetui, pilot: Pilot[int]) -> None:
            await until(pilot, lambda: tune(app).anchors is not None)  # the last result, after which no note changes
            row(app, "network").show_note(Note(long, "warning"))
            await pilot.pause()
            assert "and its end." in " ".join(shown(app).split())
            shown_fields = [each for each in recipe_fields() if row(app, each.name).display]
            longest = max(shown_fields, key=lambda each: len(each.description + each.allowed))
            row(app, longest.name).query_one("Input, CycleSelect").focus()
            await until(pilot, lambda: longest.allowed in " ".join(shown(app).split()))

        drive(tmp_path, script, size=size, **somewhere(tmp_path, "tune"))


def test_the_figures_of_an_older_plan_are_marked_while_a_value_is_wrong(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        await until(pilot, lambda: "steps in total" in shown(app))
        await enter(app, pilot, "input_shape", "161")
        await until(pilot, lambda: "calculated when every setting above is valid" in shown(app))
        assert "steps in total" not in shown(app)
        await enter(app, pilot, "input_shape", "320")
        await until(pilot, lambda: "steps in total" in shown(app))

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


@pytest.mark.parametrize("typed", ["320x320", "320 x 320", "320", "[320, 320]"])
def test_the_size_of_the_input_is_typed_as_people_write_it(tmp_path: Path, typed: str) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        await enter(app, pilot, "input_shape", typed)
        assert "width x height, each a multiple of 32 up to 8192" in " ".join(shown(app).split())
        await until(pilot, lambda: tune(app).prepared.plan.recipe.input_shape == (320, 320))  # type: ignore[union-attr]

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


def test_the_seconds_of_a_dry_run_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.workers.plan_preview.DRY_RUN_DELAY", 0.05)
    may_end = threading.Event()

    def failing(_: object, prepared: PreparedPlan) -> tuple[PreparedPlan, DryRunResult]:
        may_end.wait()
        return prepared, DryRunResult({}, None, None, {}, failed="no memory")

    monkeypatch.setattr("tui.wizard.planner.DryRunner.dry_run", failing)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        try:
            await until(pilot, lambda: "measuring: 1 s so far" in shown(app))
        finally:
            may_end.set()
        await until(pilot, lambda: "could not be measured" in shown(app))

    drive(tmp_path, script, **somewhere(tmp_path, "tune", is_timed=False))


def test_help_on_the_screen_says_more_than_its_subtitle(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        assert tune(app).reason not in tune(app).help_text()
        await pilot.press("f1")
        await until(pilot, lambda: "its name in presets and files" in " ".join(shown(app).split()))

    drive(tmp_path, script, screen_name="tune", preset="modern-whole", start="whole")


def test_a_size_that_is_no_multiple_of_32_gets_the_nearest_that_is(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await planned(app, pilot)
        await enter(app, pilot, "input_shape", "161x320")
        await until(pilot, lambda: "the nearest is 160" in note(app, "input_shape"))

    drive(tmp_path, script, **somewhere(tmp_path, "tune"))


def test_no_setting_allows_a_text() -> None:
    assert not [field.name for field in recipe_fields() if "a text" in field.allowed]
