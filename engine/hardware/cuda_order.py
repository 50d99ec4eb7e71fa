"""Which card torch will call `cuda:N`, computed without CUDA, since CUDA would create a context.

Rules: "CUDA Environment Variables" in NVIDIA's CUDA programming guide. CUDA_VISIBLE_DEVICES lists cards by number or by the
beginning of a UUID; the list ends at the first invalid entry, and a card that is listed twice hides all cards. The numbers
count in the order that CUDA_DEVICE_ORDER selects: PCI_BUS_ID is NVML's order; FASTEST_FIRST, the default, is CUDA's own
estimate of speed, which is not published. Both are the same if all cards are of one model. For different models the speed is
estimated here as arithmetic units times clock, equal cards keep NVML's order, and the result is marked as an estimate.
No library computes this order without creating a CUDA context.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CardIdentity:
    """What the order depends on. `speed`: arithmetic units times highest clock, None if the driver does not report it."""

    name: str
    uuid: str | None
    speed: int | None


@dataclass(frozen=True, slots=True)
class CudaOrder:
    """`numbers[N]` is the NVML number of `cuda:N`. `known`: not an estimate. `mig`: MIG instances are listed, not cards."""

    numbers: tuple[int, ...]
    known: bool
    mig: bool = False


def cuda_order(cards: Sequence[CardIdentity], environment: Mapping[str, str]) -> CudaOrder:
    """The cards that CUDA shows to a process with this `environment`; `cards` in NVML's order."""
    numbers, known = _all_numbers(cards, environment.get("CUDA_DEVICE_ORDER", ""))
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return CudaOrder(numbers, known or len(cards) < 2)
    if visible.startswith("MIG-"):
        return CudaOrder((), known=True, mig=True)
    if visible.startswith("GPU-"):
        return CudaOrder(_by_uuid(visible, cards), known=True)
    indices = _by_number(visible, len(cards))
    return CudaOrder(tuple(numbers[index] for index in indices), known or not indices)


def _all_numbers(cards: Sequence[CardIdentity], order: str) -> tuple[tuple[int, ...], bool]:
    """NVML's numbers of all cards in CUDA's order, and whether that order is certain."""
    numbers = tuple(range(len(cards)))
    if order == "PCI_BUS_ID" or len({card.name for card in cards}) < 2:
        return numbers, True
    if any(card.speed is None for card in cards):
        return numbers, False
    return tuple(sorted(numbers, key=lambda number: -(cards[number].speed or 0))), False


def _by_uuid(visible: str, cards: Sequence[CardIdentity]) -> tuple[int, ...]:
    numbers: list[int] = []
    for entry in visible.split(","):
        matches = [number for number, card in enumerate(cards) if (card.uuid or "").startswith(entry)]
        if not entry.startswith("GPU-") or len(matches) != 1:
            break
        if matches[0] in numbers:
            return ()
        numbers.append(matches[0])
    return tuple(numbers)


def _by_number(visible: str, count: int) -> tuple[int, ...]:
    """CUDA parses a number as C's strtoul does: the leading digits count, the rest of the entry does not."""
    indices: list[int] = []
    for entry in visible.split(","):
        digits = re.match(r"\s*\+?(\d+)", entry)
        if digits is None:
            break
        if int(digits[1]) in indices:
            return ()
        indices.append(int(digits[1]))
    end = next((position for position, index in enumerate(indices) if index >= count), len(indices))
    return tuple(indices[:end])
