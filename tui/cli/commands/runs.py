"""`freezetui runs`: what is in logs/."""

from __future__ import annotations

from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Json, Workspace


def runs(workspace: Workspace = HERE, json: Json = False) -> int:
    """List the runs: state, stage, epoch, best values."""
    from engine.runs.folder import list_runs

    found = list_runs(workspace)
    if json:
        print_json([run.to_json() for run in found])
        return 0
    if not found:
        print_line(f"No runs in {(workspace / 'logs').absolute()} yet.")
        return 0
    print_table(
        ("run", "state", "stage", "epoch", "mAP50", "val loss"),
        (
            (
                run.name,
                run.state.replace("_", " "),
                run.stage or "",
                "" if run.epoch is None or run.last_epoch is None else f"{run.epoch + 1}/{run.last_epoch + 1}",
                "" if run.best_map50 is None else run.best_map50,
                "" if run.best_val_loss is None else run.best_val_loss,
            )
            for run in found
        ),
    )
    for run in found:
        if run.message:
            print_line(f"{run.name}: {run.message}")
    if any(run.resumable for run in found):
        print_line("\nGo on with one: freezetui resume NAME")
    return 0
