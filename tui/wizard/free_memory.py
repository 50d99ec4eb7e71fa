"""Decides when the free memory of a device has changed enough to make the Plan again."""

from __future__ import annotations

import time

from engine.hardware import Hardware
from engine.planning.memory.budget import budget_of

MIN_CHANGE = 256 * 2**20
"""Bytes."""
MIN_RELATIVE_CHANGE = 0.03
"""Of what was free: on a large machine small amounts change all the time."""
IGNORE_SECONDS = 2.5
"""A hardware reading is up to one second old, and memory is released some time after a process ends."""


class FreeMemoryMonitor:
    """Compares each hardware reading with the one that the latest Plan was made from."""

    def __init__(self) -> None:
        self._planned_with: Hardware | None = None
        self._ignored_until = 0.0

    def set_reference(self, hardware: Hardware) -> None:
        """A Plan is made from this reading."""
        self._planned_with = hardware

    def ignore_changes(self) -> None:
        """For some seconds changes are ignored: they are caused by our own dry run."""
        self._ignored_until = time.monotonic() + IGNORE_SECONDS

    def has_changed(self, hardware: Hardware, device: str | None) -> bool:
        """Whether to make the Plan again; always true before the first Plan."""
        if self._planned_with is None:
            return True
        if device is None or time.monotonic() < self._ignored_until:
            return False
        before, now = budget_of(self._planned_with, device).limit, budget_of(hardware, device).limit
        if before is None or now is None:
            return before != now
        return abs(now - before) > max(MIN_CHANGE, MIN_RELATIVE_CHANGE * before)
