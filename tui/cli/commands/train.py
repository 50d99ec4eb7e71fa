"""`freezetui train`: trains without a screen."""

from __future__ import annotations

from tui.cli.console import OutputClosed, discard_output
from tui.cli.crash_guard import train_guarded
from tui.cli.options import (
    HERE,
    Classes,
    Data,
    Format,
    Json,
    Mapping,
    Offline,
    OnOom,
    Preset,
    RecipeFile,
    Settings,
    Workspace,
)
from tui.cli.progress import waiting
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
    json: Json = False,
) -> int:
    """Train from beginning to end."""
    from tui.cli.commands.plan import print_plan
    from tui.cli.plan_request import PlanOptions, parse_on_oom, prepare_plan, with_batches_that_fit

    on_out_of_memory = parse_on_oom(on_oom)
    if (code := train_guarded(on_out_of_memory, workspace, ["--json"] if json else [])) is not None:
        return code
    options = PlanOptions(
        data, workspace, preset, recipe, tuple(settings or ()), format, classes, tuple(mapping or ()), offline
    )
    prepared = prepare_plan(options)
    if on_out_of_memory != "stop" and not prepared.fits and not prepared.plan.device.startswith("cuda"):
        prepared = prepare_plan(with_batches_that_fit(options, prepared.plan))

    with waiting(_("Loading torch")):
        from engine.runner.start import start  # imports torch, so only where there is something to train
    from tui.cli.run_loop import run_training

    if not json:
        try:
            print_plan(prepared.plan, fits=prepared.fits or prepared.plan.device.startswith("cuda"))
        except OutputClosed:  # printing ends, the training does not
            discard_output()
    return run_training(
        lambda control: start(prepared.plan, control, prepared.dataset, on_out_of_memory=on_out_of_memory), json=json
    )
