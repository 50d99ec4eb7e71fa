"""Asks before a second training starts on a machine on which another process trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.messages import printable
from tui.dialogs.confirm import ConfirmDialog
from tui.text import _, ngettext
from tui.text.sizes import format_size

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from engine.runs.live import LiveRun

MAX_RUNS = 3
"""More are not named."""


def second_training_dialog(others: Sequence[LiveRun], hardware: Hardware | None) -> ConfirmDialog:
    """Returns True if the training is to start all the same."""
    return ConfirmDialog(
        ngettext(
            "Another training is running on this machine.",
            "{count} other trainings are running on this machine.",
            len(others),
        ),
        "\n".join(_details(others, hardware)),
        confirm=_("Start all the same"),
        key="s",
        cancel=_("Do not start"),
    )


def _details(others: Sequence[LiveRun], hardware: Hardware | None) -> Iterator[str]:
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
