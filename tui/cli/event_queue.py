"""A queue between a training, which must never wait, and a reader, which may be slow."""

from __future__ import annotations

import threading
from collections import deque

from engine.events import Event, Step

MAX_STEPS = 256
"""Unread steps that are kept; beyond, the oldest are dropped. Other events are never dropped."""


class EventQueue:
    """`put` never waits; `get` does."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._steps = 0
        self._closed = False
        self._condition = threading.Condition()

    def put(self, event: Event) -> None:
        """Add an event at the end."""
        with self._condition:
            if isinstance(event, Step):
                self._steps += 1
                if self._steps > MAX_STEPS:
                    self._drop_oldest_step()
            self._events.append(event)
            self._condition.notify()

    def close(self) -> None:
        """Tell the reader that no event follows."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def get(self) -> Event | None:
        """Wait for the next event and remove it; None after the last."""
        with self._condition:
            self._condition.wait_for(lambda: self._events or self._closed)
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
