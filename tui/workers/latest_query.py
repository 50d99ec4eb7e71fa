"""Slow work in a worker thread, where only the result of the newest request counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textual.message_pump import MessagePump
from textual.widget import Widget

from engine.messages import BadInput

Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Numbered(Generic[Request]):
    number: int
    request: Request


class LatestQuery(Generic[Request, Result]):
    """Calls the engine in a thread on behalf of one screen or widget.

    While one request is processed, only the newest other request waits and those between are dropped, so that fast
    typing builds no queue. A result is delivered in the app's thread, unless a newer request was submitted meanwhile.
    """

    def __init__(
        self,
        owner: Widget,
        work: Callable[[Request], Result],
        on_result: Callable[[Result], None],
        on_error: Callable[[BadInput], None],
    ) -> None:
        """`work` runs in the thread and must not touch widgets; `on_result` and `on_error` run in the app's thread."""
        self._owner = owner
        self._work = work
        self._on_result = on_result
        self._on_error = on_error
        self._lock = threading.Lock()
        self._newest_number = 0
        self._waiting: _Numbered[Request] | None = None
        self._is_working = False

    @property
    def is_pending(self) -> bool:
        """Whether a request is being processed or waits."""
        return self._is_working

    def submit(self, request: Request) -> None:
        """Have `request` processed; returns at once. Call it in the app's thread."""
        with self._lock:
            self._newest_number += 1
            self._waiting = _Numbered(self._newest_number, request)
            if self._is_working:
                return
            self._is_working = True
        self._owner.run_worker(self._process_requests, thread=True, group="query", name=type(self).__name__)

    def cancel(self) -> None:
        """Deliver no result of what was submitted so far."""
        with self._lock:
            self._newest_number += 1
            self._waiting = None

    def _process_requests(self) -> None:
        """In the thread: one request after another until none waits."""
        while (numbered := self._next()) is not None:
            try:
                result = self._work(numbered.request)
            except BadInput as error:
                self._post(numbered.number, self._on_error, error)
            except BaseException:
                with self._lock:
                    self._is_working = False
                raise
            else:
                self._post(numbered.number, self._on_result, result)

    def _next(self) -> _Numbered[Request] | None:
        with self._lock:
            numbered, self._waiting = self._waiting, None
            self._is_working = numbered is not None
            return numbered

    def _post(self, number: int, callback: Callable[[Any], None], value: object) -> None:
        pump: MessagePump = self._owner
        pump.call_later(self._deliver, number, callback, value)  # posts a message: safe from any thread

    def _deliver(self, number: int, callback: Callable[[Any], None], value: object) -> None:
        if number == self._newest_number and self._owner.is_attached:
            callback(value)
