"""The Plan on one page."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class ReviewStep(Step):
    """The Plan on one page."""

    place: ClassVar[str] = "review"
    heading: ClassVar[str] = N_("This is what will run")
    reason: ClassVar[str] = N_("Both stages are checked before the first epoch, so that nothing fails hours in.")
