"""The order of the wizard's screens, and their titles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.text import N_

SCREEN_TITLES: Final[Mapping[str, str]] = {
    "hardware": N_("Hardware"),
    "data": N_("Data"),
    "weights": N_("Weights"),
    "recipe": N_("Recipe"),
    "tune": N_("Tune"),
    "review": N_("Review"),
    "train": N_("Train"),
    "results": N_("Results"),
}
"""Screen names and English titles in their order; translate a title where it is shown. Runs is not part of the order."""

SCREEN_ORDER: Final = tuple(SCREEN_TITLES)


def next_screen(screen_name: str) -> str | None:
    """The screen after this one; None after the last, and for Runs."""
    return _neighbour(screen_name, 1)


def previous_screen(screen_name: str) -> str | None:
    """The screen before this one; None before the first, and for Runs."""
    return _neighbour(screen_name, -1)


def _neighbour(screen_name: str, offset: int) -> str | None:
    if screen_name not in SCREEN_ORDER:
        return None
    index = SCREEN_ORDER.index(screen_name) + offset
    return SCREEN_ORDER[index] if 0 <= index < len(SCREEN_ORDER) else None
