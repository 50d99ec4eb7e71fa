"""Processor, memory and disk, as far as this process may use them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from engine.hardware.limits import read_limits
from engine.hardware.snapshot import Memory, Processor

ROOT = Path("/")
_TILE_LEAF = 0x1D


def read_processor(root: Path = ROOT) -> Processor:
    """Name, usable cores and the 16-bit instructions that make bf16 fast."""
    flags = _flags(root)
    return Processor(
        name=_name(root),
        cores=_cores(root),
        amx_bf16=None if flags is None else "amx_bf16" in flags and not _tiles_are_hidden(root),
        avx512_bf16=None if flags is None else "avx512_bf16" in flags,
    )


def avoid_broken_amx(root: Path = ROOT) -> None:
    """Keep oneDNN from AMX on virtual machines that name it and do not let it run: there it kills the process.

    Must be called before torch computes anything; children inherit it. Where the user has set the limit it stays.
    """
    flags = _flags(root)
    if flags is not None and "amx_tile" in flags and _tiles_are_hidden(root):
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")


def read_memory(root: Path = ROOT) -> Memory:
    """What there is and what is free, the machine's or the container's, whichever is less."""
    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    limits = read_limits(root)
    if limits.memory is None or limits.memory_left is None or limits.memory >= total:
        return Memory(total, available)
    return Memory(limits.memory, min(available, limits.memory_left), limited=True)


def free_disk(folder: Path) -> int | None:
    """Bytes free where `folder` is or will be; None where the system does not say."""
    absolute = folder.absolute()
    with suppress(OSError):
        existing = next(path for path in (absolute, *absolute.parents) if path.exists())
        return shutil.disk_usage(existing).free
    return None


def nvidia_card_built_in(root: Path = ROOT) -> bool:
    """Linux shows an NVIDIA display device on the PCI bus, whether or not it has a driver."""
    for device in (root / "sys" / "bus" / "pci" / "devices").glob("*"):
        with suppress(OSError):
            maker = (device / "vendor").read_text(encoding="ascii").strip()
            kind = (device / "class").read_text(encoding="ascii").strip()
            if maker == "0x10de" and kind.startswith("0x03"):
                return True
    return False


def process_memory_bytes() -> int:
    """What this process occupies in memory."""
    return int(psutil.Process().memory_info().rss)


def _cores(root: Path) -> int:
    """Cores this process may use: its affinity, its container's share, and no hyperthreads."""
    allowed = _allowed_processors()
    siblings = {_siblings(root, number) for number in allowed}
    if None in siblings:
        logical = psutil.cpu_count(logical=True) or 1
        physical = psutil.cpu_count(logical=False) or logical
        cores = max(1, len(allowed) * physical // logical)
    else:
        cores = max(1, len(siblings))
    share = read_limits(root).processors
    return cores if share is None else max(1, min(cores, int(share)))


def _allowed_processors() -> tuple[int, ...]:
    """The logical processors this process may run on."""
    if sys.platform == "darwin":  # no affinity there
        return tuple(range(psutil.cpu_count(logical=True) or 1))
    return tuple(psutil.Process().cpu_affinity() or [0])


def _siblings(root: Path, number: int) -> str | None:
    """The hyperthreads of one core, as Linux lists them."""
    with suppress(OSError):
        folder = root / "sys" / "devices" / "system" / "cpu" / f"cpu{number}" / "topology"
        return (folder / "thread_siblings_list").read_text(encoding="ascii").strip()
    return None


def _flags(root: Path) -> frozenset[str] | None:
    """What the processor can do, in Linux's words; Windows does not say it in words."""
    if sys.platform == "darwin":  # an Apple processor has no such key, and none of these instructions
        return frozenset(_sysctl("machdep.cpu.leaf7_features").lower().split())
    return None if (line := _cpuinfo(root, ("flags", "Features"))) is None else frozenset(line.split())


def _tiles_are_hidden(root: Path) -> bool:
    """Whether the processor keeps the sizes of its tiles (CPUID leaf 0x1D) to itself; without them none can be set up."""
    level = _cpuinfo(root, ("cpuid level",))
    return level is not None and int(level) < _TILE_LEAF


def _name(root: Path) -> str:
    if sys.platform == "win32":
        import winreg

        with (
            suppress(OSError),
            winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key,
        ):
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    named = _sysctl("machdep.cpu.brand_string") if sys.platform == "darwin" else _cpuinfo(root, ("model name",))
    return named or platform.processor() or platform.machine() or os.name


def _cpuinfo(root: Path, keys: tuple[str, ...]) -> str | None:
    with suppress(OSError, ValueError):
        for line in (root / "proc" / "cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(keys):
                return line.partition(":")[2].strip()
    return None


def _sysctl(key: str) -> str:
    """One value of macOS's table; empty where it has none."""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(  # noqa: S603 (a fixed program; the key is ours)
            ["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
    return ""
