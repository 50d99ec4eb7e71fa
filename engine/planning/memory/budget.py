"""The memory that is free, and the margin that is added to a predicted peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.hardware import Hardware
from engine.messages import Message

MIB = 2**20

CUDA_CONTEXT = 670 * MIB
"""What a process takes on a card before its first tensor: 290 to 670 MB were measured."""
CUDA_FRAGMENTATION = 0.08
"""Fraction of the predicted peak in blocks too small to be reused: 1 to 8 % were measured."""
CUDA_WORKSPACE = 256 * MIB
CUDA_WORKSPACE_FRACTION = 0.05
"""Fraction of the predicted peak that cuDNN allocates inside a convolution. Only a dry run on the card shows the real value."""

CPU_PROCESS = 1300 * MIB
"""What a training process takes besides torch's tensors: libraries, prefetched batches, freed memory that malloc keeps."""
CPU_FRACTION = 0.03
"""Fraction of the predicted peak that is added on the CPU."""
IMAGE_CACHE = 512 * MIB


@dataclass(frozen=True, slots=True)
class Budget:
    """The memory that a training may use on a `device_type`: `limit` bytes are free now; None if that is unknown."""

    limit: int | None
    device_type: str

    def margin(self, peak: int) -> int:
        """Bytes to add to a predicted `peak`; `reason` explains them."""
        if self.device_type == "cuda":
            fraction = CUDA_FRAGMENTATION + CUDA_WORKSPACE_FRACTION
            return CUDA_CONTEXT + CUDA_WORKSPACE + round(fraction * peak)
        cache = IMAGE_CACHE if self.limit is None else min(IMAGE_CACHE, self.limit // 8)
        return CPU_PROCESS + cache + round(CPU_FRACTION * peak)

    def need(self, peak: int) -> int:
        """The peak with its margin, in bytes."""
        return peak + self.margin(peak)

    def fits(self, need: float) -> bool:
        """Whether `need` bytes are free; True if that is unknown."""
        return self.limit is None or need <= self.limit

    def extended_by(self, size: int) -> Budget:
        """The budget with `size` more bytes."""
        return Budget(None if self.limit is None else self.limit + size, self.device_type)

    @property
    def reason(self) -> Message:
        """What the margin covers."""
        if self.device_type == "cuda":
            return Message(
                "budget.margin_cuda",
                "The margin is for the CUDA context, cuDNN's workspace and memory fragmentation.",
            )
        return Message(
            "budget.margin_cpu",
            "The margin is for the program and its libraries, cached images, and freed memory that malloc keeps.",
        )


def shared_budget(hardware: Hardware, devices: Sequence[str]) -> Budget:
    """The memory of each of the processes or cards that train together on `devices`.

    Cards: that of the one with the least free memory. Processes on the CPU share the machine's memory equally.
    """
    budgets = [budget_of(hardware, device) for device in devices]
    known = [budget.limit for budget in budgets if budget.limit is not None]
    if budgets[0].device_type == "cuda":
        return Budget(min(known, default=None), "cuda")
    limit = budgets[0].limit
    return Budget(None if limit is None else limit // len(devices), budgets[0].device_type)


def budget_of(hardware: Hardware, device: str) -> Budget:
    """The memory that is free now on `device` (cpu, cuda:N, mps), without what other programs use."""
    device_type, _, number = device.partition(":")
    if device_type == "cuda":
        card = hardware.cuda_card(int(number or 0))
        return Budget(None if card is None else card.memory_free, device_type)
    return Budget(hardware.memory.available, device_type)
