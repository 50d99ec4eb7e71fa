"""The state of a run, and what can be done with it, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tui.text.events import describe_failure
from tui.text.stages import STAGE_NAMES
from tui.text.translate import N_, _, translate

if TYPE_CHECKING:
    from engine.runs.summary import RunSummary

STATE_NAMES: Final[Mapping[str, str]] = {
    "running": N_("running"),
    "finished": N_("finished"),
    "stopped": N_("stopped"),
    "failed": N_("failed"),
    "out_of_memory": N_("out of memory"),
    "loss_not_finite": N_("loss not finite"),
    "interrupted": N_("killed"),
    "unreadable": N_("unreadable"),
}


def format_epochs(run: RunSummary) -> str:
    """The epoch that was reached, of those planned; empty before the first."""
    return "" if run.epoch is None or run.last_epoch is None else f"{run.epoch + 1}/{run.last_epoch + 1}"


def describe_run_end(run: RunSummary) -> str:
    """Why a run ended; empty where its state says it all."""
    if run.message is None:
        return ""
    return describe_failure(run.message) if run.state == "failed" else translate(run.message)


def describe_resume(run: RunSummary) -> str:
    """What happens when the run is resumed, or why it cannot be."""
    if run.state == "running":
        return _("It is training now; stop it before you do anything else with it.")
    if run.state == "finished":
        return _("All its epochs are done; extend it to train for more.")
    if run.state == "unreadable":
        return _("It cannot be resumed until its files are restored.")
    if run.state == "out_of_memory":
        return _("Resuming starts at its last step, with the smaller batch size that was suggested.")
    if run.stage is None or run.epoch is None:
        return _("It ended before its first checkpoint; resuming starts it again from its first step.")
    return _(
        "Resuming starts at its last checkpoint, in stage {stage}, epoch {epoch} of {epochs}; the result is the same as without "
        "the interruption.",
        stage=_(STAGE_NAMES[run.stage]),
        epoch=run.epoch + 1,
        epochs=(run.last_epoch or run.epoch) + 1,
    )
