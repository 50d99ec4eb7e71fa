"""The training, live."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class TrainStep(Step):
    """The training, live."""

    place: ClassVar[str] = "train"
    heading: ClassVar[str] = N_("Training")
    reason: ClassVar[str] = N_("Only the trend of the validation loss says anything; its value does not.")
