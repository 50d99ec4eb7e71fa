"""The preset to start from."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class RecipeStep(Step):
    """The preset to start from."""

    place: ClassVar[str] = "recipe"
    heading: ClassVar[str] = N_("How shall it be trained?")
    reason: ClassVar[str] = N_("A preset is a proven set of values; every one of them can be changed in the next step.")
