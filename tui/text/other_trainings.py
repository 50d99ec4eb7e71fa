"""The trainings of other processes on this machine, and what a second one costs, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.messages import printable
from tui.text.sizes import format_size
from tui.text.translate import _, ngettext

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from engine.runs.live import LiveRun

MAX_RUNS = 3
"""More are not named."""


def count_other_trainings(others: Sequence[LiveRun]) -> str:
    """How many there are, as a sentence."""
    return ngettext(
        "Another training is running on this machine.",
        "{count} other trainings are running on this machine.",
        len(others),
    )


def describe_other_trainings(others: Sequence[LiveRun], hardware: Hardware | None) -> Iterator[str]:
    """A line for each training, then what they share with a second one; `hardware`: None if it is not known."""
    for other in others[:MAX_RUNS]:
        run = printable(other.run)
        if other.pid is None:
            yield _("{run}", run=run)
        else:
            size = format_size(other.memory_bytes)
            yield _("{run}: process {pid}, {size} of memory", run=run, pid=other.pid, size=size)
    if hardware is None:
        yield _("They share the memory and the cores: each takes longer, and the memory may not suffice for all.")
        return
    yield _(
        "They share {cores} cores and {free} of free memory: each takes longer, and the memory may not suffice for all.",
        cores=hardware.processor.cores,
        free=format_size(hardware.memory.available),
    )
