"""What the processes of one training do before the first step: each its part, and a refusal in one is a refusal in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.messages import BadInput
from engine.parallel.group import ProcessGroup

_Result = TypeVar("_Result")


def on_all(group: ProcessGroup, function: Callable[[], _Result]) -> _Result:
    """The result of `function`, which every process calls.

    Raises:
        BadInput: `function` raised it in this or in another process; the one of the lowest rank in all of them.
    """
    result, refusal = _attempt(function)
    for other in group.all_gather(refusal):
        if other is not None:
            raise other
    if result is None:
        raise RuntimeError("a process has no result and no refusal")
    return result[0]


def from_first(group: ProcessGroup, function: Callable[[], _Result]) -> _Result:
    """The result of `function`, which only the first process calls; the result must be picklable.

    Raises:
        BadInput: `function` raised it.
    """
    outcome = group.broadcast(_attempt(function) if group.is_first else (None, None))
    result, refusal = outcome
    if refusal is not None:
        raise refusal
    if result is None:
        raise RuntimeError("the first process has no result and no refusal")
    return result[0]


def _attempt(function: Callable[[], _Result]) -> tuple[tuple[_Result] | None, BadInput | None]:
    try:
        return (function(),), None
    except BadInput as refusal:
        refusal.__traceback__ = None
        return None, refusal
