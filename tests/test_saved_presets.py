"""Saved presets: only what differs from the defaults, with comments; an existing preset is never replaced silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.messages import BadInput
from engine.recipe import make_recipe
from engine.recipe.presets import find_preset, non_default_settings, save_preset


def test_settings_that_change_nothing_are_left_out() -> None:
    assert non_default_settings({"seed": 11, "unfreeze_epoch": 9, "ema": True}) == {"unfreeze_epoch": 9}


def test_defaults_of_the_method_count_as_defaults() -> None:
    assert non_default_settings({"method": "tutorial", "optimizer_type": "sgd", "momentum": 0.937}) == {
        "method": "tutorial"
    }
    assert non_default_settings({"optimizer_type": "sgd", "init_lr": 0.01}) == {"optimizer_type": "sgd"}


def test_a_saved_preset_can_be_loaded(tmp_path: Path) -> None:
    settings = {
        "model_path": 'a "b" \\ 图.pth',
        "input_shape": [320, 416],
        "anchors": [[10, 14], [23, 27], [37, 58], [81, 82], [135, 169], [344, 319]],
        "freeze_batch_size": "auto",
        "mosaic": False,
        "min_lr": 1e-6,
    }
    path = save_preset(tmp_path, "夜里 [2]", settings, 'A "title"', "A summary.")
    preset = find_preset("夜里 [2]", tmp_path)
    assert preset.recipe() == make_recipe(settings)
    assert (preset.title, preset.summary, preset.family) == ('A "title"', "A summary.", "modern")
    text = path.read_text(encoding="utf-8")
    assert text.startswith('# A "title"\n#\n# A summary.\n#\n#     freezetui train')
    assert "mosaic = false # Combine four images into one" in text


def test_a_preset_is_replaced_only_on_request_and_a_built_in_one_never(tmp_path: Path) -> None:
    save_preset(tmp_path, "mine", {"seed": 1}, "Mine", "")
    with pytest.raises(BadInput) as refused:
        save_preset(tmp_path, "mine", {"seed": 2}, "Mine", "")
    assert refused.value.messages[0].code == "preset.exists"
    save_preset(tmp_path, "mine", {"seed": 2}, "Mine", "", replace=True)
    assert find_preset("mine", tmp_path).settings["seed"] == 2
    with pytest.raises(BadInput, match="comes with freezetui"):
        save_preset(tmp_path, "quick-cpu", {}, "Mine", "", replace=True)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\\b", "what?", " mine", "mine."])
def test_a_name_must_be_a_file_name_on_every_system(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="cannot be a file name"):
        save_preset(tmp_path, name, {}, "Mine", "")
    assert not (tmp_path / "presets").exists()


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unfreeze_epoch"):
        save_preset(tmp_path, "mine", {"unfreeze_epoch": 0}, "Mine", "")
    assert not (tmp_path / "presets" / "mine.toml").exists()
