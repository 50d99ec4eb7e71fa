"""`freezetui train`: trains without a screen."""

from __future__ import annotations

from tui.cli.console import OutputClosed, discard_output
from tui.cli.crash_guard import train_guarded
from tui.cli.detached_start import start_detached
from tui.cli.launch_options import check_launch, machines, parse_launch
from tui.cli.notify import notify_option, parse_notify
from tui.cli.options import (
    HERE,
    Classes,
    Data,
    Detach,
    Format,
    Json,
    Mapping,
    MaxRestarts,
    NodeRank,
    Nodes,
    Notify,
    Offline,
    OnHangupOption,
    OnOom,
    Preset,
    RecipeFile,
    RendezvousAddress,
    Settings,
    Workspace,
)
from tui.cli.progress import waiting
from tui.cli.second_training import warn_of_other_trainings
from tui.cli.training_host import TrainingHost, hangup_option, parse_on_hangup
from tui.text import _


def train(
    data: Data,
    preset: Preset = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    workspace: Workspace = HERE,
    on_oom: OnOom = "stop",
    offline: Offline = False,
    max_restarts: MaxRestarts = 0,
    nodes: Nodes = 1,
    node_rank: NodeRank = 0,
    rendezvous: RendezvousAddress = None,
    detach: Detach = False,
    on_hangup: OnHangupOption = None,
    notify: Notify = None,
    json: Json = False,
) -> int:
    """Train from beginning to end."""
    from tui.cli.commands.plan import print_plan
    from tui.cli.plan_request import PlanOptions, parse_on_oom, prepare_plan, with_batches_that_fit

    on_out_of_memory = parse_on_oom(on_oom)
    check_launch(max_restarts, nodes, node_rank, rendezvous)
    nodes_of_all = machines(nodes)
    hangup, notify_command = parse_on_hangup(on_hangup, workspace), parse_notify(notify)
    if detach:
        return start_detached(workspace, json=json)
    guarded_options = [*(["--json"] if json else []), *hangup_option(on_hangup), *notify_option(notify_command)]
    if (code := train_guarded(on_out_of_memory, workspace, guarded_options)) is not None:
        return code
    options = PlanOptions(
        data,
        workspace,
        preset,
        recipe,
        tuple(settings or ()),
        format,
        classes,
        tuple(mapping or ()),
        offline,
        nodes_of_all,
    )
    prepared = prepare_plan(options)
    if on_out_of_memory != "stop" and not prepared.fits and not prepared.plan.device.startswith("cuda"):
        prepared = prepare_plan(with_batches_that_fit(options, prepared.plan))

    warn_of_other_trainings(workspace)
    with waiting(_("Loading torch")):
        from engine.runner.start import start  # imports torch, so only where there is something to train
    from tui.cli.run_loop import run_training

    how = parse_launch(max_restarts, nodes, node_rank, rendezvous)

    if not json:
        try:
            print_plan(prepared.plan, fits=prepared.fits or prepared.plan.device.startswith("cuda"))
        except OutputClosed:  # printing ends, the training does not
            discard_output()
    return run_training(
        lambda control: start(prepared.plan, control, prepared.dataset, on_out_of_memory=on_out_of_memory, how=how),
        json=json,
        host=TrainingHost(workspace, on_out_of_memory, hangup, notify_command, how),
    )
