"""How a spectator asks a running training to stop, to pause or to take a smaller batch. Safe from any thread."""

from __future__ import annotations

import threading


class Control:
    """Wishes for a training. It looks at them between two steps and between two validation batches."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._may_go = threading.Event()
        self._may_go.set()
        self._lock = threading.Lock()
        self._wanted_batch: int | None = None

    def stop(self) -> None:
        """Ask for a checkpoint and the end."""
        self._stop.set()
        self._may_go.set()

    def pause(self) -> None:
        """Ask to wait after the step that runs."""
        self._may_go.clear()

    def go_on(self) -> None:
        """End a pause."""
        self._may_go.set()

    def lower_batch(self, size: int) -> None:
        """Ask for another batch size from the next step on, at least 2."""
        with self._lock:
            self._wanted_batch = max(2, size)

    @property
    def stop_requested(self) -> bool:
        """Whether the training should end."""
        return self._stop.is_set()

    @property
    def stop_event(self) -> threading.Event:
        """Set once the training should end, for what waits for it."""
        return self._stop

    @property
    def pause_requested(self) -> bool:
        """Whether the training should wait."""
        return not self._may_go.is_set()

    def wait_while_paused(self) -> None:
        """Return when a pause ends or a stop is asked for."""
        self._may_go.wait()

    def pop_requested_batch_size(self) -> int | None:
        """The batch size asked for since the last call, or None."""
        with self._lock:
            wanted, self._wanted_batch = self._wanted_batch, None
        return wanted
