"""What a training computes with: the device, the format of its numbers, the threads."""

from __future__ import annotations

import os
from typing import Literal

from engine.hardware import Card, Hardware
from engine.messages import Message, bad_input, phrase
from engine.planning.amp_check import amp_check_failed, run_amp_check
from engine.recipe import Network, Recipe

Precision = Literal["fp32", "bf16", "fp16"]


def choose_device(recipe: Recipe, hardware: Hardware) -> str:
    """The torch device that trains: `cpu`, `cuda:0`, `mps`.

    Raises:
        BadInput: the wanted one is not there, or torch cannot use it.
    """
    build = hardware.torch
    number = recipe.devices[0] if recipe.devices else 0
    card = hardware.cuda_card(number)
    usable = card is not None and card.usable
    if recipe.parallel != "none":
        raise bad_input(
            "plan.parallel",
            "parallel: {parallel} needs several graphics cards, and training on several is not part of this version; set "
            "parallel=none.",
            parallel=recipe.parallel,
        )
    if recipe.device == "auto":
        return f"cuda:{number}" if usable else "mps" if build.mps else "cpu"
    if recipe.device == "cuda" and not usable:
        raise bad_input(
            "plan.no_cuda",
            "device: cuda:{number} is not possible; set device=auto, or mend this: {reason}",
            number=number,
            reason=_why_not(hardware, card),
        )
    if recipe.device == "mps" and not build.mps:
        raise bad_input(
            "plan.no_mps", "device: mps is not possible, since this is no Mac with Apple graphics; set device=auto."
        )
    return f"cuda:{number}" if recipe.device == "cuda" else recipe.device


def _why_not(hardware: Hardware, card: Card | None) -> Message:
    """What keeps torch from `card`, or from every card where there is no such one."""
    candidates = hardware.cards if card is None else (card,)
    problems = [
        problem for problem in (hardware.driver.problem, *(c.problem for c in candidates)) if problem is not None
    ]
    if problems:
        return problems[0]
    return phrase("torch can use {count} card(s) here, numbered from 0.", count=len(hardware.usable_cards))


def choose_precision(recipe: Recipe, device: str, hardware: Hardware) -> Precision:
    """The format to compute in; "auto" takes 16-bit where the device does it well, unless its self-test failed there once.

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
    """Find out, once for each device and network, whether 16-bit works there, where "auto" would take it (some seconds).

    Raises:
        BadInput: the recipe's device is not there.
    """
    device = choose_device(recipe, hardware)
    wanted = preferred_amp_dtype(device, hardware)
    if recipe.precision == "auto" and wanted is not None:
        run_amp_check(device, hardware, recipe.network, wanted)


def preferred_amp_dtype(device: str, hardware: Hardware) -> Literal["bf16", "fp16"] | None:
    """bf16 from Ampere on and on processors with AMX, fp16 on Volta and Turing, None elsewhere."""
    if device.startswith("cuda"):
        card = hardware.cuda_card(int(device.partition(":")[2]))
        capability = None if card is None else card.capability
        if capability is None or capability < (7, 0):
            return None
        return "bf16" if capability >= (8, 0) else "fp16"
    # AVX512-BF16 without AMX was measured slower than fp32: 1.37 against 1.06 s a step.
    return "bf16" if device == "cpu" and hardware.processor.amx_bf16 else None


def usable_amp_dtype(device: str, hardware: Hardware, network: Network) -> Literal["bf16", "fp16"] | None:
    """What the device does well, unless its self-test with this network failed there once."""
    wanted = preferred_amp_dtype(device, hardware)
    return None if wanted is None or amp_check_failed(device, hardware, network, wanted) else wanted


def choose_threads(hardware: Hardware) -> int:
    """Threads of the processor's matrix work: one for each core; fewer where the user has told every program so."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    cores = hardware.processor.cores
    return max(1, min(int(wanted), cores)) if wanted.isdigit() else cores
