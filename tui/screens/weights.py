"""What the network starts from: a whole network, a backbone, or nothing."""

from __future__ import annotations

from typing import ClassVar

from tui.screens.step import Step
from tui.text import N_


class WeightsStep(Step):
    """What the network starts from: a whole network, a backbone, or nothing."""

    place: ClassVar[str] = "weights"
    heading: ClassVar[str] = N_("Where shall it start from?")
    reason: ClassVar[str] = N_("A network that has already seen many pictures needs few of yours.")
