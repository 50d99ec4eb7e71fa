"""The data set: where it is, how it is understood, what is wrong with it."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class DataStep(Step):
    """The data set: where it is, how it is understood, what is wrong with it."""

    place: ClassVar[str] = "data"
    heading: ClassVar[str] = N_("Which pictures shall it learn from?")
    reason: ClassVar[str] = N_(
        "A folder of pictures with labels; whatever its format, it is looked at and nothing in it is changed."
    )
