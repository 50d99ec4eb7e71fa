"""Recipes and presets: every mistake is reported at once, and a preset has only what differs from the defaults."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from engine.messages import BadInput
from engine.recipe import Recipe, batch_size_problems, load_recipe, make_recipe, parse_assignments, recipe_to_toml
from engine.recipe.presets import find_preset, list_presets

PROJECT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"unfreeze_batch_size": 1, "freeze_batch_size": 2}, "the smallest is 2, since batch norm cannot train on 1"),
        ({"freeze_batch_size": 40}, "freeze_batch_size: 40 must be 1 to 2 times unfreeze_batch_size"),
        ({"input_shape": [400, 416]}, "the nearest is 384"),
        ({"model_path": ""}, "freeze_train: true freezes a backbone that has learned nothing"),
        ({"init_epoch": 50}, "the largest is 49"),
        ({"freeze_epoch": 60}, "freeze_epoch: 60 is beyond the last epoch"),
        ({"unfreeze_epochs": 10}, "did you mean unfreeze_epoch?"),
        ({"network": "yolo4"}, "did you mean yolov4?"),
        ({"focal_loss": True}, "the modern method does not read it"),
        ({"min_lr": 1.0}, "min_lr: 1 is larger than init_lr"),
        ({"anchors": [[10, 20]]}, "takes 6 of them, not 1"),
        ({"init_lr": 100}, "init_lr: 100 is not possible"),
        ({"device": "gpu"}, "did you mean cuda?"),
        ({"precision": "half"}, "did you mean fp16?"),
        ({"input_shape": "big"}, "it needs a list, for example [416, 416]"),
        ({"input_shape": [416]}, "it needs more values, for example [416, 416]"),
        ({"input_shape": [416, 416, 3]}, "it needs fewer values, for example [416, 416]"),
        ({"devices": "[0,x]"}, "it needs a list, for example [0, 1]"),
        ({"devices": [-1, 0]}, "devices: -1 is not possible (it must be 0 or more); the nearest is 0."),
        ({"anchors": [[10, 20], [30]]}, "anchors: [30] is not possible (it needs more values, for example [[10, 14]"),
        ({"sync_bn": True}, "sync_bn: only the processes of parallel=ddp can share their batch norm statistics"),
        (
            {"sync_bn": True, "parallel": "ddp", "device": "cpu"},
            "torch.nn.SyncBatchNorm works on NVIDIA cards only, and device is cpu; set sync_bn=false",
        ),
        (
            {"parallel": "dp", "device": "cpu"},
            "dp splits a batch over several graphics cards, and device is cpu; set parallel=ddp",
        ),
        ({"parallel": "ddp", "device": "mps"}, "set parallel=none"),
        ({"parallel": "ddb"}, "did you mean ddp?"),
        ({"parallel": "dpp", "device": "cpu"}, "did you mean ddp?"),
        ({"parallel": "dpp", "device": "mps"}, "(possible are none, dp, ddp)."),
        ({"parallel": "ddp", "devices": [0, 1, 0]}, "devices: each number may occur once; the nearest is [0, 1]"),
        (
            {"parallel": "ddp", "devices": [0, 1, 2], "unfreeze_batch_size": 9},
            "freeze_batch_size: 16 cannot be split over 3 devices",
        ),
        (
            {"parallel": "dp", "devices": [0, 1, 2], "freeze_batch_size": 12, "unfreeze_batch_size": 8},
            "unfreeze_batch_size: 8 cannot be split over 3 devices: each gets the same number of images, at least 2; the nearest is 9",
        ),
        (
            {"parallel": "ddp", "devices": [0, 1, 2, 3], "freeze_batch_size": 8, "unfreeze_batch_size": 4},
            "unfreeze_batch_size: 4 cannot be split over 4 devices: each gets the same number of images, at least 2; the nearest is 8",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_the_nearest_valid_value(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        make_recipe(settings)
    (message,) = refused.value.messages
    assert sentence in str(message)


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_the_nearest_batch_sizes_are_valid_together(parts: int) -> None:
    device = {"device": "cpu", "parallel": "ddp", "devices": list(range(parts))} if parts > 1 else {}
    for unfreeze, freeze in product(range(2, 14), range(2, 30)):
        sizes = {"unfreeze_batch_size": unfreeze, "freeze_batch_size": freeze}
        for key, problem in batch_size_problems(Recipe(**sizes, **device), parts).items():
            assert str(problem).startswith(f"{key}: {sizes[key]} ")
            nearest = problem.values["nearest"]
            assert isinstance(nearest, int)
            sizes[key] = nearest
        make_recipe({**sizes, **device})


def test_batch_sizes_that_cannot_be_split_name_one_pair() -> None:
    with pytest.raises(BadInput) as refused:
        make_recipe(
            {"parallel": "ddp", "device": "cpu", "devices": [0, 1], "unfreeze_batch_size": 5, "freeze_batch_size": 3}
        )
    unfreeze, freeze = map(str, refused.value.messages)
    assert unfreeze.endswith("at least 2; the nearest is 6.")
    assert freeze.endswith("the nearest that is 1 to 2 times unfreeze_batch_size=6 is 6.")


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        make_recipe({"netwrk": "yolov4", "mosaic_prob": 3, "seed": "abc", "freeze_batch_size": 5})
    assert len(refused.value.messages) == 4


@pytest.mark.parametrize(
    ("base", "overrides", "sources"),
    [
        ({"mosaic_prob": 3}, {"seed": 2}, {"mosaic_prob": "mine.toml"}),
        ({"mosaic_prob": 3}, {"seed": -1}, {"mosaic_prob": "mine.toml", "seed": "--set"}),
        ({"mosaic_prob": 3}, {"mosaic_prob": 4}, {"mosaic_prob": "--set"}),
        ({"focal_loss": True}, {"seed": 2}, {"focal_loss": "mine.toml"}),
        ({"freeze_epoch": 60}, {"seed": 2}, {"freeze_epoch": "mine.toml"}),
        ({"freeze_epoch": 40}, {"unfreeze_epoch": 20}, {"freeze_epoch": "--set"}),
        ({"sync_bn": True}, {"seed": 2}, {"sync_bn": "mine.toml"}),
    ],
)
def test_a_wrong_setting_names_where_it_comes_from(
    base: dict[str, Any], overrides: dict[str, Any], sources: dict[str, str]
) -> None:
    with pytest.raises(BadInput) as refused:
        make_recipe(base, "mine.toml", overrides)
    starts = [str(message).split(": ")[:2] for message in refused.value.messages]
    assert {key: source for source, key in starts} == sources


def test_an_override_can_repair_a_setting_of_the_file() -> None:
    assert make_recipe({"model_path": "", "mosaic_prob": 3}, "mine.toml", {"freeze_train": False, "mosaic_prob": 1})


def test_a_mistake_in_a_preset_is_not_blamed_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.toml").write_text("mosaic_prob = 3\n")
    command = ["plan", "--data", "nowhere", "--preset", "mine", "--set", "seed=2", "--workspace", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tui", *command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--preset mine: mosaic_prob: 3 is not possible" in done.stderr
    assert "--set" not in done.stderr


def test_recipes_of_before_that_name_one_card_still_load(tmp_path: Path) -> None:
    """Earlier versions stored these settings with every recipe and run."""
    stored = {"unfreeze_epoch": 70, "parallel": "none", "sync_bn": False}
    assert make_recipe(stored) == make_recipe({"unfreeze_epoch": 70})
    path = tmp_path / "recipe.toml"
    path.write_text(tomlkit.dumps(stored))
    assert load_recipe(path, {"seed": 2}) == make_recipe({"unfreeze_epoch": 70, "seed": 2})


@pytest.mark.parametrize(
    "settings",
    [
        {"parallel": "ddp", "devices": [0, 1], "sync_bn": True},
        {"parallel": "ddp", "devices": [0, 1], "device": "cpu"},
        {"parallel": "ddp", "devices": [0, 1, 2], "freeze_batch_size": "auto", "unfreeze_batch_size": 9},
        {"parallel": "dp", "devices": [0, 1, 2], "freeze_batch_size": "auto", "unfreeze_batch_size": "auto"},
        {"parallel": "none", "devices": [0, 1, 2], "freeze_batch_size": 7, "unfreeze_batch_size": 5},
    ],
)
def test_batches_that_several_devices_can_share_are_taken(settings: dict[str, Any]) -> None:
    recipe = make_recipe(settings)
    assert make_recipe(tomlkit.parse(recipe_to_toml(recipe)).unwrap()) == recipe


def test_a_recipe_survives_its_own_file() -> None:
    for method in ("modern", "tutorial"):
        recipe = make_recipe({"method": method, "unfreeze_epoch": 70})
        assert make_recipe(tomlkit.parse(recipe_to_toml(recipe)).unwrap()) == recipe


def test_values_of_the_command_line_have_types() -> None:
    arguments = [
        "unfreeze_epoch=20",
        "model_path=my file.pth",
        "mosaic=false",
        "input_shape=[320, 416]",
        "init_lr=1e-3",
    ]
    settings = parse_assignments(arguments)
    assert settings["unfreeze_epoch"] == 20
    assert settings["model_path"] == "my file.pth"
    assert settings["mosaic"] is False
    assert make_recipe(settings).input_shape == (320, 416)


@pytest.mark.parametrize(
    ("written", "height_and_width"),
    [("608x416", (416, 608)), ("320 X 320", (320, 320)), ("416×608", (608, 416)), (320, (320, 320))],
)
def test_the_input_shape_may_be_written_as_a_plan_shows_it(written: object, height_and_width: tuple[int, int]) -> None:
    assert make_recipe({"input_shape": written}).input_shape == height_and_width


@pytest.mark.parametrize("name", [preset.name for preset in list_presets()])
def test_a_preset_loads_and_has_only_what_differs(name: str) -> None:
    preset = find_preset(name)
    recipe = preset.recipe()
    method = {"method": recipe.method}
    for key in set(preset.settings) - {"method"}:
        base = {k: v for k, v in preset.settings.items() if k not in (key, "freeze_train", "model_path", "pretrained")}
        default = getattr(make_recipe(method), key)
        assert getattr(recipe, key) != default, (key, base)
    assert f"--preset {name}" in preset.path.read_text(encoding="utf-8")
    assert preset.summary


@pytest.mark.parametrize(
    ("name", "optimizer", "lr", "decay", "epochs", "start", "frozen"),
    [
        ("tutorial-whole-adam", "adam", 1e-3, 0, 100, "whole", True),
        ("tutorial-whole-adam-unfrozen", "adam", 1e-3, 0, 100, "whole", False),
        ("tutorial-whole-sgd", "sgd", 1e-2, 5e-4, 300, "whole", True),
        ("tutorial-whole-sgd-unfrozen", "sgd", 1e-2, 5e-4, 300, "whole", False),
        ("tutorial-backbone-adam", "adam", 1e-3, 0, 100, "backbone", True),
        ("tutorial-backbone-adam-unfrozen", "adam", 1e-3, 0, 100, "backbone", False),
        ("tutorial-backbone-sgd", "sgd", 1e-2, 5e-4, 300, "backbone", True),
        ("tutorial-backbone-sgd-unfrozen", "sgd", 1e-2, 5e-4, 300, "backbone", False),
        ("tutorial-scratch", "sgd", 1e-2, 5e-4, 300, "scratch", False),
    ],
)
def test_every_row_of_the_tutorials_table_is_a_preset(
    name: str, optimizer: str, lr: float, decay: float, epochs: int, start: str, frozen: bool
) -> None:
    recipe = find_preset(name).recipe()
    assert (recipe.method, recipe.optimizer_type, recipe.start) == ("tutorial", optimizer, start)
    assert (recipe.init_lr, recipe.weight_decay) == (lr, decay)
    assert recipe.min_lr == pytest.approx(lr / 100)
    assert (recipe.unfreeze_epoch, recipe.freeze_epoch, recipe.freeze_train) == (epochs, 50, frozen)
    assert start != "scratch" or (recipe.unfreeze_batch_size == 16 and recipe.mosaic)


@pytest.mark.parametrize("name", ["tutorial-weak-gpu-adam", "tutorial-weak-gpu-sgd", "modern-freeze-only"])
def test_presets_for_a_very_weak_gpu_have_only_the_freeze_stage(name: str) -> None:
    recipe = find_preset(name).recipe()
    assert recipe.freeze_epoch == recipe.unfreeze_epoch


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("modern-hole", "modern-whole"), ("quikc", "quick-cpu"), ("scrach", "modern-scratch")],
)
def test_an_unknown_preset_names_the_nearest_by_its_name_or_a_word_of_it(name: str, nearest: str) -> None:
    with pytest.raises(BadInput, match=f"did you mean {nearest}"):
        find_preset(name)


def test_a_preset_that_is_like_none_names_those_that_there_are() -> None:
    with pytest.raises(BadInput, match=r"There is no preset qqq; there are .*modern-whole"):
        find_preset("qqq")


def test_the_page_about_recipes_is_generated_from_the_model() -> None:
    page = subprocess.run(
        [sys.executable, "docs/recipe_table.py"],
        cwd=PROJECT, env={"PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1"}, capture_output=True, check=True,
    )  # fmt: skip
    assert page.stdout.decode() == (PROJECT / "docs" / "recipes.md").read_text(encoding="utf-8")


def test_the_chinese_page_names_only_settings_and_presets_that_exist() -> None:
    page = (PROJECT / "docs" / "recipes.zh-CN.md").read_text(encoding="utf-8")
    first_column = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`([\w-]+)`", " ".join(first_column)))
    assert len(named) > 20
    assert named <= set(Recipe.model_fields) | {preset.name for preset in list_presets()}
