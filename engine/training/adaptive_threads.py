"""`threads=adapt`: fewer threads while other programs use the cores.

OpenMP's threads wait for each other after every layer. If one of them has to wait for a core, all others wait with it: with two
threads on two cores, one busy program beside the training makes a step several times longer (`benchmarks/neighbour.py`), with one
thread hardly longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.hardware.neighbours import NeighbourMeter

PERIOD = 2.0
"""Seconds between two looks at the other programs."""


@dataclass(frozen=True, slots=True)
class NewThreads:
    """The number of threads from now on, and the share of the processor (0 to 1) that other programs take."""

    threads: int
    others: float


class AdaptiveThreads:
    """For use from the thread that trains, between two steps."""

    def __init__(
        self,
        most: int,
        read_others: Callable[[], float | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most` threads where nothing else runs: as many as there are cores."""
        self.threads = most
        self._most = most
        self._read_others = NeighbourMeter().read if read_others is None else read_others
        self._clock = clock
        self._measured_at = clock()
        self._wanted = most
        self._read_others()

    def update(self) -> NewThreads | None:
        """Set torch's number of threads if other programs have started or ended; None if nothing changes."""
        now = self._clock()
        if now - self._measured_at < PERIOD:
            return None
        self._measured_at = now
        others = self._read_others()
        if others is None:
            return None
        # Twice the same, so that a program that runs for a moment changes nothing.
        wanted, self._wanted = self._wanted, max(1, self._most - round(others * self._most))
        if wanted != self._wanted or wanted == self.threads:
            return None
        self.threads = wanted
        torch.set_num_threads(wanted)
        return NewThreads(wanted, others)
