"""Asking the engine without waiting: one question of a kind at a time, and only the latest answer counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textual.message_pump import MessagePump
from textual.widget import Widget

from engine.messages import BadInput

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Question(Generic[Asked]):
    number: int
    asked: Asked


class LatestQuery(Generic[Asked, Answer]):
    """Work of the engine in a thread, for one screen or widget.

    While one question is worked on, the newest other one waits and those between are dropped, so that fast typing
    never piles up work. Answers arrive in the screen's own thread; one that a newer question has overtaken does not.
    """

    def __init__(
        self,
        owner: Widget,
        work: Callable[[Asked], Answer],
        answered: Callable[[Answer], None],
        refused: Callable[[BadInput], None],
    ) -> None:
        """`work` runs in a thread and must touch no widget; `answered` and `refused` run in the screen's thread."""
        self._owner = owner
        self._work = work
        self._answered = answered
        self._refused = refused
        self._lock = threading.Lock()
        self._newest = 0
        self._waiting: _Question[Asked] | None = None
        self._working = False

    @property
    def pending(self) -> bool:
        """Whether an answer is still to come."""
        return self._working

    def ask(self, asked: Asked) -> None:
        """Ask; returns at once. From the screen's thread."""
        with self._lock:
            self._newest += 1
            self._waiting = _Question(self._newest, asked)
            if self._working:
                return
            self._working = True
        self._owner.run_worker(self._work_off, thread=True, group="inquiry", name=type(self).__name__)

    def drop(self) -> None:
        """Want no answer any more."""
        with self._lock:
            self._newest += 1
            self._waiting = None

    def _work_off(self) -> None:
        """The thread: question after question until none waits."""
        while (question := self._next()) is not None:
            try:
                answer = self._work(question.asked)
            except BadInput as error:
                self._deliver(question.number, self._refused, error)
            except BaseException:
                with self._lock:
                    self._working = False
                raise
            else:
                self._deliver(question.number, self._answered, answer)

    def _next(self) -> _Question[Asked] | None:
        with self._lock:
            question, self._waiting = self._waiting, None
            self._working = question is not None
            return question

    def _deliver(self, number: int, receiver: Callable[[Any], None], value: object) -> None:
        pump: MessagePump = self._owner
        pump.call_later(self._receive, number, receiver, value)  # posts a message, which is safe from any thread

    def _receive(self, number: int, receiver: Callable[[Any], None], value: object) -> None:
        if number == self._newest and self._owner.is_attached:
            receiver(value)
