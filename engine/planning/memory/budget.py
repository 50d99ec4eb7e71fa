"""What memory there is, what a stage needs of it, and what is kept back for what a prediction cannot see."""

from __future__ import annotations

from dataclasses import dataclass

from engine.hardware import Hardware
from engine.messages import Message

MIB = 2**20

CUDA_CONTEXT = 670 * MIB
"""What a process holds on a card before its first tensor: 290 to 670 MB were seen."""
CUDA_FRAGMENTS = 0.08
"""Of the predicted peak: blocks too small to be used again, 1 to 8 % were seen."""
CUDA_WORKSPACE = 256 * MIB
CUDA_WORKSPACE_SHARE = 0.05
"""Of the predicted peak: what cuDNN asks for inside a convolution. Only a rehearsal on the card settles it."""

CPU_PROCESS = 1300 * MIB
"""What a training process occupies beside torch's tensors: libraries, prepared batches, freed memory that malloc keeps."""
CPU_SHARE = 0.03
IMAGE_CACHE = 512 * MIB


@dataclass(frozen=True, slots=True)
class Budget:
    """The memory a training may use: `limit` bytes that are free now, None where nobody says; `device_type` says of what."""

    limit: int | None
    device_type: str

    def margin(self, peak: int) -> int:
        """Bytes kept back beside a predicted `peak`; see `reason`."""
        if self.device_type == "cuda":
            share = CUDA_FRAGMENTS + CUDA_WORKSPACE_SHARE
            return CUDA_CONTEXT + CUDA_WORKSPACE + round(share * peak)
        cache = IMAGE_CACHE if self.limit is None else min(IMAGE_CACHE, self.limit // 8)
        return CPU_PROCESS + cache + round(CPU_SHARE * peak)

    def need(self, peak: int) -> int:
        """The peak and its margin, in bytes."""
        return peak + self.margin(peak)

    def fits(self, peak: int) -> bool:
        """Whether a training with this predicted peak finds room."""
        return self.holds(self.need(peak))

    def holds(self, need: int) -> bool:
        """Whether there are so many bytes."""
        return self.limit is None or need <= self.limit

    def with_more(self, held: int) -> Budget:
        """The same, with `held` bytes more to use."""
        return Budget(None if self.limit is None else self.limit + held, self.device_type)

    @property
    def reason(self) -> Message:
        """What the margin is for."""
        if self.device_type == "cuda":
            return Message(
                "budget.margin_cuda",
                "The margin is for the CUDA context, what cuDNN takes inside a convolution, and memory lost in fragments.",
            )
        return Message(
            "budget.margin_cpu",
            "The margin is for the program itself and its libraries, the images kept ready, and memory that malloc keeps.",
        )


def budget_of(hardware: Hardware, device: str) -> Budget:
    """What is free now on `device` (cpu, cuda:N, mps): other programs' memory is theirs."""
    device_type, _, number = device.partition(":")
    if device_type == "cuda":
        card = hardware.cuda_card(int(number or 0))
        return Budget(None if card is None else card.memory_free, device_type)
    return Budget(hardware.memory.available, device_type)
