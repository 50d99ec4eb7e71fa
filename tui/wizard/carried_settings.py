"""Settings that the user changed for an earlier training and that still apply, since going back loses nothing."""

from __future__ import annotations

from engine.messages import BadInput
from engine.recipe.presets import Preset
from tui.text import _, ngettext
from tui.wizard.card_choice import TOGETHER, trains_together
from tui.wizard.recipe_draft import differs_from_preset
from tui.wizard.recipe_fields import recipe_fields
from tui.wizard.state import WizardState

_MAX_LISTED = 3
_OF_THE_WEIGHTS_SCREEN = "network"


def carried_settings(state: WizardState, preset: Preset) -> str:
    """One sentence about the user's settings that differ from those of `preset`; empty if there are none."""
    try:
        names = [name for name, value in _carried(state).items() if differs_from_preset(preset, name, value)]
    except BadInput:
        return ""  # the preset is not valid
    if not names:
        return ""
    fields = {field.name: field for field in recipe_fields()}
    listed = [
        f"{name} = {fields[name].text(state.settings[name]) if name in fields else state.settings[name]}"
        for name in names[:_MAX_LISTED]
    ]
    if len(names) > _MAX_LISTED:
        listed.append(_("and {count} more", count=len(names) - _MAX_LISTED))
    return ngettext(
        "{count} setting of yours applies too: {settings}. Ctrl+R resets it.",
        "{count} settings of yours apply too: {settings}. Ctrl+R resets them.",
        len(names),
        settings=", ".join(listed),
    )


def drop_carried_settings(state: WizardState) -> None:
    """Forget them. The network stays: the Weights screen shows it."""
    for name in _carried(state):
        del state.settings[name]


def _carried(state: WizardState) -> dict[str, object]:
    shown_elsewhere = {_OF_THE_WEIGHTS_SCREEN: state.settings.get(_OF_THE_WEIGHTS_SCREEN)}
    if trains_together(state):
        shown_elsewhere |= TOGETHER
    return {
        name: value
        for name, value in state.settings.items()
        if name not in shown_elsewhere or value != shown_elsewhere[name]
    }
