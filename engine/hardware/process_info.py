"""Why a training process died: whether the machine restarted, or the kernel killed processes because memory ran out.

A process that is killed cannot say why. So it stores, when it starts, the machine's boot id and the kernel's count of
out-of-memory kills; afterwards both are compared with the current values.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from engine.hardware.machine import ROOT

KillReason = Literal["restarted", "out_of_memory", "unknown"]

_BOOT_TIME_TOLERANCE = 60
"""Seconds. No machine boots twice within them and trains in between."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """`boot` identifies this boot of the machine; `memory_kills` is the kernel's count of out-of-memory kills, if it has one."""

    boot: str
    memory_kills: int | None


def current_process_info(root: Path = ROOT) -> ProcessInfo:
    """The values now. Linux counts out-of-memory kills in /proc/vmstat (oom_kill) since version 4.13."""
    boot = f"{psutil.boot_time():.0f}"
    kills = None
    if sys.platform != "win32":
        with suppress(OSError):
            boot = (root / "proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        with suppress(OSError, ValueError):
            lines = (root / "proc/vmstat").read_text(encoding="ascii").splitlines()
            kills = next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
    return ProcessInfo(boot, kills)


def kill_reason(before: ProcessInfo, now: ProcessInfo) -> KillReason:
    """The probable reason why a process that started with `before` died without an error."""
    if not _same_boot(before.boot, now.boot):
        return "restarted"
    if before.memory_kills is not None and now.memory_kills is not None and now.memory_kills > before.memory_kills:
        return "out_of_memory"
    return "unknown"


def _same_boot(before: str, now: str) -> bool:
    """Without a boot id (Windows, macOS) the boot time identifies a boot; it shifts a little whenever the clock is set."""
    if before.isdecimal() and now.isdecimal():
        return abs(int(before) - int(now)) <= _BOOT_TIME_TOLERANCE
    return before == now
