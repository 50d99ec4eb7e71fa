"""A step that fails in its middle, with the error that torch itself raises there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from engine.training import learner


def card_failing_at(call: int) -> Callable[..., Any]:
    """In the place of `learner.loss_of`: what a training sees of a card that falls off the bus in that call of the loss."""

    def card_lost() -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronous")

    return _failing_at(call, card_lost)


def card_busy(*_: Any) -> None:
    """In the place of `trainer.Learner`: what a training sees of a card that another process holds for itself."""
    raise torch.AcceleratorError("CUDA error: all CUDA-capable devices are busy or unavailable\nFor debugging ...")


def memory_short_at(call: int) -> Callable[..., Any]:
    """In the place of `learner.loss_of`: in that call of the loss the allocator is asked for more than any machine has."""
    return _failing_at(call, lambda: torch.empty(2**60))


def _failing_at(call: int, fail: Callable[[], object]) -> Callable[..., Any]:
    loss_of = learner.loss_of
    calls = iter(range(10**6))

    def failing(*words: Any) -> Any:
        loss = loss_of(*words)
        terms = loss.terms

        def failed(*given: Any, **named: Any) -> Any:
            if next(calls) == call:
                fail()
            return terms(*given, **named)

        loss.terms = failed
        return loss

    return failing
