"""What this machine has: processor, memory, disk, graphics cards, and the installed torch build.

Probing imports no torch and creates no CUDA context: cards are queried through NVML. A value that cannot be read is None,
never zero.
"""

from engine.hardware.machine import avoid_broken_amx, free_disk, process_memory_bytes
from engine.hardware.snapshot import Card, CardProcess, Driver, Hardware, Memory, Processor, TorchBuild
from engine.hardware.torch_build import read_torch_build
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
    "avoid_broken_amx",
    "free_disk",
    "probe",
    "process_memory_bytes",
    "read_torch_build",
]
