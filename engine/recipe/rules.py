"""What must hold between the settings of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.messages import Message

if TYPE_CHECKING:
    from engine.recipe.model import Recipe

ANCHOR_COUNT: Mapping[str, int] = {"yolov4": 9, "yolov4-tiny": 6}


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule over several settings: `check` says what is wrong, or returns None."""

    reads: tuple[str, ...]
    check: Callable[[Recipe], Message | None]


def _freeze_batch(recipe: Recipe) -> Message | None:
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


def _epochs_in_order(recipe: Recipe) -> Message | None:
    if recipe.init_epoch >= recipe.unfreeze_epoch:
        return Message(
            "recipe.init_epoch",
            "init_epoch: {init} leaves nothing to train before unfreeze_epoch ({end}); the largest is {largest}.",
            {"init": recipe.init_epoch, "end": recipe.unfreeze_epoch, "largest": recipe.unfreeze_epoch - 1},
        )
    return None


def _freeze_before_end(recipe: Recipe) -> Message | None:
    if recipe.freeze_train and recipe.freeze_epoch > recipe.unfreeze_epoch:
        return Message(
            "recipe.freeze_epoch",
            "freeze_epoch: {freeze} is beyond the last epoch, unfreeze_epoch={end}; the largest is {end}.",
            {"freeze": recipe.freeze_epoch, "end": recipe.unfreeze_epoch},
        )
    return None


def _learning_rates_in_order(recipe: Recipe) -> Message | None:
    if recipe.min_lr <= recipe.init_lr:
        return None
    return Message(
        "recipe.min_lr",
        "min_lr: {low} is larger than init_lr ({high}).",
        {"low": f"{recipe.min_lr:g}", "high": f"{recipe.init_lr:g}"},
    )


def _anchor_count(recipe: Recipe) -> Message | None:
    wanted = ANCHOR_COUNT[recipe.network]
    if recipe.anchors == "network" or len(recipe.anchors) == wanted:
        return None
    return Message(
        "recipe.anchors",
        "anchors: {network} takes {wanted} of them, not {found}.",
        {"network": recipe.network, "wanted": wanted, "found": len(recipe.anchors)},
    )


def _sync_needs_ddp(recipe: Recipe) -> Message | None:
    if recipe.sync_bn and recipe.parallel != "ddp":
        return Message("recipe.sync_bn", "sync_bn: true needs parallel=ddp.")
    return None


_RULES = (
    _Rule(("freeze_train", "freeze_batch_size", "unfreeze_batch_size"), _freeze_batch),
    _Rule(("freeze_train", "model_path", "pretrained"), _freeze_needs_weights),
    _Rule(("init_epoch", "unfreeze_epoch"), _epochs_in_order),
    _Rule(("freeze_train", "freeze_epoch", "unfreeze_epoch"), _freeze_before_end),
    _Rule(("init_lr", "min_lr"), _learning_rates_in_order),
    _Rule(("network", "anchors"), _anchor_count),
    _Rule(("sync_bn", "parallel"), _sync_needs_ddp),
)


def broken_rules(recipe: Recipe, ignoring: frozenset[str] = frozenset()) -> list[Message]:
    """What the rules between settings find wrong; rules that read a setting in `ignoring` are left out."""
    checks = (rule.check(recipe) for rule in _RULES if ignoring.isdisjoint(rule.reads))
    return [message for message in checks if message is not None]
