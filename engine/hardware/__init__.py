"""What this machine has: processor, memory, disk, graphics cards, and the torch build that is to use them.

Looking imports no torch and creates no CUDA context: cards are asked through NVML. What cannot be found out is None,
never zero.
"""

from engine.hardware.machine import avoid_broken_amx, free_disk, process_memory_bytes
from engine.hardware.snapshot import (
    Card,
    CardProcess,
    Driver,
    Hardware,
    Memory,
    Processor,
    TorchBuild,
    with_cuda_order,
)
from engine.hardware.torch_build import ask_torch, read_torch_build
from engine.hardware.watch import HardwareWatch, probe

__all__ = [
    "Card",
    "CardProcess",
    "Driver",
    "Hardware",
    "HardwareWatch",
    "Memory",
    "Processor",
    "TorchBuild",
    "ask_torch",
    "avoid_broken_amx",
    "free_disk",
    "probe",
    "process_memory_bytes",
    "read_torch_build",
    "with_cuda_order",
]
