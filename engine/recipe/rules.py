"""Rules between several settings of a recipe. `make_recipe` applies them; the model itself checks one setting at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from engine.messages import Message
from engine.network.registry import NETWORKS
from engine.recipe.model import Recipe

Problem = tuple[tuple[str, ...], Message]
"""The settings that are wrong, or do not go together, and the sentence about it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule over the settings `reads`. `check` returns what is wrong, or None."""

    reads: tuple[str, ...]
    check: Callable[[Recipe], Message | None]


def _freeze_batch_size(recipe: Recipe) -> Message | None:
    freeze, unfreeze = recipe.freeze_batch_size, recipe.unfreeze_batch_size
    if not recipe.freeze_train or freeze == "auto" or unfreeze == "auto" or unfreeze <= freeze <= 2 * unfreeze:
        return None
    return Message(
        "recipe.freeze_batch",
        "freeze_batch_size: {freeze} must be 1 to 2 times unfreeze_batch_size ({unfreeze}); the nearest is {nearest}.",
        {"freeze": freeze, "unfreeze": unfreeze, "nearest": min(max(freeze, unfreeze), 2 * unfreeze)},
    )


def _freeze_needs_weights(recipe: Recipe) -> Message | None:
    if recipe.start != "scratch" or not recipe.freeze_train:
        return None
    return Message(
        "recipe.frozen_scratch",
        "freeze_train: true freezes a backbone that has learned nothing; set freeze_train=false, or start from weights "
        "(model_path=coco, or pretrained=true).",
    )


def _init_epoch(recipe: Recipe) -> Message | None:
    if recipe.init_epoch >= recipe.unfreeze_epoch:
        return Message(
            "recipe.init_epoch",
            "init_epoch: {init} leaves nothing to train before unfreeze_epoch ({end}); the largest is {largest}.",
            {"init": recipe.init_epoch, "end": recipe.unfreeze_epoch, "largest": recipe.unfreeze_epoch - 1},
        )
    return None


def _freeze_epoch(recipe: Recipe) -> Message | None:
    if recipe.freeze_train and recipe.freeze_epoch > recipe.unfreeze_epoch:
        return Message(
            "recipe.freeze_epoch",
            "freeze_epoch: {freeze} is beyond the last epoch, unfreeze_epoch={end}; the largest is {end}.",
            {"freeze": recipe.freeze_epoch, "end": recipe.unfreeze_epoch},
        )
    return None


def _min_lr(recipe: Recipe) -> Message | None:
    if recipe.min_lr <= recipe.init_lr:
        return None
    return Message(
        "recipe.min_lr",
        "min_lr: {low} is larger than init_lr ({high}).",
        {"low": f"{recipe.min_lr:g}", "high": f"{recipe.init_lr:g}"},
    )


def _anchor_count(recipe: Recipe) -> Message | None:
    wanted = len(NETWORKS[recipe.network].anchors)
    if recipe.anchors == "network" or len(recipe.anchors) == wanted:
        return None
    return Message(
        "recipe.anchors",
        "anchors: {network} takes {wanted} of them, not {found}.",
        {"network": recipe.network, "wanted": wanted, "found": len(recipe.anchors)},
    )


_RULES = (
    _Rule(("freeze_train", "freeze_batch_size", "unfreeze_batch_size"), _freeze_batch_size),
    _Rule(("freeze_train", "model_path", "pretrained"), _freeze_needs_weights),
    _Rule(("init_epoch", "unfreeze_epoch"), _init_epoch),
    _Rule(("freeze_train", "freeze_epoch", "unfreeze_epoch"), _freeze_epoch),
    _Rule(("init_lr", "min_lr"), _min_lr),
    _Rule(("network", "anchors"), _anchor_count),
)


def broken_rules(recipe: Recipe, ignoring: Collection[str] = ()) -> list[Problem]:
    """Every broken rule: the settings it reads, and the message. Rules that read a setting in `ignoring` are skipped."""
    checks = ((rule.reads, rule.check(recipe)) for rule in _RULES if not any(name in ignoring for name in rule.reads))
    return [(names, message) for names, message in checks if message is not None]
