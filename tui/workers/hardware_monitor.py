"""Probes the hardware about once a second, in a thread, while the wizard runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tui.workers.unexpected import unexpected_reported

if TYPE_CHECKING:
    from engine.hardware import Hardware

PERIOD = 1.0
"""Seconds between two probes."""
TRAINING_PERIOD = 5.0
"""Seconds between two probes during a training: each probe, with what it redraws, costs the training some milliseconds."""


class HardwareSource(Protocol):
    """Where snapshots of the hardware come from: this machine's `HardwareWatch`, or hardware that is given."""

    def read(self) -> Hardware:
        """The hardware as it is now."""


OpenHardwareSource = Callable[[], AbstractContextManager[HardwareSource]]


class HardwareMonitor:
    """One thread that owns the source, since NVML is called from one thread only."""

    def __init__(
        self,
        workspace: Path,
        on_probe: Callable[[Hardware], object],
        is_training: Callable[[], bool],
        open_hardware: OpenHardwareSource | None = None,
    ) -> None:
        """Create the monitor; `start` starts its thread.

        Args:
            workspace: the folder whose disk is measured.
            on_probe: called in the thread with every result.
            is_training: whether to probe less often; called in the thread.
            open_hardware: opens the source, in the thread; None: this machine.
        """
        self._open_hardware = open_hardware or self._open_watch
        self._workspace = workspace
        self._on_probe = on_probe
        self._is_training = is_training
        self._stopped = threading.Event()
        # A daemon: a driver that hangs (a card fallen off the bus) must not keep the wizard from ending.
        self._thread = threading.Thread(target=self._probe_until_stopped, name="hardware", daemon=True)

    def start(self) -> None:
        """Start to probe."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current probe."""
        self._stopped.set()

    def _probe_until_stopped(self) -> None:
        # After an error screens show the last result, or that there is none yet.
        with unexpected_reported(lambda _error: None), self._open_hardware() as source:
            while not self._stopped.is_set():
                self._on_probe(source.read())
                self._stopped.wait(TRAINING_PERIOD if self._is_training() else PERIOD)

    def _open_watch(self) -> AbstractContextManager[HardwareSource]:
        from engine.hardware import HardwareWatch  # imports NVML and psutil: after the first paint

        return HardwareWatch(self._workspace)
