"""How much of the processor other programs use, of the part that this process may run on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

MIN_INTERVAL = 0.5
"""Seconds over which the use of the processor can be measured."""
_WAITING = frozenset({"idle", "iowait", "guest", "guest_nice"})
"""Times in which a processor does nothing; those of guests are part of `user` and `nice`."""


@dataclass(frozen=True, slots=True)
class UsedTimes:
    """Seconds of processor time since some moment in the past."""

    clock: float
    """When they were read."""
    processors: int
    """How many logical processors this process may run on."""
    everything: float
    """Used on these processors."""
    own: Mapping[int, float]
    """Used by this process and those that it has started, by process id."""


class NeighbourMeter:
    """Measures between its readings. For use from one thread."""

    def __init__(self) -> None:
        self._last: UsedTimes | None = None

    def read(self) -> float | None:
        """The fraction (0 to 1) of the processors that other programs have used since the last reading.

        None in the first reading, after less than `MIN_INTERVAL` seconds, and where the system does not tell.
        """
        if self._last is not None and time.monotonic() - self._last.clock < MIN_INTERVAL:
            return None
        try:
            now = _read_times()
        except (psutil.Error, OSError):
            return None
        last, self._last = self._last, now
        return None if last is None else used_by_others(last, now)


def used_by_others(before: UsedTimes, after: UsedTimes) -> float:
    """The fraction of the processors that was used between two readings, less what this process and its own used."""
    own = sum(seconds - before.own.get(process, 0.0) for process, seconds in after.own.items())
    others = after.everything - before.everything - max(0.0, own)
    capacity = (after.clock - before.clock) * after.processors
    return min(1.0, max(0.0, others / capacity))


def _read_times() -> UsedTimes:
    times = psutil.cpu_times(percpu=True)
    process = psutil.Process()
    allowed = _allowed(process, len(times))
    return UsedTimes(
        clock=time.monotonic(),
        processors=len(allowed),
        everything=sum(_busy(times[number]) for number in allowed if number < len(times)),
        own=dict(_own_times(process)),
    )


def _allowed(process: psutil.Process, count: int) -> list[int]:
    affinity = getattr(process, "cpu_affinity", None)  # macOS has none
    return list(range(count)) if affinity is None else affinity() or list(range(count))


def _busy(times: Any) -> float:
    return float(sum(seconds for name, seconds in times._asdict().items() if name not in _WAITING))


def _own_times(process: psutil.Process) -> Iterable[tuple[int, float]]:
    for own in (process, *process.children(recursive=True)):
        try:
            times = own.cpu_times()
        except psutil.Error:  # it has just ended
            continue
        yield own.pid, times.user + times.system
