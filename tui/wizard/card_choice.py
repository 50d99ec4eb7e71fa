"""One card or all: what the wizard proposes where several cards can train together."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.planning.rough_time import rough_seconds
from engine.recipe.presets import Preset
from tui.wizard.recipe_draft import apply_preset, draft_of
from tui.wizard.state import WizardState

TOGETHER = {"parallel": "ddp", "freeze_batch_size": "auto", "unfreeze_batch_size": "auto"}
"""The settings of a training on all cards: a batch of the preset would leave each card only a part of it."""


@dataclass(frozen=True, slots=True)
class CardOption:
    """One card, or several together, and how long the training takes there."""

    cards: tuple[str, ...]
    """Their names."""
    is_chosen: bool
    seconds: float | None
    """A rough estimate; None where there is none."""


def card_options(
    state: WizardState, preset: Preset, images: Mapping[str, int] | None, hardware: Hardware
) -> tuple[CardOption, ...]:
    """All cards together, and the best one alone; empty where there is no choice, or the user named devices.

    Args:
        state: the settings so far.
        preset: the preset that would be used.
        images: number of images in each split, if they are counted.
        hardware: of this machine.
    """
    together, best = hardware.cards_together, hardware.best_card()
    settings = state.settings
    has_choice = len(together) > 1 and best is not None and sys.platform != "win32"
    if not has_choice or best is None or settings.get("devices") or settings.get("device") in ("cpu", "mps"):
        return ()
    names = tuple(card.name for card in together)
    return (
        CardOption(names, trains_together(state), _seconds(state, preset, images, hardware, TOGETHER)),
        CardOption(
            (best.name,), not trains_together(state), _seconds(state, preset, images, hardware, {"parallel": "none"})
        ),
    )


def trains_together(state: WizardState) -> bool:
    """Whether all cards are chosen."""
    return state.settings.get("parallel") == "ddp"


def switch_cards(state: WizardState) -> None:
    """Choose all cards instead of one, or one instead of all."""
    if trains_together(state):
        for name, value in TOGETHER.items():
            if state.settings.get(name) == value:
                del state.settings[name]
        state.settings.pop("sync_bn", None)
    else:
        state.settings.update(TOGETHER)


def _seconds(
    state: WizardState,
    preset: Preset,
    images: Mapping[str, int] | None,
    hardware: Hardware,
    settings: Mapping[str, object],
) -> float | None:
    if images is None:
        return None
    chosen = replace(state, settings={**state.settings, **settings})
    try:
        apply_preset(chosen, preset)
        return rough_seconds(draft_of(chosen, preset).recipe(), images, hardware)
    except BadInput:
        return None
