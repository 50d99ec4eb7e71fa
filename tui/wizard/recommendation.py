"""Which preset suits this machine, this data set and these weights, and why, in one sentence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from engine.hardware import Hardware
from engine.recipe.presets import DEFAULT_PRESET
from tui.text import _
from tui.text.sizes import gibibytes

LITTLE_MEMORY = 2 * 2**30
"""Below that a card holds hardly a batch of everything; with a frozen backbone it does."""
SMALL_DATA = 500
"""Training images. So few alone do not teach a backbone anything."""
ENOUGH_FOR_SCRATCH = 10_000


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A preset's name and the reason for it."""

    preset: str
    reason: str


def recommend(
    names: Collection[str],
    hardware: Hardware | None,
    start: Literal["whole", "backbone", "scratch"] | None,
    images: int | None,
) -> Recommendation:
    """The preset to take; `names` are those there are, `images` the training images where they are counted."""
    found = _suiting(hardware, start, images)
    return found if found.preset in names else Recommendation(DEFAULT_PRESET, _("A good start for nearly everyone."))


def _suiting(hardware: Hardware | None, start: str | None, images: int | None) -> Recommendation:
    if start == "scratch":
        return Recommendation("modern-scratch", _scratch(images))
    if start == "backbone":
        return Recommendation("modern-backbone", _("You chose backbone weights; neck and heads are learned anew."))
    card = hardware.usable_cards[0] if hardware is not None and hardware.usable_cards else None
    if hardware is not None and card is None and not hardware.torch.mps:
        return Recommendation("quick-cpu", _on_processor(images))
    if card is not None and card.memory_free is not None and card.memory_free < LITTLE_MEMORY:
        reason = _(
            "Only {size} are free on {card}: with a frozen backbone it fits.",
            size=gibibytes(card.memory_free),
            card=card.name,
        )
        return Recommendation("modern-freeze-only", reason)
    if images is not None and images < SMALL_DATA:
        return Recommendation(
            DEFAULT_PRESET,
            _("{images} training images are few: a network that can already see needs few.", images=images),
        )
    return Recommendation(DEFAULT_PRESET, _("The whole network's weights are the best start for nearly everyone."))


def _scratch(images: int | None) -> str:
    if images is None or images >= ENOUGH_FOR_SCRATCH:
        return _("You chose to start from scratch: nothing is frozen, and it takes long.")
    return _(
        "You chose to start from scratch, with {images} training images; {enough} are advised.",
        images=images,
        enough=ENOUGH_FOR_SCRATCH,
    )


def _on_processor(images: int | None) -> str:
    if images is None:
        return _("The processor trains here: a small input and few epochs take minutes, not hours.")
    return _(
        "The processor trains here, on {images} images: a small input and few epochs keep it short.", images=images
    )
