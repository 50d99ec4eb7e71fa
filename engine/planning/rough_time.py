"""A rough estimate of how long a training takes, before anything of it was measured. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from engine.hardware import Hardware
from engine.network.registry import NETWORKS
from engine.planning.advice import stage_lengths
from engine.recipe import Recipe

_GFLOP_PER_IMAGE = {"yolov4": 180.0, "yolov4-tiny": 20.6}
"""To train on one image of 416x416: three times what a detection takes."""
_PIXELS = 416 * 416
CHECKPOINTING_FACTOR = 1.25
"""A step that trains everything takes so many times as long with activation checkpointing (benchmarks/step.py)."""
_FROZEN = 0.55
"""A step with a frozen backbone takes this fraction of one that trains everything (yolov4: 2.5 of 4.3 s, in bf16 1.1 of 2.2 s)."""
_CORE_GFLOPS = 83.0
"""What a core does in fp32: yolov4, four images a step, 4.3 s on two cores."""
_AMX_CORE_GFLOPS = 166.0
_CARD_GFLOPS = 4000.0
"""What a card of the middle class does; it often waits for images instead."""
_SEVERAL = 0.85
"""Several cards do this fraction of what they would do without exchanging their gradients."""
_IMAGES_PER_CORE_SECOND = 260.0
"""Of the loader, at 416x416."""
_VALIDATION = 1 / 3
"""A validation image takes this fraction of a training image."""
_SAVED_BYTES = 5
"""Bytes that an epoch writes (checkpoint and weights), as a multiple of the weights file."""
_DISK_BYTES_PER_SECOND = 3e8


def rough_seconds(recipe: Recipe, images: Mapping[str, int], hardware: Hardware) -> float | None:
    """Seconds of the whole training, right within a factor of about three; None for a network that was never measured.

    Args:
        recipe: the settings; a batch size "auto" counts as its default.
        images: number of images in each split.
        hardware: where it will run.
    """
    if recipe.network not in _GFLOP_PER_IMAGE:
        return None
    per_image = _seconds_per_image(recipe, hardware)
    official = NETWORKS[recipe.network].official
    saving = 0.0 if official is None else _SAVED_BYTES * official.bytes / _DISK_BYTES_PER_SECOND
    between_epochs = images.get("val", 0) * _VALIDATION * per_image + saving
    lengths = stage_lengths(recipe, images["train"])
    trained = images["train"] * per_image
    freeze_epochs, epochs = _freeze_epochs(recipe), sum(length.epochs for length in lengths)
    factor = CHECKPOINTING_FACTOR if recipe.activation_checkpointing == "on" else 1.0
    return trained * (freeze_epochs * _FROZEN + (epochs - freeze_epochs) * factor) + epochs * between_epochs


def rough_checkpointing_seconds(recipe: Recipe, images: Mapping[str, int], hardware: Hardware) -> float | None:
    """How many seconds longer the training takes with activation checkpointing; None for a network that was never measured."""
    if recipe.network not in _GFLOP_PER_IMAGE:
        return None
    epochs = sum(length.epochs for length in stage_lengths(recipe, images["train"])) - _freeze_epochs(recipe)
    return (CHECKPOINTING_FACTOR - 1) * epochs * images["train"] * _seconds_per_image(recipe, hardware)


def _freeze_epochs(recipe: Recipe) -> int:
    return min(recipe.freeze_epoch, recipe.unfreeze_epoch) if recipe.freeze_train else 0


def _cards(recipe: Recipe, hardware: Hardware) -> float:
    """As many times as fast as one card."""
    if recipe.parallel != "ddp":
        return 1.0
    return max(1.0, _SEVERAL * (len(recipe.devices) or len(hardware.cards_together)))


def _seconds_per_image(recipe: Recipe, hardware: Hardware) -> float:
    """To load one image and to train everything on it."""
    height, width = recipe.input_shape
    relative_pixels = height * width / _PIXELS
    gflop = _GFLOP_PER_IMAGE[recipe.network] * relative_pixels
    loading = relative_pixels / (_IMAGES_PER_CORE_SECOND * hardware.processor.cores)
    has_card = recipe.device != "cpu" and (hardware.best_card(recipe.devices) is not None or hardware.torch.mps)
    if has_card:
        return max(gflop / (_CARD_GFLOPS * _cards(recipe, hardware)), loading)
    core = _AMX_CORE_GFLOPS if hardware.processor.amx_bf16 and recipe.precision != "fp32" else _CORE_GFLOPS
    return gflop / (core * hardware.processor.cores) + loading
