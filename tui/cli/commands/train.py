"""`freezetui train`: a training without a screen."""

from __future__ import annotations

from tui.cli.console import ReaderGone, drop_output
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
    """Train from beginning to end. Ctrl+C stops within a step and keeps a checkpoint."""
    from tui.cli.commands.plan import print_plan
    from tui.cli.plan_request import Wanted, assemble, out_of_memory_answer

    answer = out_of_memory_answer(on_oom)
    made, dataset = assemble(
        Wanted(data, workspace, preset, recipe, tuple(settings or ()), format, classes, tuple(mapping or ()))
    )

    from engine.runner.start import start  # with torch: only where there is something to train
    from tui.cli.run_loop import follow

    if not json:
        try:
            print_plan(made)
        except ReaderGone:  # nobody reads; that ends the printing, not the training
            drop_output()
    return follow(lambda control: start(made, control, dataset, on_out_of_memory=answer), json=json)
