"""Requests to a running training: stop, pause, or a smaller batch size. Safe from any thread."""

from __future__ import annotations

import threading


class Control:
    """Requests to a training, which checks them between two steps and between two validation batches."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._not_paused = threading.Event()
        self._not_paused.set()
        self._lock = threading.Lock()
        self._requested_batch_size: int | None = None

    def stop(self) -> None:
        """Request a checkpoint and the end of the training."""
        self._stop.set()
        self._not_paused.set()

    def pause(self) -> None:
        """Request a pause after the current step."""
        self._not_paused.clear()

    def resume(self) -> None:
        """End a pause."""
        self._not_paused.set()

    def lower_batch(self, size: int) -> None:
        """Request another batch size, at least 2, from the next step on."""
        with self._lock:
            self._requested_batch_size = max(2, size)

    @property
    def stop_requested(self) -> bool:
        """Whether the training should end."""
        return self._stop.is_set()

    @property
    def stop_event(self) -> threading.Event:
        """Set when a stop is requested; for code that waits."""
        return self._stop

    @property
    def pause_requested(self) -> bool:
        """Whether the training should pause."""
        return not self._not_paused.is_set()

    def wait_while_paused(self) -> None:
        """Return when the pause ends or a stop is requested."""
        self._not_paused.wait()

    def pop_requested_batch_size(self) -> int | None:
        """The batch size requested since the last call, or None."""
        with self._lock:
            size, self._requested_batch_size = self._requested_batch_size, None
        return size
