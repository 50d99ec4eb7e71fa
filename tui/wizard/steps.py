"""The path through the wizard: its places in their order, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.text import N_

PATH: Final[Mapping[str, str]] = {
    "hardware": N_("Hardware"),
    "data": N_("Data"),
    "weights": N_("Weights"),
    "recipe": N_("Recipe"),
    "tune": N_("Tune"),
    "review": N_("Review"),
    "train": N_("Train"),
    "results": N_("Results"),
}
"""Places and their names in English, to be put into words where they are shown."""

PLACES: Final = tuple(PATH)


def after(place: str) -> str | None:
    """The next place of the path; None at its end and beside the path."""
    return _beside(place, 1)


def before(place: str) -> str | None:
    """The place one came from; None at the beginning."""
    return _beside(place, -1)


def _beside(place: str, step: int) -> str | None:
    if place not in PLACES:
        return None
    number = PLACES.index(place) + step
    return PLACES[number] if 0 <= number < len(PLACES) else None
