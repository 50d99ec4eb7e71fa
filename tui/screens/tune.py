"""The form of the recipe."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class TuneStep(Step):
    """The form of the recipe."""

    place: ClassVar[str] = "tune"
    heading: ClassVar[str] = N_("Anything to change?")
    reason: ClassVar[str] = N_("Every value is suggested; Enter takes them all.")
