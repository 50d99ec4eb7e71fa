"""One adviser decides what is said about steps and epochs, so that no advice contradicts another."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from engine.hardware import Hardware
from engine.messages import Message
from engine.plan import DataSource, Plan
from engine.planning.advice import FIRST_LOOK_STEPS, Goal, StageLength, plan_advice, stage_lengths, step_advice
from engine.planning.request import PreparedPlan
from engine.planning.resolve import make_plan
from engine.planning.rough_time import rough_seconds
from engine.planning.warnings import plan_warnings
from engine.recipe import Recipe, make_recipe
from engine.recipe.presets import Preset, find_preset, list_presets, save_preset
from engine.training.schedule import fit_learning_rates
from tests.dataset_index import dataset_of
from tests.given_hardware import PROCESSOR_ONLY, RTX_3060
from tests.small_training import plan_and_dataset, prepare
from tui.cli.commands.plan import print_plan
from tui.text import set_language
from tui.text.learning_rates import describe_batch_effect
from tui.text.step_advice import describe_steps
from tui.text.trend_verdicts import describe_trend
from tui.wizard.recipe_draft import draft_of
from tui.wizard.recommendation import recommend
from tui.wizard.state import WizardState

WITH_CARD = replace(PROCESSOR_ONLY, cards=(RTX_3060,))
MACHINES = {"cpu": PROCESSOR_ONLY, "gpu": WITH_CARD}
IMAGES = (8, 20, 100, 364, 5000)
PRESETS = [preset for preset in list_presets() if preset.is_built_in]
STEP_CODES = {"plan.few_steps", "plan.first_look"}


@pytest.fixture(autouse=True)
def _english() -> None:
    set_language("en")


def planned(recipe: Recipe, train: int, workspace: Path, hardware: Hardware = PROCESSOR_ONLY) -> Plan:
    """The Plan on `train` images; its device is the processor, so that no card has to exist."""
    (workspace / "model_data").mkdir(exist_ok=True)
    (workspace / "model_data" / "start.pth").write_bytes(b"PK")
    changes = {"device": "cpu"} | ({"model_path": "start.pth"} if recipe.start == "whole" else {})
    if recipe.start == "backbone":
        changes |= {"model_path": "start.pth", "pretrained": False}
    recipe = recipe.model_copy(update=changes)
    return make_plan(recipe, dataset_of(train, boxes=(60, 60)), DataSource("data"), hardware, workspace)


def drafted(preset: Preset, train: int, goal: Goal = "good_result") -> Recipe:
    return draft_of(WizardState(train_images=train, start=preset.recipe().start), preset, goal).recipe()


def steps_said(sentence: str) -> int:
    found = re.match(r"\d+", sentence)
    assert found is not None, sentence
    return int(found[0])


@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("start", ["whole", "backbone"])
def test_the_plan_of_what_is_recommended_has_no_warning_about_its_steps(
    machine: str, start: Literal["whole", "backbone"], images: int, tmp_path: Path
) -> None:
    names = {preset.name for preset in PRESETS}
    preset = find_preset(recommend(names, MACHINES[machine], start, images).preset)
    plan = planned(drafted(preset, images), images, tmp_path)
    assert not STEP_CODES & {warning.code for warning in plan.warnings}
    assert plan_advice(plan).level == "enough"
    assert plan.recipe.unfreeze_epoch <= max(200, preset.recipe().unfreeze_epoch)


@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_place_says_the_same_figures(preset: Preset, images: int, tmp_path: Path) -> None:
    for goal in ("good_result", "first_look"):
        recipe = drafted(preset, images, goal)
        stages = stage_lengths(recipe, images)
        advice = step_advice(recipe.method, recipe.optimizer_type, recipe.unfreeze_epoch, stages)
        plan = planned(recipe, images, tmp_path)
        assert plan_advice(plan) == advice
        assert advice.steps == plan.total_steps == sum(stage.epochs * stage.steps_per_epoch for stage in plan.stages)
        assert steps_said(describe_steps(advice)) == plan.total_steps
        for warning in step_warnings(plan):
            assert steps_said(str(warning)) == plan.total_steps
            assert int(re.findall(r"unfreeze_epoch=(\d+)", str(warning) + " unfreeze_epoch=1")[0]) <= 500
        if recipe.method == "modern" and recipe.start != "scratch" and goal == "first_look":
            assert advice.steps >= min(FIRST_LOOK_STEPS, advice.advised)
            assert recipe.unfreeze_epoch <= 150


def step_warnings(plan: Plan) -> list[Message]:
    found = plan_warnings(plan, dataset_of(plan.images["train"]))
    return [warning for warning in found if warning.code in STEP_CODES]


@pytest.mark.parametrize("images", [8, 20, 40, 100])
@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_following_the_advice_ends_it(preset: Preset, images: int, tmp_path: Path) -> None:
    recipe = preset.recipe()
    for warning in step_warnings(planned(recipe, images, tmp_path)):
        if "unfreeze_epoch=" not in str(warning):
            assert "more images help most" in str(warning)
            continue
        epochs = int(warning.values["epochs"])  # type: ignore[call-overload]
        freeze = epochs if recipe.freeze_epoch == recipe.unfreeze_epoch else recipe.freeze_epoch
        longer = recipe.model_copy(update={"unfreeze_epoch": epochs, "freeze_epoch": freeze})
        plan = planned(longer, images, tmp_path)
        assert plan_advice(plan).level == "enough"
        assert not [again for again in step_warnings(plan) if "unfreeze_epoch=" in str(again)]


def test_twenty_images_are_never_advised_thousands_of_epochs(tmp_path: Path) -> None:
    for preset in PRESETS:
        for warning in step_warnings(planned(preset.recipe(), 20, tmp_path)):
            text = str(warning)
            assert "more images help most" in text or warning.code == "plan.first_look"
            assert all(int(epochs) <= 300 for epochs in re.findall(r"unfreeze_epoch=(\d+)", text)), text


def test_a_plan_counts_the_steps_that_its_stages_have(tmp_path: Path) -> None:
    recipe = make_recipe({"method": "tutorial", "optimizer_type": "adam", "weight_decay": 0, "unfreeze_epoch": 100})
    plan = planned(recipe, 20, tmp_path)
    assert plan.total_steps == 350  # 50 epochs of 2 steps, 50 of 5
    assert steps_said(describe_steps(plan_advice(plan))) == 350
    assert "350 steps are few: 1350 or more (unfreeze_epoch=300)" in str(step_warnings(plan)[0])


@pytest.mark.parametrize(
    ("steps", "said"),
    [(72, "328 of 400 advised steps are missing"), (400, "training has converged"), (1000, "training has converged")],
)
def test_convergence_is_not_said_below_the_advised_steps(steps: int, said: str) -> None:
    from engine.evaluation.trend import trend_of

    flat = trend_of([0.5] * 12)
    assert flat.verdict == "flat"
    advice = step_advice("modern", "adamw", 40, (StageLength(40, 10),))
    sentence = describe_trend(flat, steps, advice)
    assert said in sentence
    assert ("converged" in sentence) == (steps >= advice.advised)
    assert len(sentence) <= 78


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"init_lr": 1.0}, {"init_lr"}),
        ({"init_lr": 1e-6, "min_lr": 1e-8}, {"init_lr"}),
        ({"min_lr": 1e-2}, {"min_lr"}),
        ({"optimizer_type": "adam", "weight_decay": 0, "init_lr": 0.5}, {"init_lr"}),
        ({}, set()),
        ({"optimizer_type": "adam", "weight_decay": 0}, set()),
        ({"init_lr": 0.02}, set()),
        ({"method": "modern", "init_lr": 0.5}, set()),
    ],
)
def test_a_learning_rate_that_is_clipped_is_said(settings: dict[str, object], keys: set[str], tmp_path: Path) -> None:
    recipe = make_recipe({"method": "tutorial", "unfreeze_epoch": 100} | settings)
    plan = planned(recipe, 400, tmp_path)
    found = [warning for warning in plan_warnings(plan, dataset_of(400)) if warning.code == "plan.lr_clipped"]
    assert {warning.values["key"] for warning in found} == keys
    for warning in found:
        assert f"{plan.stages[-1].init_lr:g}" in str(warning) or warning.values["key"] == "min_lr"


def test_a_rough_time_grows_with_images_epochs_and_pixels_and_shrinks_with_a_card() -> None:
    recipe = find_preset("quick-cpu").recipe()
    images = {"train": 100, "val": 10}
    base = rough_seconds(recipe, images, PROCESSOR_ONLY)
    assert base is not None
    assert 10 < base < 600
    larger = (
        rough_seconds(recipe, {"train": 200, "val": 20}, PROCESSOR_ONLY),
        rough_seconds(recipe.model_copy(update={"unfreeze_epoch": 24}), images, PROCESSOR_ONLY),
        rough_seconds(recipe.model_copy(update={"input_shape": (640, 640)}), images, PROCESSOR_ONLY),
        rough_seconds(recipe.model_copy(update={"network": "yolov4"}), images, PROCESSOR_ONLY),
    )
    assert all(seconds is not None and seconds > base for seconds in larger)
    with_card = rough_seconds(recipe, images, WITH_CARD)
    assert with_card is not None
    assert with_card < base


def test_a_plan_and_its_preview_take_the_same_advice(tmp_path: Path) -> None:
    plan = planned(find_preset("quick-cpu").recipe(), 130, tmp_path)
    prepared = PreparedPlan(plan, dataset_of(130), PROCESSOR_ONLY, None)
    assert prepared.step_advice == plan_advice(plan)
    assert (prepared.step_advice.steps, prepared.step_advice.level) == (168, "first_look")


def test_the_printed_plan_has_the_sum_of_its_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = make_recipe({"method": "tutorial", "unfreeze_epoch": 300})
    print_plan(planned(recipe, 130, tmp_path))
    lines = capsys.readouterr().out.splitlines()
    rows = [re.split(r"\s{2,}", line) for line in lines if line.startswith(("freeze", "unfreeze"))]
    assert sum(int(row[3]) for row in rows) == 8800
    assert any("8800 steps" in line for line in lines)


@pytest.mark.parametrize("epochs", [2, 12, 40])
def test_the_printed_plan_says_once_how_many_steps_are_advised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], epochs: int
) -> None:
    print_plan(planned(make_recipe({"unfreeze_epoch": epochs, "freeze_epoch": 1}), 130, tmp_path))
    assert capsys.readouterr().out.count("400") == 1


@pytest.mark.parametrize(
    ("method", "said"), [("modern", "stays as it is"), ("tutorial", "is adapted to the batch size")]
)
def test_only_the_tutorial_method_adapts_the_learning_rate_to_the_batch(method: str, said: str) -> None:
    assert said in describe_batch_effect(method)
    rates = {fit_learning_rates(make_recipe({"method": method}), size)[0] for size in (8, 16)}
    assert (len(rates) > 1) == (method == "tutorial")


def test_epochs_of_the_user_and_of_saved_presets_are_not_adapted(tmp_path: Path) -> None:
    quick = find_preset("quick-cpu")
    state = WizardState(train_images=20, settings={"unfreeze_epoch": 9})
    draft = draft_of(state, quick)
    assert draft.recipe().unfreeze_epoch == 9
    assert not draft.is_adapted
    assert draft.unchanged_value("unfreeze_epoch") == 200
    save_preset(tmp_path, "mine", {"unfreeze_epoch": 9}, "mine", "")
    assert draft_of(WizardState(train_images=20), find_preset("mine", tmp_path)).recipe().unfreeze_epoch == 9


@pytest.mark.parametrize("settings", [{"unfreeze_epoch": 3}, {"method": "tutorial", "unfreeze_epoch": 300}])
def test_the_plan_says_once_what_is_advised(
    tmp_path: Path, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    plan, _dataset = plan_and_dataset(tmp_path, **settings)
    set_language("en")
    print_plan(plan)
    printed = capsys.readouterr().out
    assert printed.count(" advised") + printed.count("more images help most") in (1, 2)
    assert len([line for line in printed.splitlines() if "steps in total" in line or "steps are few" in line]) == 1
