"""The recommended preset for this machine, data set and start, with a one-line reason; and how long each goal takes with a preset."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.planning.advice import Goal, stage_lengths, step_advice
from engine.planning.rough_time import rough_seconds
from engine.recipe.presets import DEFAULT_PRESET, Preset
from tui.text import N_, _
from tui.text.sizes import format_size
from tui.wizard.recipe_draft import apply_preset, draft_of
from tui.wizard.state import WizardState

FREEZE_ONLY_BELOW_BYTES = 2 * 2**30
"""With less free memory than this a card can hardly train the whole network, but it can with a frozen backbone."""
FEW_IMAGES = 500
"""Fewer training images than this cannot teach a backbone anything."""
MIN_IMAGES_FOR_SCRATCH = 10_000

GOAL_NAMES: Final[Mapping[Goal, str]] = {"first_look": N_("a first look"), "good_result": N_("a good result")}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The name of a preset, and why it is recommended."""

    preset: str
    reason: str


@dataclass(frozen=True, slots=True)
class GoalOption:
    """What a preset takes for a goal on this data set."""

    goal: Goal
    epochs: int
    steps: int
    seconds: float | None
    """An estimate; None where there is none."""
    few_images: int | None
    """The number of training images where more of them would help more than more epochs."""
    is_measured: bool = False
    """Whether this machine has timed the steps; otherwise `seconds` is right within a factor of about three."""


def recommend(
    names: Collection[str],
    hardware: Hardware | None,
    start: Literal["whole", "backbone", "scratch"] | None,
    train_images: int | None,
) -> Recommendation:
    """The recommended preset. With epochs that fit the data set (`draft_of`) its Plan has no warning about steps.

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


def goal_options(
    state: WizardState,
    preset: Preset,
    images: Mapping[str, int],
    hardware: Hardware,
    measured: Mapping[Goal, float] | None = None,
) -> tuple[GoalOption, ...]:
    """What each goal takes with `preset`; empty if its epochs are not adapted to the data set, or the user chose them.

    Args:
        state: the start, the settings, and the number of training images.
        preset: a preset.
        images: number of images in each split.
        hardware: where it will run.
        measured: the seconds of a goal, where they are known better than by a rough estimate.
    """
    options = []
    chosen = replace(state, settings=dict(state.settings))
    apply_preset(chosen, preset)  # as Enter does: a preset may bring another start
    for goal in GOAL_NAMES:
        try:
            draft = draft_of(chosen, preset, goal)
            recipe = draft.recipe()
        except BadInput:
            return ()
        if not draft.is_adapted:
            return ()
        epochs = recipe.unfreeze_epoch
        lengths = stage_lengths(recipe, images["train"])
        advice = step_advice(recipe.method, recipe.optimizer_type, epochs, lengths)
        known = (measured or {}).get(goal)
        seconds = rough_seconds(recipe, images, hardware) if known is None else known
        few_images = images["train"] if advice.wants_images else None
        options.append(GoalOption(goal, epochs, advice.steps, seconds, few_images, is_measured=known is not None))
    return tuple(options)


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
        return _("The processor trains here; a small input takes minutes, not hours.")
    return _("The processor trains here, on {images} images; a small input keeps it short.", images=train_images)
