"""When what is free on a device has changed so much that a Plan should be made anew."""

from __future__ import annotations

import time

from engine.hardware import Hardware
from engine.planning.memory.budget import budget_of

NOTICEABLE = 256 * 2**20
NOTICEABLE_SHARE = 0.03
"""Of what was free: on a large machine small things come and go all the time."""
MOMENT = 2.5
"""Seconds; a look is up to one old, and memory is given back after a process has ended."""


class MemoryWatch:
    """Compares each look with that of the last question."""

    def __init__(self) -> None:
        self._asked: Hardware | None = None
        self._ignored_until = 0.0

    def asked(self, hardware: Hardware) -> None:
        """A Plan was asked for with this look."""
        self._asked = hardware

    def ignore_for_a_moment(self) -> None:
        """What changes now is our own doing."""
        self._ignored_until = time.monotonic() + MOMENT

    def changed(self, hardware: Hardware, device: str | None) -> bool:
        """Whether to ask again; always where nothing was asked yet."""
        if self._asked is None:
            return True
        if device is None or time.monotonic() < self._ignored_until:
            return False
        before, now = budget_of(self._asked, device).limit, budget_of(hardware, device).limit
        if before is None or now is None:
            return before != now
        return abs(now - before) > max(NOTICEABLE, NOTICEABLE_SHARE * before)
