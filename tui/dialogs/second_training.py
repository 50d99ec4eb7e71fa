"""Asks before a second training starts on a machine on which another process trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.dialogs.confirm import ConfirmDialog
from tui.text import _
from tui.text.other_trainings import count_other_trainings, describe_other_trainings

if TYPE_CHECKING:
    from engine.hardware import Hardware
    from engine.runs.live import LiveRun


def second_training_dialog(others: Sequence[LiveRun], hardware: Hardware | None) -> ConfirmDialog:
    """Returns True if the training is to start all the same."""
    return ConfirmDialog(
        count_other_trainings(others),
        "\n".join(describe_other_trainings(others, hardware)),
        confirm=_("Start all the same"),
        key="s",
        cancel=_("Do not start"),
    )
