"""The state of a run, and what can be done with it, as text."""

from __future__ import annotations

import re
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
    """The epoch that was reached, of those planned; of a run that ended within an epoch, with the step. Empty before the first."""
    if run.epoch is None or run.last_epoch is None:
        return ""
    epochs = f"{run.epoch + 1}/{run.last_epoch + 1}"
    if (steps := _steps_of_epoch(run)) is None:
        return epochs
    return _("{epochs}, step {step}/{steps}", epochs=epochs, step=steps[0], steps=steps[1])


def describe_epochs(run: RunSummary) -> str:
    """The same with the word; as one sentence, since the word is not at its beginning in every language."""
    if run.epoch is None or run.last_epoch is None:
        return ""
    epochs = f"{run.epoch + 1}/{run.last_epoch + 1}"
    if (steps := _steps_of_epoch(run)) is None:
        return _("epoch {epochs}", epochs=epochs)
    return _("epoch {epochs}, step {step}/{steps}", epochs=epochs, step=steps[0], steps=steps[1])


def _steps_of_epoch(run: RunSummary) -> tuple[int, int] | None:
    """The step and the number of steps of the epoch within which a run ended; None where it ended after one, or trains."""
    if run.state in ("running", "finished") or run.step is None or run.steps is None:
        return None
    return run.step, run.steps


def data_name(run: RunSummary) -> str:
    """The name of the data set's folder or file."""
    return "" if run.data is None else re.split(r"[/\\]", run.data.rstrip("/\\"))[-1] or run.data


def describe_origin(run: RunSummary) -> str:
    """What a run trains: network, preset and data set."""
    parts = (
        run.network,
        None if run.preset is None else _("preset {name}", name=run.preset),
        None if run.data is None else _("data {path}", path=run.data),
    )
    return " · ".join(filter(None, parts))


def describe_run_end(run: RunSummary) -> str:
    """Why a run ended; empty where its state says it all."""
    if run.message is None:
        return ""
    return describe_failure(run.message) if run.state == "failed" else translate(run.message)


def describe_resume(run: RunSummary) -> str:
    """What happens when the run is resumed, or why it cannot be."""
    if run.state == "running":
        return _("It is training now. It can be extended, resumed and deleted once it has stopped.")
    if run.state == "finished":
        return _("All its epochs are done; extend it to train for more.")
    if run.state == "unreadable":
        return _("It cannot be resumed until its files are restored.")
    if run.state == "out_of_memory":
        return _("Resuming starts at its last step, with the smaller batch size that was suggested.")
    if run.stage is None or run.epoch is None:
        return _("It ended before its first checkpoint; resuming starts it again from its first step.")
    values = {
        "stage": _(STAGE_NAMES[run.stage]),
        "epoch": run.epoch + 1,
        "epochs": (run.epoch if run.last_epoch is None else run.last_epoch) + 1,
    }
    if run.state == "stopped" and (steps := _steps_of_epoch(run)) is not None:
        return _(
            "Stopped in stage {stage}, epoch {epoch} of {epochs}, at step {step} of {steps}. Resuming starts there; the result is the "
            "same as without the interruption.",
            **values,
            step=steps[0],
            steps=steps[1],
        )
    return _(
        "Resuming starts at its last checkpoint, in stage {stage}, epoch {epoch} of {epochs}; the result is the same as without "
        "the interruption.",
        **values,
    )
