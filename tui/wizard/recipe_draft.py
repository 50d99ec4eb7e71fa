"""What was entered, as settings of a recipe: the preset's, what the Weights step decides, the user's changes, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.messages import BadInput
from engine.recipe import COCO, Recipe, is_read_by, make_recipe
from engine.recipe.presets import DEFAULT_PRESET, Preset, find_preset
from tui.wizard.state import WizardState

_OF_WEIGHTS = ("model_path", "pretrained")
"""Settings that the Weights step decides as well; `WizardState.start` and `.model_path` hold them, nothing else does."""


@dataclass(frozen=True, slots=True)
class RecipeDraft:
    """A preset and what is laid over it."""

    preset: Preset
    start: Mapping[str, Any] = field(default_factory=dict)
    """Settings that follow from the Weights step and differ from the preset's."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What the user changed, right or wrong."""

    @property
    def method(self) -> str:
        """The method that is to read the settings."""
        return str(self.changes.get("method", self.preset.settings.get("method", "modern")))

    @property
    def settings(self) -> dict[str, Any]:
        """All of them; those that the method does not read wait until it does."""
        return self._read({**self.preset.settings, **self.start, **self.changes})

    @property
    def differences(self) -> dict[str, Any]:
        """The settings that are not as in the preset."""
        preset = self.preset.settings
        return {
            name: value for name, value in self.settings.items() if name not in preset or plain(preset[name]) != value
        }

    def recipe(self) -> Recipe:
        """The Recipe.

        Raises:
            BadInput: one message for every wrong setting.
        """
        return make_recipe(self.settings)

    def untouched(self, name: str) -> Any:
        """What the setting `name` is as long as the user does not change it."""
        rest = {key: value for key, value in self.settings.items() if key not in self.changes or key != name}
        base = {**self.preset.settings, **self.start}
        if name in base:
            rest[name] = base[name]
        for settings in (self._read(rest), self._read(base), {}):
            try:
                return plain(getattr(make_recipe(settings), name))
            except BadInput:
                continue  # something else that is being typed is wrong just now
        raise AssertionError("a recipe of defaults alone is always right")

    def _read(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        method = self.method
        return {
            name: plain(value)
            for name, value in settings.items()
            if name not in Recipe.model_fields or method not in ("modern", "tutorial") or is_read_by(name, method)
        }


def plain(value: Any) -> Any:
    """A value of a recipe as TOML and JSON know it: lists for tuples."""
    return [plain(one) for one in value] if isinstance(value, tuple | list) else value


def recipe_draft(state: WizardState, workspace: Path) -> RecipeDraft:
    """What `state` proposes.

    Raises:
        BadInput: the preset is gone, or can no longer be read.
    """
    preset = find_preset(state.preset or DEFAULT_PRESET, workspace)
    return RecipeDraft(preset, _start_settings(state, preset), dict(state.settings))


def _start_settings(state: WizardState, preset: Preset) -> dict[str, Any]:
    """What the Weights step decides, as far as the preset says otherwise."""
    if state.start is None:
        return {}
    wanted: dict[str, Any] = {"model_path": "", "pretrained": state.start == "backbone"}
    if state.start == "whole":
        wanted = {"model_path": state.model_path or COCO, "pretrained": False}
    elif state.start == "scratch":
        wanted["freeze_train"] = False  # a backbone that has learned nothing must not be frozen
    recipe = preset.recipe()
    return {name: value for name, value in wanted.items() if getattr(recipe, name) != value}


def take_preset(state: WizardState, preset: Preset) -> None:
    """Let `state` go on from `preset`; its way to start becomes that of the Weights step."""
    recipe = preset.recipe()
    if state.start != recipe.start or recipe.model_path not in ("", COCO):
        start_as_in(state, preset)
    if state.preset != preset.name:
        state.preset = preset.name
        state.settings = {name: value for name, value in state.settings.items() if differs(preset, name, value)}


def start_as_in(state: WizardState, preset: Preset) -> None:
    """Let the Weights step say what `preset` says."""
    recipe = preset.recipe()
    state.start = recipe.start
    state.model_path = None if recipe.model_path in ("", COCO) else recipe.model_path


def differs(preset: Preset, name: str, value: Any) -> bool:
    """Whether `value` is a change of `preset`."""
    return bool(plain(getattr(preset.recipe(), name, None)) != plain(value))


def change(state: WizardState, workspace: Path, name: str, value: Any) -> None:
    """Take `value` for the setting `name`; only what differs from the untouched value is kept.

    Raises:
        BadInput: the preset is gone.
    """
    if name in _OF_WEIGHTS:
        _change_start(state, workspace, name, value)
        return
    untouched = recipe_draft(state, workspace).untouched(name)
    if type(value) is type(untouched) and plain(value) == untouched:
        state.settings.pop(name, None)
    else:
        state.settings[name] = value


def reset(state: WizardState, workspace: Path, name: str) -> None:
    """The setting `name` as in the preset.

    Raises:
        BadInput: the preset is gone.
    """
    state.settings.pop(name, None)
    if name in _OF_WEIGHTS:
        start_as_in(state, recipe_draft(state, workspace).preset)


def _change_start(state: WizardState, workspace: Path, name: str, value: Any) -> None:
    """The form shows the same decision as the Weights step, so it writes it there."""
    settings = recipe_draft(state, workspace).settings
    recipe = make_recipe({key: settings[key] for key in _OF_WEIGHTS if key in settings} | {"freeze_train": False})
    model_path, pretrained = recipe.model_path, recipe.pretrained
    if name == "model_path":
        model_path = str(value)
    else:
        pretrained = bool(value)
        model_path = "" if pretrained else model_path
    state.start = "whole" if model_path else "backbone" if pretrained else "scratch"
    state.model_path = model_path if model_path and model_path != COCO else None
