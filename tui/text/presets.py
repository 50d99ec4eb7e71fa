"""Presets as text."""

from __future__ import annotations

from engine.recipe.presets import Preset
from tui.text.translate import N_, _

SAVED_SUMMARY = N_("Saved in the wizard, based on {preset}.")


def preset_summary(preset: Preset) -> str:
    """What a preset is, in the user's language, also where it was saved in another one."""
    if preset.based_on is not None:
        return _(SAVED_SUMMARY, preset=preset.based_on)
    return _(preset.summary)
