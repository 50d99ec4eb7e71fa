"""The list of what is in logs/."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class RunsStep(Step):
    """The list of what is in logs/."""

    place: ClassVar[str] = "runs"
    heading: ClassVar[str] = N_("Runs")
    reason: ClassVar[str] = N_("Every training is kept in a folder of its own, complete in itself.")
