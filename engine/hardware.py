"""What this machine has: processor, memory, disk, graphics cards, and the torch build that is to use them.

Looking creates no CUDA context: cards are asked through NVML. What cannot be found out is None, never zero.
"""

from __future__ import annotations

import os
import platform
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Processor:
    """`cores` are those this process may use, hyperthreads not counted. The flags are None where they cannot be read."""

    name: str
    cores: int
    amx_bf16: bool | None
    avx512_bf16: bool | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; a container's limit counts, not the machine's size."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Card:
    """One graphics card, in NVML's order. Memory in bytes."""

    name: str
    uuid: str
    memory_total: int
    memory_free: int
    capability: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """The installed torch: `cuda` is the CUDA version it was built for, None for a CPU build."""

    version: str
    cuda: str | None
    usable_cards: int
    mps: bool


@dataclass(frozen=True, slots=True)
class Hardware:
    """What `probe` found."""

    processor: Processor
    memory: Memory
    disk_free: int
    cards: tuple[Card, ...]
    torch: TorchBuild

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def probe(workspace: Path) -> Hardware:
    """Look at the machine; `workspace` is the folder whose disk will be written to."""
    folder = next(path for path in (workspace.absolute(), *workspace.absolute().parents) if path.exists())
    return Hardware(
        processor=_processor(),
        memory=_memory(),
        disk_free=shutil.disk_usage(folder).free,
        cards=_cards(),
        torch=_torch_build(),
    )


def process_memory_bytes() -> int:
    """What this process occupies in memory."""
    return int(psutil.Process().memory_info().rss)


def _processor() -> Processor:
    flags = _processor_flags()
    return Processor(
        name=_processor_name(),
        cores=_cores(),
        amx_bf16=None if flags is None else "amx_bf16" in flags,
        avx512_bf16=None if flags is None else "avx512_bf16" in flags,
    )


def _cores() -> int:
    """Cores this process may use: its affinity, its container's share, and no hyperthreads."""
    logical = psutil.cpu_count(logical=True) or 1
    physical = psutil.cpu_count(logical=False) or logical
    allowed = logical
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    usable = max(1, min(physical, allowed * physical // logical))
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            usable = max(1, min(usable, int(quota) // int(period)))
    return usable


def _processor_flags() -> frozenset[str] | None:
    """What the processor can do, where the system says it in words (Linux)."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    return None


def _processor_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> Memory:
    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    with suppress(OSError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text())  # "max" is no number: no limit
        used = int((_CGROUP / "memory.current").read_text())
        total, available = min(total, limit), min(available, limit - used)
    return Memory(total, available)


def _cards() -> tuple[Card, ...]:
    """The cards NVML knows; none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return tuple(_card(pynvml, handle) for handle in handles)
    except pynvml.NVMLError:
        return ()
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _card(nvml: Any, handle: Any) -> Card:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    capability: tuple[int, int] | None = None
    with suppress(nvml.NVMLError):
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        capability = (int(major), int(minor))
    return Card(
        name=str(nvml.nvmlDeviceGetName(handle)),
        uuid=str(nvml.nvmlDeviceGetUUID(handle)),
        memory_total=int(memory.total),
        memory_free=int(memory.free),
        capability=capability,
    )


def _torch_build() -> TorchBuild:
    import torch

    mps = torch.backends.mps.is_available()
    return TorchBuild(
        version=metadata.version("torch"),
        cuda=torch.version.cuda,
        usable_cards=torch.cuda.device_count(),
        mps=bool(mps),
    )
