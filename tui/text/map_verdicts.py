"""One word for an mAP50."""

from __future__ import annotations

from typing import NamedTuple

from tui.text.translate import N_, _


class Verdict(NamedTuple):
    """From `minimum` on an mAP50 is called `word` (in English, marked with `N_`) and shown in `colour`."""

    minimum: float
    word: str
    colour: str


VERDICTS = (
    Verdict(0.9, N_("excellent"), "$success"),
    Verdict(0.75, N_("good"), "$success"),
    Verdict(0.5, N_("usable"), "$foreground"),
    Verdict(0.05, N_("weak"), "$warning"),
    Verdict(0.0, N_("nothing yet"), "$error"),
)


def map_verdict(map50: float) -> Verdict:
    """The verdict on an mAP50 from 0 to 1."""
    return next((verdict for verdict in VERDICTS if map50 >= verdict.minimum), VERDICTS[-1])


def describe_verdicts() -> str:
    """The verdicts with their limits, for F1."""
    return _(
        "The word for mAP50: excellent from {excellent}, good from {good}, usable from {usable}, weak from {weak}, below it "
        "nothing yet.",
        excellent=f"{VERDICTS[0].minimum:.2f}",
        good=f"{VERDICTS[1].minimum:.2f}",
        usable=f"{VERDICTS[2].minimum:.2f}",
        weak=f"{VERDICTS[3].minimum:.2f}",
    )
