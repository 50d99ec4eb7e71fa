"""What came out of the training."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class ResultsStep(Step):
    """What came out of the training."""

    place: ClassVar[str] = "results"
    heading: ClassVar[str] = N_("What it has learned")
    reason: ClassVar[str] = N_("The best weights are chosen by mAP where it was measured.")
