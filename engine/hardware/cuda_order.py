"""Which card torch will call `cuda:N`, without asking CUDA (which would create a context).

Rules: "CUDA Environment Variables" in NVIDIA's CUDA programming guide. CUDA_VISIBLE_DEVICES names cards by number or by the
beginning of a UUID and ends at the first name that is none; a card named twice hides all. The numbers count in the order that
CUDA_DEVICE_ORDER chooses: PCI_BUS_ID is NVML's order; FASTEST_FIRST, the default, is CUDA's own estimate of speed,
which is not published. It is the same as NVML's order where all cards are alike. For unlike cards we estimate it by
arithmetic units times clock, keep ties in NVML's order, and say that it is an estimate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CardIdentity:
    """What the order depends on. `speed`: arithmetic units times highest clock, None where the driver does not tell."""

    name: str
    uuid: str | None
    speed: int | None


@dataclass(frozen=True, slots=True)
class CudaOrder:
    """`numbers[N]` is the NVML number of `cuda:N`. `known`: not an estimate. `slices`: MIG slices are chosen, no cards."""

    numbers: tuple[int, ...]
    known: bool
    slices: bool = False


def cuda_order(cards: Sequence[CardIdentity], environment: Mapping[str, str]) -> CudaOrder:
    """The cards that CUDA will show to a process with this `environment`; `cards` in NVML's order."""
    everything, known = _enumeration(cards, environment.get("CUDA_DEVICE_ORDER", ""))
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return CudaOrder(everything, known or len(cards) < 2)
    if chosen.startswith("MIG-"):
        return CudaOrder((), known=True, slices=True)
    if chosen.startswith("GPU-"):
        return CudaOrder(_by_uuid(chosen, cards), known=True)
    numbers = _by_number(chosen, len(cards))
    return CudaOrder(tuple(everything[number] for number in numbers), known or not numbers)


def _enumeration(cards: Sequence[CardIdentity], order: str) -> tuple[tuple[int, ...], bool]:
    """All cards as CUDA numbers them, and whether that is certain."""
    numbers = tuple(range(len(cards)))
    if order == "PCI_BUS_ID" or len({card.name for card in cards}) < 2:
        return numbers, True
    if any(card.speed is None for card in cards):
        return numbers, False
    return tuple(sorted(numbers, key=lambda number: -(cards[number].speed or 0))), False


def _by_uuid(chosen: str, cards: Sequence[CardIdentity]) -> tuple[int, ...]:
    found: list[int] = []
    for name in chosen.split(","):
        matches = [number for number, card in enumerate(cards) if (card.uuid or "").startswith(name)]
        if not name.startswith("GPU-") or len(matches) != 1:
            break
        if matches[0] in found:
            return ()
        found.append(matches[0])
    return tuple(found)


def _by_number(chosen: str, count: int) -> tuple[int, ...]:
    """CUDA reads a number as C's strtoul does: leading digits count, what follows them does not."""
    found: list[int] = []
    for name in chosen.split(","):
        digits = re.match(r"\s*\+?(\d+)", name)
        if digits is None:
            break
        if int(digits[1]) in found:
            return ()
        found.append(int(digits[1]))
    beyond = next((place for place, number in enumerate(found) if number >= count), len(found))
    return tuple(found[:beyond])
