"""The recommended preset for this machine, data set and start, with a one-line reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from engine.hardware import Hardware
from engine.recipe.presets import DEFAULT_PRESET
from tui.text import _
from tui.text.sizes import format_size

FREEZE_ONLY_BELOW_BYTES = 2 * 2**30
"""With less free memory than this a card can hardly train the whole network, but it can with a frozen backbone."""
FEW_IMAGES = 500
"""Fewer training images than this cannot teach a backbone anything."""
MIN_IMAGES_FOR_SCRATCH = 10_000


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The name of a preset, and why it is recommended."""

    preset: str
    reason: str


def recommend(
    names: Collection[str],
    hardware: Hardware | None,
    start: Literal["whole", "backbone", "scratch"] | None,
    train_images: int | None,
) -> Recommendation:
    """The recommended preset.

    Args:
        names: the presets that exist.
        hardware: None if it is not known yet.
        start: what the training starts from, if it has been chosen.
        train_images: number of training images, if they have been counted.
    """
    recommendation = _recommend(hardware, start, train_images)
    if recommendation.preset in names:
        return recommendation
    return Recommendation(DEFAULT_PRESET, _("A good start for nearly everyone."))


def _recommend(hardware: Hardware | None, start: str | None, train_images: int | None) -> Recommendation:
    if start == "scratch":
        return Recommendation("modern-scratch", _scratch_reason(train_images))
    if start == "backbone":
        return Recommendation(
            "modern-backbone", _("You chose backbone weights; neck and heads are trained from scratch.")
        )
    card = None if hardware is None else hardware.best_card()
    if hardware is not None and card is None and not hardware.torch.mps:
        return Recommendation("quick-cpu", _processor_reason(train_images))
    if card is not None and card.memory_free is not None and card.memory_free < FREEZE_ONLY_BELOW_BYTES:
        reason = _(
            "Only {size} is free on {card}; that is enough if the backbone stays frozen.",
            size=format_size(card.memory_free),
            card=card.name,
        )
        return Recommendation("modern-freeze-only", reason)
    if train_images is not None and train_images < FEW_IMAGES:
        return Recommendation(
            DEFAULT_PRESET,
            _("{images} training images are few; a pretrained network is the best start.", images=train_images),
        )
    return Recommendation(DEFAULT_PRESET, _("The weights of the whole network are the best start for nearly everyone."))


def _scratch_reason(train_images: int | None) -> str:
    if train_images is None or train_images >= MIN_IMAGES_FOR_SCRATCH:
        return _("You chose to start from scratch: nothing is frozen, and the training takes long.")
    return _(
        "You chose to start from scratch with {images} training images; at least {enough} are advised.",
        images=train_images,
        enough=MIN_IMAGES_FOR_SCRATCH,
    )


def _processor_reason(train_images: int | None) -> str:
    if train_images is None:
        return _("The processor trains here; a small input and few epochs take minutes, not hours.")
    return _(
        "The processor trains here, on {images} images; a small input and few epochs keep it short.",
        images=train_images,
    )
