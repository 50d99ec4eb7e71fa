"""The recipe as entered so far: the preset's settings, those of the Weights screen, epochs that fit the data, the user's changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.messages import BadInput
from engine.planning.advice import Goal, adapted_epochs, is_adaptable
from engine.recipe import COCO, Recipe, is_read_by, make_recipe, to_plain_value
from engine.recipe.presets import DEFAULT_PRESET, Preset, find_preset
from tui.wizard.state import WizardState

_WEIGHTS_SETTINGS = ("model_path", "pretrained")
"""Settings that the Weights screen decides as well. They are stored in `WizardState.start` and `.model_path` only."""


@dataclass(frozen=True, slots=True)
class RecipeDraft:
    """A preset with changes. The settings need not be valid: `recipe` checks them."""

    preset: Preset
    start: Mapping[str, Any] = field(default_factory=dict)
    """Settings that follow from the Weights screen and differ from the preset's."""
    adapted: Mapping[str, Any] | None = None
    """Epochs that give the user's goal on this data set, where they differ from the preset's; None if they are not adapted."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What the user changed, valid or not."""

    @property
    def method(self) -> str:
        """The training method, which decides which settings are read."""
        return str(self.changes.get("method", self.preset.settings.get("method", "modern")))

    @property
    def settings(self) -> dict[str, Any]:
        """All settings that the method reads. The others are kept in case the user changes the method back."""
        return self._readable({**self.preset.settings, **self.start, **(self.adapted or {}), **self.changes})

    @property
    def differences(self) -> dict[str, Any]:
        """The settings that differ from the preset's."""
        preset = self.preset.settings
        return {
            name: value
            for name, value in self.settings.items()
            if name not in preset or to_plain_value(preset[name]) != value
        }

    @property
    def is_adapted(self) -> bool:
        """Whether the number of epochs is adapted to the data set, and the user did not choose another."""
        return self.adapted is not None and "unfreeze_epoch" not in self.changes

    def recipe(self) -> Recipe:
        """The validated Recipe.

        Raises:
            BadInput: one message for each wrong setting.
        """
        return make_recipe(self.settings)

    def unchanged_value(self, name: str) -> Any:
        """The value that the setting `name` has as long as the user does not change it."""
        others = {key: value for key, value in self.settings.items() if key not in self.changes or key != name}
        base = {**self.preset.settings, **self.start, **(self.adapted or {})}
        if name in base:
            others[name] = base[name]
        for settings in (self._readable(others), self._readable(base), {}):
            try:
                return to_plain_value(getattr(make_recipe(settings), name))
            except BadInput:
                continue  # another setting, which the user is typing just now, is not valid yet
        raise AssertionError("a recipe of defaults alone is always valid")

    def _readable(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        method = self.method
        return {
            name: to_plain_value(value)
            for name, value in settings.items()
            if name not in Recipe.model_fields or method not in ("modern", "tutorial") or is_read_by(name, method)
        }


def recipe_draft(state: WizardState, workspace: Path) -> RecipeDraft:
    """The draft that `state` describes.

    Raises:
        BadInput: the preset no longer exists, or cannot be read.
    """
    preset = find_preset(state.preset or DEFAULT_PRESET, workspace)
    return draft_of(state, preset)


def draft_of(state: WizardState, preset: Preset, goal: Goal | None = None) -> RecipeDraft:
    """The draft that `state` would describe with another preset or goal.

    Raises:
        BadInput: the preset is not valid.
    """
    draft = RecipeDraft(preset, _start_settings(state, preset), changes=dict(state.settings))
    return replace(draft, adapted=_adapted_settings(draft, state.train_images, goal or state.goal))


def _adapted_settings(draft: RecipeDraft, train_images: int | None, goal: Goal) -> dict[str, int] | None:
    """The epochs that fit the data set. Those that the user changed do not count, so that they do not change each other."""
    if train_images is None or not draft.preset.is_built_in:
        return None
    others = {name: value for name, value in draft.changes.items() if name not in ("freeze_epoch", "unfreeze_epoch")}
    try:
        recipe = replace(draft, changes=others).recipe()
    except BadInput:
        return None  # a setting that the user is typing is not valid yet
    return adapted_epochs(recipe, train_images, goal) if is_adaptable(recipe) else None


def _start_settings(state: WizardState, preset: Preset) -> dict[str, Any]:
    """The settings that the Weights screen decides, where they differ from the preset's."""
    if state.start is None:
        return {}
    settings: dict[str, Any] = {"model_path": "", "pretrained": state.start == "backbone"}
    if state.start == "whole":
        settings = {"model_path": state.model_path or COCO, "pretrained": False}
    elif state.start == "scratch":
        settings["freeze_train"] = False  # a backbone with random weights must not be frozen
    recipe = preset.recipe()
    return {name: value for name, value in settings.items() if getattr(recipe, name) != value}


def apply_preset(state: WizardState, preset: Preset) -> None:
    """Make `preset` the preset of `state`. The Weights screen's choice follows the preset where they differ."""
    recipe = preset.recipe()
    if state.start != recipe.start or recipe.model_path not in ("", COCO):
        copy_start_from(state, preset)
    if state.preset != preset.name:
        state.preset = preset.name
        state.settings.pop("anchors", None)  # they were fitted to the network and the input size of the other preset
        state.settings = {
            name: value for name, value in state.settings.items() if differs_from_preset(preset, name, value)
        }


def copy_start_from(state: WizardState, preset: Preset) -> None:
    """Make the choice of the Weights screen that of `preset`."""
    recipe = preset.recipe()
    state.start = recipe.start
    state.model_path = None if recipe.model_path in ("", COCO) else recipe.model_path


def differs_from_preset(preset: Preset, name: str, value: Any) -> bool:
    """Whether `value` differs from the preset's."""
    return bool(to_plain_value(getattr(preset.recipe(), name, None)) != to_plain_value(value))


def change_setting(state: WizardState, workspace: Path, name: str, value: Any) -> None:
    """Set the setting `name` to `value`. Only a value that differs from the unchanged one is stored.

    Raises:
        BadInput: the preset no longer exists.
    """
    if name in _WEIGHTS_SETTINGS:
        _change_start(state, workspace, name, value)
        return
    unchanged = recipe_draft(state, workspace).unchanged_value(name)
    if type(value) is type(unchanged) and to_plain_value(value) == unchanged:
        state.settings.pop(name, None)
    else:
        state.settings[name] = value


def reset_setting(state: WizardState, workspace: Path, name: str) -> None:
    """Set the setting `name` back to the preset's value.

    Raises:
        BadInput: the preset no longer exists.
    """
    state.settings.pop(name, None)
    if name in _WEIGHTS_SETTINGS:
        copy_start_from(state, recipe_draft(state, workspace).preset)


def _change_start(state: WizardState, workspace: Path, name: str, value: Any) -> None:
    """Store a change of `model_path` or `pretrained` as the choice of the Weights screen."""
    settings = recipe_draft(state, workspace).settings
    recipe = make_recipe({key: settings[key] for key in _WEIGHTS_SETTINGS if key in settings} | {"freeze_train": False})
    model_path, pretrained = recipe.model_path, recipe.pretrained
    if name == "model_path":
        model_path = str(value)
    else:
        pretrained = bool(value)
        model_path = "" if pretrained else model_path
    state.start = "whole" if model_path else "backbone" if pretrained else "scratch"
    state.model_path = model_path if model_path and model_path != COCO else None
