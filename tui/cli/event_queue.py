"""Between a training, which never waits, and a reader, which may be slow."""

from __future__ import annotations

import threading
from collections import deque

from engine.events import Event, Step

MOST_STEPS = 256
"""So many unread steps are kept; of more, the oldest are dropped. Every other event is kept for the reader."""


class EventQueue:
    """Events on their way. Putting never waits; taking does."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._steps = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, event: Event) -> None:
        """Leave an event for the reader."""
        with self._changed:
            if isinstance(event, Step):
                self._steps += 1
                if self._steps > MOST_STEPS:
                    self._drop_oldest_step()
            self._events.append(event)
            self._changed.notify()

    def close(self) -> None:
        """Say that nothing will follow."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> Event | None:
        """The next event, waiting for it; None after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._closed)
            if not self._events:
                return None
            event = self._events.popleft()
            if isinstance(event, Step):
                self._steps -= 1
            return event

    def _drop_oldest_step(self) -> None:
        oldest = next(event for event in self._events if isinstance(event, Step))
        self._events.remove(oldest)
        self._steps -= 1
