"""How a run stands and what can be done with it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tui.text.events import STAGES
from tui.text.translate import N_, _

if TYPE_CHECKING:
    from engine.runs.folder import RunSummary

STATES: Final[Mapping[str, str]] = {
    "running": N_("running"),
    "finished": N_("finished"),
    "stopped": N_("stopped"),
    "failed": N_("failed"),
    "out_of_memory": N_("out of memory"),
    "loss_not_finite": N_("loss broke"),
    "interrupted": N_("killed"),
}

DEATHS: Final[Mapping[str, str]] = {
    "restarted": N_("The machine was started anew while it trained (a power cut, perhaps)."),
    "out_of_memory": N_(
        "The machine ran out of memory and its kernel killed the run: take a smaller batch, or close other programs."
    ),
    "unknown": N_("The process was killed without a word: by the machine, by hand, or with its terminal."),
}
"""What ended a run whose process said nothing."""


def epochs_of(run: RunSummary) -> str:
    """How far it came."""
    return "" if run.epoch is None or run.last_epoch is None else f"{run.epoch + 1}/{run.last_epoch + 1}"


def what_happened(run: RunSummary) -> str:
    """How it ended, where that needs a sentence."""
    match run.state:
        case "interrupted":
            return _(DEATHS[run.cause or "unknown"])
        case "out_of_memory":
            return _("Memory ran out; how many pictures there are plays no part in that.")
        case "loss_not_finite":
            return _("The loss was no longer a number; the last checkpoint is good.")
        case "failed":
            return _("The training ended early: {reason}", reason=run.message)
    return ""


def what_resuming_does(run: RunSummary) -> str:
    """What follows if one goes on with it."""
    if run.state == "running":
        return _("It trains now; stop it before anything else is done with it.")
    if run.state == "finished":
        return _("All its epochs are done; extending it trains for more.")
    if not run.resumable:
        return _("It has no checkpoint yet, so there is nothing to go on from.")
    if run.state == "out_of_memory":
        return _("Going on begins at its last step, with the smaller batch that was proposed.")
    if run.stage is None or run.epoch is None:
        return _("Going on begins at its last checkpoint.")
    return _(
        "Going on begins at its last checkpoint, in stage {stage}, epoch {epoch} of {epochs}, exactly as if it had never ended.",
        stage=_(STAGES[run.stage]),
        epoch=run.epoch + 1,
        epochs=(run.last_epoch or run.epoch) + 1,
    )
