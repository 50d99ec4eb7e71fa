"""`freezetui resume`: resumes a run, or extends it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.completion import complete_run
from tui.cli.crash_guard import train_guarded
from tui.cli.detached_start import start_detached
from tui.cli.launch_options import check_launch, machines, parse_launch
from tui.cli.notify import notify_option, parse_notify
from tui.cli.options import (
    DATA_PATH,
    DATA_SECTION,
    HERE,
    Detach,
    Json,
    MaxRestarts,
    NodeRank,
    Nodes,
    Notify,
    OnHangupOption,
    OnOom,
    RendezvousAddress,
    Settings,
    Workspace,
)
from tui.cli.progress import waiting
from tui.cli.second_training import warn_of_other_trainings
from tui.cli.training_host import TrainingHost, hangup_option, parse_on_hangup
from tui.text import N_, _


def resume(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help=N_("A run folder, its name in logs/, or a checkpoint."), autocompletion=complete_run
        ),
    ],
    settings: Settings = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar=DATA_PATH,
            help=N_("Where the data set of the run is now, if it was moved."),
            rich_help_panel=DATA_SECTION,
        ),
    ] = None,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help=N_("Resume although labels, images or classes have changed since the run was started."),
            rich_help_panel=DATA_SECTION,
        ),
    ] = False,
    workspace: Workspace = HERE,
    on_oom: OnOom = "stop",
    max_restarts: MaxRestarts = 0,
    nodes: Nodes = 1,
    node_rank: NodeRank = 0,
    rendezvous: RendezvousAddress = None,
    detach: Detach = False,
    on_hangup: OnHangupOption = None,
    notify: Notify = None,
    json: Json = False,
) -> int:
    """Resume a run from its last checkpoint."""
    from engine.recipe import parse_assignments
    from engine.runs.folder import find_run
    from tui.cli.plan_request import parse_on_oom

    on_out_of_memory = parse_on_oom(on_oom)
    check_launch(max_restarts, nodes, node_rank, rendezvous)
    machines(nodes)
    hangup, notify_command = parse_on_hangup(on_hangup, workspace), parse_notify(notify)
    options = [
        *(["--json"] if json else []),
        *([] if data is None else ["--data", str(data)]),
        *(["--accept-changes"] if accept_changes else []),
        *(["--max-restarts", str(max_restarts)] if max_restarts else []),
        *hangup_option(on_hangup),
        *notify_option(notify_command),
    ]
    if detach:
        return start_detached(workspace, run.parent if run.is_file() else find_run(run, workspace), json=json)
    if (code := train_guarded(on_out_of_memory, workspace, options)) is not None:
        return code
    overrides = parse_assignments(settings or ())
    target = run if run.is_file() else find_run(run, workspace)

    warn_of_other_trainings(workspace)
    with waiting(_("Loading torch")):
        from engine.runner.resume import resume as resume_run  # imports torch, so only where the run exists
    from tui.cli.run_loop import run_training

    how = parse_launch(max_restarts, nodes, node_rank, rendezvous)

    return run_training(
        lambda control: resume_run(
            target,
            control,
            overrides=overrides,
            workspace=workspace,
            on_out_of_memory=on_out_of_memory,
            data=data,
            accept_changes=accept_changes,
            how=how,
        ),
        json=json,
        host=TrainingHost(workspace, on_out_of_memory, hangup, notify_command, how),
    )
