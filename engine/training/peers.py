"""Where one process of a training may fail: all of them learn of it in the same call, and fail too.

Between two collective calls each process works on its own: it prepares images, writes files, allocates memory. `guarded` ends
such a part with a call in which all processes tell whether they failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from engine.messages import BadInput, Message
from engine.parallel.group import CommunicationError, ProcessGroup
from engine.training.oom import is_out_of_memory

T = TypeVar("T")


class FailureKind(IntEnum):
    """From the mildest, which a training may recover from, to the gravest; all processes act on the gravest."""

    NONE = 0
    OUT_OF_MEMORY = 1
    REFUSED = 2
    """Bad input, a full disk."""
    DEFECT = 3


@dataclass(frozen=True, slots=True)
class FailureReport:
    """What failed in one process, for the others."""

    rank: int
    device: str
    kind: FailureKind
    message: Message


class PeerFailure(Exception):
    """Another process failed. Its group still works."""

    def __init__(self, report: FailureReport) -> None:
        super().__init__(str(report.message))
        self.report = report


@contextmanager
def guarded(group: ProcessGroup) -> Iterator[None]:
    """Work of this process alone, without collective calls; all processes leave the context together.

    Raises:
        PeerFailure: it failed in another process.
    """
    if group.is_single:
        yield
        return
    failure: Exception | None = None
    try:
        yield
    except CommunicationError:
        raise
    except Exception as error:  # noqa: BLE001  it is raised below, in all processes at once
        failure = without_frames(error)
    raise_in_all(group, failure)


def on_first(group: ProcessGroup, function: Callable[[], T]) -> T:
    """The result of `function`, which only the first process calls; the result is picklable.

    Raises:
        PeerFailure: it failed there; see `guarded`.
    """
    result: T | None = None
    with guarded(group):
        if group.is_first:
            result = function()
    return group.broadcast(result)  # type: ignore[return-value]  # the first process has one


def raise_in_all(group: ProcessGroup, failure: Exception | None) -> None:
    """Raise `failure` in this process, and PeerFailure in those without one; nothing where no process has one. Collective.

    Where several failed, those whose failure is milder raise PeerFailure too: so all act in the same way.
    """
    kind = _kind(failure)
    gravest = FailureKind(group.agree((kind,))[0])
    if gravest is FailureKind.NONE:
        return
    own = None if failure is None else FailureReport(group.rank, group.device, kind, _message(failure))
    reports = [report for report in group.all_gather(own) if report is not None]
    if failure is not None and kind is gravest:
        raise failure
    raise PeerFailure(next(report for report in reports if report.kind is gravest))


def without_frames(error: Exception) -> Exception:
    """After out of memory: the error without its traceback, whose frames hold the tensors of the step."""
    if is_out_of_memory(error):
        error.__traceback__ = error.__context__ = None
    return error


def _kind(error: Exception | None) -> FailureKind:
    if error is None:
        return FailureKind.NONE
    if isinstance(error, PeerFailure):
        return error.report.kind
    if is_out_of_memory(error):
        return FailureKind.OUT_OF_MEMORY
    return FailureKind.REFUSED if isinstance(error, BadInput | OSError) else FailureKind.DEFECT


def _message(error: Exception) -> Message:
    if isinstance(error, BadInput):
        return error.as_one_message()
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return Message("train.peer_failed", "{text}", {"text": text})
