"""`freezetui resume`: go on with a run exactly, or extend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.options import HERE, Json, OnOom, Settings, Workspace


def resume(
    run: Annotated[Path, typer.Argument(help="A run folder, its name in logs/, or a checkpoint.")],
    settings: Settings = None,
    workspace: Workspace = HERE,
    on_oom: OnOom = "stop",
    json: Json = False,
) -> int:
    """Go on from the last checkpoint, exactly; with --set unfreeze_epoch=..., extend."""
    from engine.recipe import parse_assignments
    from engine.runs.folder import find_run
    from tui.cli.plan_request import out_of_memory_answer

    answer = out_of_memory_answer(on_oom)
    overrides = parse_assignments(settings or ())
    target = run if run.is_file() else find_run(run, workspace)

    from engine.runner.start import resume as go_on  # with torch: only where there is a run
    from tui.cli.run_loop import follow

    return follow(
        lambda control: go_on(target, control, overrides=overrides, workspace=workspace, on_out_of_memory=answer),
        json=json,
    )
