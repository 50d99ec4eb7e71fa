"""What a training sees of a card that falls off the bus: torch's own error, out of the middle of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from engine.training import learner


def card_failing_at(call: int) -> Callable[..., Any]:
    """In the place of `learner.loss_of`: the loss fails as CUDA fails, from that call on."""
    loss_of = learner.loss_of
    calls = iter(range(10**6))

    def failing(*words: Any) -> Any:
        loss = loss_of(*words)
        terms = loss.terms

        def failed(*given: Any, **named: Any) -> Any:
            if next(calls) >= call:
                raise torch.AcceleratorError(
                    "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronous"
                )
            return terms(*given, **named)

        loss.terms = failed
        return loss

    return failing
