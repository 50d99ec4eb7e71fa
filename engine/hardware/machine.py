"""Processor, memory and disk, as far as this process may use them.

AMX is detected by hand: torch reports what oneDNN would use only after it has been imported, and psutil has no CPU flags.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from engine.hardware.cgroups import read_cgroup_limits
from engine.hardware.neighbours import MIN_INTERVAL, NeighbourMeter
from engine.hardware.snapshot import Memory, Processor

ROOT = Path("/")
_AMX_TILE_LEAF = 0x1D
_PROCESSOR_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal")


def read_processor(root: Path = ROOT, allowed: Sequence[int] | None = None) -> Processor:
    """Name, usable cores, and whether it has the 16-bit instructions that make bf16 fast.

    `allowed` are the logical processors that this process may run on; None: as the system says.
    """
    flags = _flags(root)
    return Processor(
        name=_name(root),
        cores=_cores(root, _allowed_processors() if allowed is None else allowed),
        amx_bf16=None if flags is None else "amx_bf16" in flags and not _amx_tiles_hidden(root),
        avx512_bf16=None if flags is None else "avx512_bf16" in flags,
    )


def avoid_broken_amx(root: Path = ROOT) -> None:
    """Keep oneDNN from using AMX on virtual machines that report it and cannot run it: there it would kill the process.

    Call it before torch computes anything; child processes inherit the setting. A limit that the user has set stays.
    """
    flags = _flags(root)
    if flags is not None and "amx_tile" in flags and _amx_tiles_hidden(root):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


class ProcessorSensors:
    """How busy and how hot the processor is. For use from one thread."""

    def __init__(self) -> None:
        self._read_at: float | None = None
        self._neighbours = NeighbourMeter()

    def read(self, processor: Processor) -> Processor:
        """`processor` with its present figures."""
        now = time.monotonic()
        with suppress(OSError):
            percent = round(psutil.cpu_percent())  # since the call before
            known = self._read_at is not None and now - self._read_at >= MIN_INTERVAL
            self._read_at = now
            others = self._neighbours.read()
            return replace(
                processor,
                utilisation=percent if known else None,
                temperature=_temperature(),
                others=None if others is None else round(100 * others),
            )
        return processor


def _temperature() -> int | None:
    """Of the whole processor, where the system has a sensor for it: Linux only, and not in most virtual machines."""
    read = getattr(psutil, "sensors_temperatures", None)
    sensors = {} if read is None else read()
    readings = next((sensors[name] for name in _PROCESSOR_SENSORS if sensors.get(name)), None)
    return None if readings is None else round(readings[0].current)


def read_memory(root: Path = ROOT) -> Memory:
    """Total and available memory, of the machine or of the container, whichever is less."""
    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    limits = read_cgroup_limits(root)
    if limits.memory is None or limits.memory_left is None or limits.memory >= total:
        return Memory(total, available)
    return Memory(limits.memory, min(available, limits.memory_left), limited=True)


def free_disk(folder: Path) -> int | None:
    """Free bytes of the disk that `folder` is on, or will be once it exists; None if the system does not report it."""
    absolute = folder.absolute()
    with suppress(OSError):
        existing = next(path for path in (absolute, *absolute.parents) if path.exists())
        return shutil.disk_usage(existing).free
    return None


def has_nvidia_card(root: Path = ROOT) -> bool:
    """Whether Linux lists an NVIDIA display device on the PCI bus; it does so without a driver too."""
    for device in (root / "sys" / "bus" / "pci" / "devices").glob("*"):
        with suppress(OSError):
            vendor = (device / "vendor").read_text(encoding="ascii").strip()
            device_class = (device / "class").read_text(encoding="ascii").strip()
            if vendor == "0x10de" and device_class.startswith("0x03"):
                return True
    return False


def process_memory_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def _cores(root: Path, allowed: Sequence[int]) -> int:
    """Physical cores that this process may use, limited by its CPU affinity and its container's quota."""
    siblings = {_siblings(root, number) for number in allowed}
    if None in siblings:
        logical = psutil.cpu_count(logical=True) or 1
        physical = psutil.cpu_count(logical=False) or logical
        cores = max(1, len(allowed) * physical // logical)
    else:
        cores = max(1, len(siblings))
    quota = read_cgroup_limits(root).processors
    return cores if quota is None else max(1, min(cores, int(quota)))


def _allowed_processors() -> tuple[int, ...]:
    """The logical processors that this process may run on."""
    if sys.platform == "darwin":  # macOS has no CPU affinity
        return tuple(range(psutil.cpu_count(logical=True) or 1))
    return tuple(psutil.Process().cpu_affinity() or [0])


def _siblings(root: Path, number: int) -> str | None:
    """The hyperthreads of the same core, as Linux lists them; None if it does not."""
    with suppress(OSError):
        folder = root / "sys" / "devices" / "system" / "cpu" / f"cpu{number}" / "topology"
        return (folder / "thread_siblings_list").read_text(encoding="ascii").strip()
    return None


def _flags(root: Path) -> frozenset[str] | None:
    """The processor's instruction sets, by Linux's names; None where they cannot be read, as on Windows."""
    if sys.platform == "darwin":  # an Apple processor lacks this key, and has none of these instructions
        return frozenset(_sysctl("machdep.cpu.leaf7_features").lower().split())
    return None if (line := _cpuinfo(root, ("flags", "Features"))) is None else frozenset(line.split())


def _amx_tiles_hidden(root: Path) -> bool:
    """Whether the processor does not report its AMX tile sizes (CPUID leaf 0x1D); without them no tile can be set up."""
    level = _cpuinfo(root, ("cpuid level",))
    return level is not None and int(level) < _AMX_TILE_LEAF


def _name(root: Path) -> str:
    if sys.platform == "win32":
        import winreg

        with (
            suppress(OSError),
            winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key,
        ):
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    name = _sysctl("machdep.cpu.brand_string") if sys.platform == "darwin" else _cpuinfo(root, ("model name",))
    return name or platform.processor() or platform.machine() or os.name


def _cpuinfo(root: Path, keys: tuple[str, ...]) -> str | None:
    with suppress(OSError, ValueError):
        for line in (root / "proc" / "cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(keys):
                return line.partition(":")[2].strip()
    return None


def _sysctl(key: str) -> str:
    """One value of macOS's sysctl; empty if there is none."""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(  # noqa: S603 (a fixed program and key)
            ["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
    return ""
