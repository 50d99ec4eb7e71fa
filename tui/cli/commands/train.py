"""`freezetui train`: trains without a screen."""

from __future__ import annotations

from tui.cli.console import OutputClosed, discard_output
from tui.cli.options import (
    HERE,
    Classes,
    Data,
    Format,
    Json,
    Mapping,
    OnOom,
    Preset,
    RecipeFile,
    Settings,
    Workspace,
)


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
    json: Json = False,
) -> int:
    """Train from beginning to end."""
    from tui.cli.commands.plan import print_plan
    from tui.cli.plan_request import PlanOptions, parse_on_oom, prepare_plan

    on_out_of_memory = parse_on_oom(on_oom)
    prepared = prepare_plan(
        PlanOptions(data, workspace, preset, recipe, tuple(settings or ()), format, classes, tuple(mapping or ()))
    )

    from engine.runner.start import start  # imports torch, so only where there is something to train
    from tui.cli.run_loop import run_training

    if not json:
        try:
            print_plan(prepared.plan)
        except OutputClosed:  # printing ends, the training does not
            discard_output()
    return run_training(
        lambda control: start(prepared.plan, control, prepared.dataset, on_out_of_memory=on_out_of_memory), json=json
    )
