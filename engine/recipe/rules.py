"""Rules between several settings of a recipe. `make_recipe` applies them; the model itself checks one setting at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from engine.messages import Message
from engine.network.registry import NETWORKS
from engine.recipe.model import MIN_BATCH_SIZE, Recipe

Problem = tuple[tuple[str, ...], Message]
"""The settings that are wrong, or do not go together, and the sentence about it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule over the settings `reads`. `check` returns what is wrong, or None."""

    reads: tuple[str, ...]
    check: Callable[[Recipe], Message | None]


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


def _sync_bn(recipe: Recipe) -> Message | None:
    if not recipe.sync_bn:
        return None
    if recipe.parallel != "ddp":
        return Message(
            "recipe.sync_bn",
            "sync_bn: only the processes of parallel=ddp can share their batch norm statistics; set parallel=ddp or sync_bn=false.",
        )
    if recipe.device in ("cpu", "mps"):
        return Message(
            "recipe.sync_bn_device",
            "sync_bn: torch.nn.SyncBatchNorm works on NVIDIA cards only, and device is {device}; set sync_bn=false.",
            {"device": recipe.device},
        )
    return None


def _parallel_device(recipe: Recipe) -> Message | None:
    if recipe.parallel == "dp" and recipe.device in ("cpu", "mps"):
        return Message(
            "recipe.dp_device",
            "parallel: dp splits a batch over several graphics cards, and device is {device}; set parallel={nearest}.",
            {"device": recipe.device, "nearest": "ddp" if recipe.device == "cpu" else "none"},
        )
    if recipe.parallel == "ddp" and recipe.device == "mps":
        return Message(
            "recipe.ddp_mps",
            "parallel: ddp is not possible on a Mac's GPU, since torch cannot connect several processes there; set parallel=none.",
        )
    return None


def _distinct_devices(recipe: Recipe) -> Message | None:
    distinct = tuple(dict.fromkeys(recipe.devices))
    if recipe.parallel == "none" or len(distinct) == len(recipe.devices):
        return None
    return Message(
        "recipe.devices_twice",
        "devices: each number may occur once; the nearest is {nearest}.",
        {"nearest": list(distinct)},
    )


def _freeze_batch_size(recipe: Recipe) -> Message | None:
    return batch_size_problems(recipe, _parts(recipe)).get("freeze_batch_size")


def _unfreeze_batch_size(recipe: Recipe) -> Message | None:
    return batch_size_problems(recipe, _parts(recipe)).get("unfreeze_batch_size")


def _parts(recipe: Recipe) -> int:
    """In how many parts the recipe itself says that a batch is split."""
    return 1 if recipe.parallel == "none" else max(1, len(set(recipe.devices)))


def batch_size_problems(recipe: Recipe, parts: int) -> dict[str, Message]:
    """What is wrong with the batch sizes where a batch is split into `parts` for as many cards or processes.

    By key. The nearest values that the messages name are valid together: each can be split, and the batch of the freeze stage
    is 1 to 2 times the other.
    """
    problems: dict[str, Message] = {}
    freeze, unfreeze = recipe.freeze_batch_size, recipe.unfreeze_batch_size
    nearest_unfreeze: int | None = None
    if unfreeze != "auto":
        nearest_unfreeze = nearest_divisible(unfreeze, parts)
        if nearest_unfreeze != unfreeze:
            problems["unfreeze_batch_size"] = _batch_split("unfreeze_batch_size", unfreeze, parts, nearest_unfreeze)
    if not recipe.freeze_train or freeze == "auto":
        return problems
    alone = nearest = nearest_divisible(freeze, parts)
    if nearest_unfreeze is not None:
        nearest = min(max(alone, nearest_unfreeze), 2 * nearest_unfreeze)
    if nearest == freeze:
        return problems
    if alone == nearest:
        problems["freeze_batch_size"] = _batch_split("freeze_batch_size", freeze, parts, nearest)
    elif alone != freeze:
        problems["freeze_batch_size"] = Message(
            "recipe.batch_split",
            "freeze_batch_size: {size} cannot be split over {parts} devices: each gets the same number of images, at least 2; the "
            "nearest that is 1 to 2 times unfreeze_batch_size={unfreeze} is {nearest}.",
            {"size": freeze, "parts": parts, "unfreeze": nearest_unfreeze, "nearest": nearest},
        )
    else:
        problems["freeze_batch_size"] = Message(
            "recipe.freeze_batch",
            "freeze_batch_size: {freeze} must be 1 to 2 times unfreeze_batch_size ({unfreeze}); the nearest is {nearest}.",
            {"freeze": freeze, "unfreeze": nearest_unfreeze, "nearest": nearest},
        )
    return problems


def _batch_split(key: str, batch_size: int, parts: int, nearest: int) -> Message:
    return Message(
        "recipe.batch_split",
        "{key}: {size} cannot be split over {parts} devices: each gets the same number of images, at least 2; the nearest is "
        "{nearest}.",
        {"key": key, "size": batch_size, "parts": parts, "nearest": nearest},
    )


def nearest_divisible(batch_size: int, parts: int) -> int:
    """The batch size nearest to `batch_size` of which each of `parts` gets the same number of images, at least 2."""
    return parts * max(MIN_BATCH_SIZE, (2 * batch_size + parts) // (2 * parts))


def _adaptive_threads(recipe: Recipe) -> Message | None:
    if recipe.threads != "adapt" or recipe.parallel != "ddp":
        return None
    return Message(
        "recipe.threads_adapt",
        "threads: adapt is for a training in one process; with parallel=ddp set threads=auto.",
    )


_RULES = (
    _Rule(("freeze_train", "model_path", "pretrained"), _freeze_needs_weights),
    _Rule(("init_epoch", "unfreeze_epoch"), _init_epoch),
    _Rule(("freeze_train", "freeze_epoch", "unfreeze_epoch"), _freeze_epoch),
    _Rule(("init_lr", "min_lr"), _min_lr),
    _Rule(("network", "anchors"), _anchor_count),
    _Rule(("threads", "parallel"), _adaptive_threads),
    _Rule(("sync_bn", "parallel", "device"), _sync_bn),
    _Rule(("parallel", "device"), _parallel_device),
    _Rule(("devices", "parallel"), _distinct_devices),
    _Rule(("unfreeze_batch_size", "parallel", "devices"), _unfreeze_batch_size),
    _Rule(("freeze_batch_size", "unfreeze_batch_size", "freeze_train", "parallel", "devices"), _freeze_batch_size),
)


def broken_rules(recipe: Recipe, ignoring: Collection[str] = ()) -> list[Problem]:
    """Every broken rule: the settings it reads, and the message. Rules that read a setting in `ignoring` are skipped."""
    checks = ((rule.reads, rule.check(recipe)) for rule in _RULES if not any(name in ignoring for name in rule.reads))
    return [(names, message) for names, message in checks if message is not None]
