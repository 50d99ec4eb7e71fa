"""Slow work in a worker thread, where only the result of the newest request counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from textual.message_pump import MessagePump
from textual.widget import Widget

from engine.messages import BadInput
from tui.text import translate
from tui.workers.unexpected import unexpected_reported

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
        on_error: Callable[[BadInput], None] | None,
    ) -> None:
        """`work` runs in the thread and must not touch widgets; `on_result` and `on_error` run in the app's thread.

        Without `on_error`, bad input is not shown: another screen shows it. Any other exception, which is a defect or comes from
        a file that nobody has thought of, never ends the app and the training in it: it is shown and logged.
        """
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
            with unexpected_reported(partial(self._post, numbered.number, self._show_unexpected)):
                self._process(numbered)

    def _process(self, numbered: _Numbered[Request]) -> None:
        try:
            result = self._work(numbered.request)
        except BadInput as error:
            if self._on_error is not None:
                self._post(numbered.number, self._on_error, error)
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
        if number != self._newest_number or not self._owner.is_attached:
            return
        with unexpected_reported(self._show_unexpected):
            callback(value)

    def _show_unexpected(self, error: BadInput) -> None:
        if self._on_error is not None:
            self._on_error(error)
        else:
            text = "\n".join(map(translate, error.messages))
            self._owner.app.notify(text, severity="warning", markup=False)
