"""The columns of the table of runs, and what stands in them."""

from __future__ import annotations

from engine.messages import printable
from engine.runs.summary import RunSummary
from tui.text import N_, _
from tui.text.run_states import STATE_NAMES, data_name, format_epochs
from tui.text.stages import STAGE_NAMES
from tui.widgets.sparkline import sparkline

WIDE, WIDEST = 100, 160
"""Columns of a screen that has room for more columns of the table."""
SPARKLINE_WIDTH = 10


def run_columns(width: int) -> tuple[str, ...]:
    """The columns of the table, in English, for a screen of `width` columns."""
    if width >= WIDEST:
        return (
            N_("run"), N_("state"), N_("stage"), N_("epoch"), "mAP50", N_("val loss"), N_("loss"), N_("network"), N_("preset"),
            N_("data"), N_("note"),
        )  # fmt: skip
    if width >= WIDE:
        return (N_("run"), N_("state"), N_("epoch"), "mAP50", N_("loss"), N_("network"), N_("data"), N_("note"))
    return (N_("run"), N_("state"), N_("epoch"), "mAP50", N_("loss"))


def run_cells(run: RunSummary) -> dict[str, str]:
    """The text of every column."""
    return {
        "run": printable(run.name),
        "state": _(STATE_NAMES[run.state]),
        "stage": "" if run.stage is None else _(STAGE_NAMES.get(run.stage, run.stage)),
        "epoch": format_epochs(run),
        "mAP50": "" if run.best_map50 is None else f"{run.best_map50:.3f}",
        "val loss": "" if run.best_val_loss is None else f"{run.best_val_loss:.4f}",
        "loss": sparkline([loss for _epoch, loss in run.losses], SPARKLINE_WIDTH),
        "network": printable(run.network or ""),
        "preset": printable(run.preset or ""),
        "data": printable(data_name(run)),
        "note": run.note,
    }
