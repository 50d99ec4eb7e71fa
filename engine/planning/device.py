"""The devices, precision and number of threads of a training."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
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


def choose_devices(recipe: Recipe, hardware: Hardware) -> tuple[str, ...]:
    """The torch devices of this machine that train together, in the order of `devices`; a single one without `parallel`.

    On the processor each number in `devices` is one process. Without `devices` every usable card trains that has at least half
    the free memory of the best one: a smaller one would limit the batch of all (`cards_left_out`).

    Raises:
        BadInput: a device that the recipe names does not exist, or torch cannot use it, or not with several processes.
    """
    if recipe.parallel == "ddp" and sys.platform == "win32":
        raise bad_input(
            "plan.ddp_windows",
            "parallel: ddp needs NCCL, which PyTorch has on Linux only; set parallel=dp, or train in WSL 2.",
        )
    first = choose_device(recipe, hardware)
    if recipe.parallel == "none" or first == "mps":
        return (first,)
    if first == "cpu":
        return ("cpu",) * max(1, len(recipe.devices))
    for number in recipe.devices:
        card = hardware.cuda_card(number)
        if card is None or not card.usable:
            raise bad_input(
                "plan.devices_missing",
                "devices: cuda:{number} is not possible; leave devices empty to train on all usable cards, or fix this: {reason}",
                number=number,
                reason=_reason_unusable(hardware, card),
            )
    numbers = recipe.devices or [card.cuda_index for card in hardware.cards_together]
    return tuple(f"cuda:{number}" for number in numbers)


def cards_left_out(recipe: Recipe, hardware: Hardware) -> tuple[Card, ...]:
    """The usable cards that `choose_devices` leaves out although the recipe trains on several and names none."""
    if recipe.parallel == "none" or recipe.devices or recipe.device not in ("auto", "cuda"):
        return ()
    together = hardware.cards_together
    return tuple(card for card in hardware.usable_cards if card not in together)


def _reason_unusable(hardware: Hardware, card: Card | None) -> Message:
    """Why torch cannot use `card`; for None, why it cannot use any card."""
    cards = hardware.cards if card is None else (card,)
    problems = [problem for problem in (hardware.driver.problem, *(c.problem for c in cards)) if problem is not None]
    if problems:
        return problems[0]
    return phrase("torch can use {count} card(s) here, numbered from 0.", count=len(hardware.usable_cards))


def choose_precision(recipe: Recipe, devices: str | Sequence[str], hardware: Hardware) -> Precision:
    """The number format to compute in. "auto": 16-bit if every device is fast in it and none has failed the AMP check.

    Raises:
        BadInput: fp16 on the processor.
    """
    devices = _as_sequence(devices)
    if recipe.precision != "auto":
        if recipe.precision == "fp16" and "cpu" in devices:
            raise bad_input(
                "plan.fp16_on_cpu",
                "precision: fp16 is for graphics cards; on the processor set precision=bf16 or fp32.",
            )
        return recipe.precision
    return usable_amp_dtype(devices, hardware, recipe.network) or "fp32"


def check_amp(recipe: Recipe, hardware: Hardware) -> None:
    """Run the AMP check if "auto" would choose 16-bit and it has not run for these devices and network yet (some seconds).

    Raises:
        BadInput: a device that the recipe names does not exist.
    """
    devices = choose_devices(recipe, hardware)
    dtype = preferred_amp_dtype(devices, hardware)
    if recipe.precision == "auto" and dtype is not None:
        for device in dict.fromkeys(devices):
            run_amp_check(device, hardware, recipe.network, dtype)


def preferred_amp_dtype(devices: str | Sequence[str], hardware: Hardware) -> Literal["bf16", "fp16"] | None:
    """bf16 from Ampere on and on processors with AMX, fp16 on Volta and Turing, None elsewhere.

    Of several devices: bf16 if it is that of all, fp16 if each is fast in 16-bit, else None.
    """
    dtypes = {_preferred_on(device, hardware) for device in _as_sequence(devices)}
    if None in dtypes:
        return None
    return "fp16" if "fp16" in dtypes else "bf16"


def _preferred_on(device: str, hardware: Hardware) -> Literal["bf16", "fp16"] | None:
    if device.startswith("cuda"):
        card = hardware.cuda_card(int(device.partition(":")[2]))
        capability = None if card is None else card.capability
        if capability is None or capability < (7, 0):
            return None
        return "bf16" if capability >= (8, 0) else "fp16"
    # AVX512-BF16 without AMX was slower than fp32: 1.37 against 1.06 s per step.
    return "bf16" if device == "cpu" and hardware.processor.amx_bf16 else None


def usable_amp_dtype(
    devices: str | Sequence[str], hardware: Hardware, network: Network
) -> Literal["bf16", "fp16"] | None:
    """`preferred_amp_dtype`, or None if the AMP check failed for one of the devices and the network."""
    dtype = preferred_amp_dtype(devices, hardware)
    if dtype is None or any(amp_check_failed(device, hardware, network, dtype) for device in _as_sequence(devices)):
        return None
    return dtype


def _as_sequence(devices: str | Sequence[str]) -> Sequence[str]:
    return (devices,) if isinstance(devices, str) else devices


def choose_threads(hardware: Hardware, processes: int = 1, wanted: int | Literal["auto", "adapt"] = "auto") -> int:
    """CPU threads for matrix operations in each of `processes`: the number wanted, else one per core, or fewer if OMP_NUM_THREADS says so."""
    if isinstance(wanted, int):
        return wanted
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = max(1, hardware.processor.cores // processes)
    return max(1, min(int(limit), cores)) if limit.isdigit() else cores
