"""`freezetui runs`: lists the runs in logs/."""

from __future__ import annotations

from engine.workspace import logs_folder
from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Json, Workspace
from tui.text import _, translate
from tui.text.stages import STAGE_NAMES


def runs(workspace: Workspace = HERE, json: Json = False) -> int:
    """Print the runs of a workspace."""
    from engine.runs.summary import list_runs
    from tui.text.run_states import STATE_NAMES, describe_run_end, format_epochs

    summaries = list_runs(workspace)
    if json:
        print_json([summary.to_json() for summary in summaries])
        return 0
    if not summaries:
        print_line(_("There are no runs in {folder} yet.", folder=logs_folder(workspace).absolute()))
        return 0
    print_table(
        (_("run"), _("state"), _("stage"), _("epoch"), "mAP50", _("val loss")),
        (
            (
                summary.name,
                _(STATE_NAMES[summary.state]),
                "" if summary.stage is None else _(STAGE_NAMES[summary.stage]),
                format_epochs(summary),
                "" if summary.best_map50 is None else summary.best_map50,
                "" if summary.best_val_loss is None else summary.best_val_loss,
            )
            for summary in summaries
        ),
    )
    for summary in summaries:
        if summary.message is not None:
            hint = "" if summary.hint is None else f" {translate(summary.hint)}"
            print_line(f"{summary.name}: {describe_run_end(summary)}{hint}")
    if any(summary.resumable for summary in summaries):
        print_line("\n" + _("Resume one with: freezetui resume NAME"))
    return 0
