"""Looks at the hardware again and again, in a thread of its own, as long as the wizard runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.hardware import Hardware, TorchBuild

PERIOD = 1.0
"""Seconds between two looks."""
CALM_PERIOD = 5.0
"""While something trains: each look and what it draws takes some milliseconds from the training."""


class HardwareMonitor:
    """One thread that owns the watch, since NVML is asked from one thread only."""

    def __init__(
        self,
        workspace: Path,
        seen: Callable[[Hardware], object],
        calm: Callable[[], bool],
        torch_build: TorchBuild | None = None,
    ) -> None:
        """Make it; `start` begins.

        Args:
            workspace: the folder whose disk is looked at.
            seen: called in that thread with every look.
            calm: whether fewer looks will do; called in that thread too.
            torch_build: judged by instead of the installed one.
        """
        self._torch_build = torch_build
        self._workspace = workspace
        self._seen = seen
        self._calm = calm
        self._ended = threading.Event()
        # A driver that hangs (a card fallen off the bus) must not keep the wizard from ending.
        self._thread = threading.Thread(target=self._look_on, name="hardware", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def _look_on(self) -> None:
        from engine.hardware import HardwareWatch  # with NVML's and psutil's bindings, after the first paint

        with HardwareWatch(self._workspace, torch_build=self._torch_build) as watch:
            while not self._ended.is_set():
                self._seen(watch.look())
                self._ended.wait(CALM_PERIOD if self._calm() else PERIOD)
