"""Traces that a process leaves when it is killed: whether the machine started anew, whether its kernel ran out of memory.

A process that is killed cannot say why. So it writes down, when it begins, which start of the machine it belongs to and how
often the kernel has killed for want of memory; afterwards the difference tells.
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

_CLOCK_SET = 60
"""Seconds; no machine starts twice within them and trains in between."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """`boot` names this start of the machine; `memory_kills` counts the kernel's, None where it does not say."""

    boot: str
    memory_kills: int | None


def current_process_info(root: Path = ROOT) -> ProcessInfo:
    """The traces at this moment. Linux counts kills in /proc/vmstat (oom_kill) since its version 4.13."""
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
    """What probably ended a process that was there `before` and said nothing."""
    if not _same_start(before.boot, now.boot):
        return "restarted"
    if before.memory_kills is not None and now.memory_kills is not None and now.memory_kills > before.memory_kills:
        return "out_of_memory"
    return "unknown"


def _same_start(one: str, other: str) -> bool:
    """Without a boot_id a start is named by its time, which Windows and macOS reckon anew from a clock that is set now and then."""
    if one.isdecimal() and other.isdecimal():
        return abs(int(one) - int(other)) <= _CLOCK_SET
    return one == other
