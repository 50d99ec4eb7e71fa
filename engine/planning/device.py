"""The device, precision and number of threads of a training."""

from __future__ import annotations

import os
from typing import Literal

from engine.hardware import Card, Hardware
from engine.messages import Message, bad_input, phrase
from engine.planning.amp_check import amp_check_failed, run_amp_check
from engine.recipe import Network, Recipe

Precision = Literal["fp32", "bf16", "fp16"]


def choose_device(recipe: Recipe, hardware: Hardware) -> str:
    """The torch device to train on: `cpu`, `cuda:0`, `mps`. `Hardware.best_card` chooses among several cards.

    Raises:
        BadInput: the device that the recipe names does not exist, or torch cannot use it.
    """
    if recipe.device == "mps" and not hardware.torch.mps:
        raise bad_input(
            "plan.no_mps", "device: mps is not possible, since this is not a Mac with an Apple GPU; set device=auto."
        )
    card = hardware.best_card(recipe.devices) if recipe.device in ("auto", "cuda") else None
    if card is not None:
        return f"cuda:{card.cuda_index}"
    number = recipe.devices[0] if recipe.devices else 0
    if recipe.device == "cuda":
        raise bad_input(
            "plan.no_cuda",
            "device: cuda:{number} is not possible; set device=auto, or fix this: {reason}",
            number=number,
            reason=_reason_unusable(hardware, hardware.cuda_card(number)),
        )
    if recipe.device == "auto" and recipe.devices:
        raise bad_input(
            "plan.devices",
            "devices: cuda:{number} is not possible; leave devices empty to train on the best device, or fix this: {reason}",
            number=number,
            reason=_reason_unusable(hardware, hardware.cuda_card(number)),
        )
    if recipe.device == "auto":
        return "mps" if hardware.torch.mps else "cpu"
    return recipe.device


def _reason_unusable(hardware: Hardware, card: Card | None) -> Message:
    """Why torch cannot use `card`; for None, why it cannot use any card."""
    cards = hardware.cards if card is None else (card,)
    problems = [problem for problem in (hardware.driver.problem, *(c.problem for c in cards)) if problem is not None]
    if problems:
        return problems[0]
    return phrase("torch can use {count} card(s) here, numbered from 0.", count=len(hardware.usable_cards))


def choose_precision(recipe: Recipe, device: str, hardware: Hardware) -> Precision:
    """The number format to compute in. "auto": 16-bit if the device is fast in it and has not failed the AMP check.

    Raises:
        BadInput: fp16 on the processor.
    """
    if recipe.precision != "auto":
        if recipe.precision == "fp16" and device == "cpu":
            raise bad_input(
                "plan.fp16_on_cpu",
                "precision: fp16 is for graphics cards; on the processor set precision=bf16 or fp32.",
            )
        return recipe.precision
    return usable_amp_dtype(device, hardware, recipe.network) or "fp32"


def check_amp(recipe: Recipe, hardware: Hardware) -> None:
    """Run the AMP check if "auto" would choose 16-bit and it has not run for this device and network yet (some seconds).

    Raises:
        BadInput: the device that the recipe names does not exist.
    """
    device = choose_device(recipe, hardware)
    dtype = preferred_amp_dtype(device, hardware)
    if recipe.precision == "auto" and dtype is not None:
        run_amp_check(device, hardware, recipe.network, dtype)


def preferred_amp_dtype(device: str, hardware: Hardware) -> Literal["bf16", "fp16"] | None:
    """bf16 from Ampere on and on processors with AMX, fp16 on Volta and Turing, None elsewhere."""
    if device.startswith("cuda"):
        card = hardware.cuda_card(int(device.partition(":")[2]))
        capability = None if card is None else card.capability
        if capability is None or capability < (7, 0):
            return None
        return "bf16" if capability >= (8, 0) else "fp16"
    # AVX512-BF16 without AMX was slower than fp32: 1.37 against 1.06 s per step.
    return "bf16" if device == "cpu" and hardware.processor.amx_bf16 else None


def usable_amp_dtype(device: str, hardware: Hardware, network: Network) -> Literal["bf16", "fp16"] | None:
    """`preferred_amp_dtype`, or None if the AMP check failed for this device and network."""
    dtype = preferred_amp_dtype(device, hardware)
    return None if dtype is None or amp_check_failed(device, hardware, network, dtype) else dtype


def choose_threads(hardware: Hardware) -> int:
    """CPU threads for matrix operations: one per core, or fewer if OMP_NUM_THREADS says so."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = hardware.processor.cores
    return max(1, min(int(limit), cores)) if limit.isdigit() else cores
