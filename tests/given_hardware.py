"""Hardware that tests are given, so that nothing in them depends on the machine on which they run."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

from engine.hardware import Card, Driver, Hardware, Memory, Processor, TorchBuild
from engine.messages import Message

GIB = 2**30
NO_DRIVER = Message(
    "hardware.no_driver",
    "No NVIDIA driver is installed; if this machine has an NVIDIA card, install its driver (in a container, "
    "start it with access to the cards), else training runs on the processor.",
)
PROCESSOR_ONLY = Hardware(
    processor=Processor("Test Processor 3000", cores=4, amx_bf16=False, avx512_bf16=False),
    memory=Memory(total=16 * GIB, available=12 * GIB),
    disk_free=200 * 10**9,
    torch=TorchBuild("2.14.1+cpu", torchvision="0.29.1+cpu"),
    driver=Driver(problem=NO_DRIVER),
)
"""Four cores without fast 16-bit, 12 GiB of 16 free, no card."""
RTX_3060 = Card(
    0, "RTX 3060", cuda_index=0, memory_total=12 * GIB, memory_free=7 * GIB, memory_used=5 * GIB, capability=(8, 6)
)


class GivenHardware:
    """A source for the wizard's hardware monitor. What is assigned to `hardware` is the result of the next probe.

    The first probe takes until `is_known` is set; by default it is.
    """

    def __init__(self, hardware: Hardware = PROCESSOR_ONLY, *, is_known: bool = True) -> None:
        self.hardware = hardware
        self.is_known = threading.Event()
        if is_known:
            self.is_known.set()

    def read(self) -> Hardware:
        self.is_known.wait()
        return self.hardware

    def open(self) -> AbstractContextManager[GivenHardware]:
        return nullcontext(self)
