"""`freezetui plan`: what would run, and nothing started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.console import duration, gigabytes, print_json, print_line, print_table
from tui.cli.errors import print_error
from tui.cli.options import HERE, Classes, Data, Format, Json, Mapping, Preset, RecipeFile, Settings, Workspace
from tui.cli.progress import waiting

if TYPE_CHECKING:
    from engine.plan import Plan, StagePlan


def plan(
    data: Data,
    preset: Preset = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    workspace: Workspace = HERE,
    rehearsal: Annotated[
        bool, typer.Option(help="Time three steps of each stage where that was not done here before.")
    ] = True,
    json: Json = False,
) -> int:
    """What a training would do: stages, batch sizes, learning rates, steps, memory, time, warnings."""
    from tui.cli.plan_request import Wanted, assemble

    made, _ = assemble(
        Wanted(data, workspace, preset, recipe, tuple(settings or ()), format, classes, tuple(mapping or ()))
    )
    if rehearsal:
        made = _rehearsed(made)
    if json:
        print_json(made.to_json())
    else:
        print_plan(made)
    return 0


def _rehearsed(made: Plan) -> Plan:
    """The Plan with seconds, from a rehearsal that is done once for this machine and training."""
    from engine.hardware import probe
    from engine.planning.dry_run.dry_run import rehearse
    from engine.planning.dry_run.timing import with_seconds

    if all(stage.seconds_estimate is not None for stage in made.stages):
        return made
    with waiting("Rehearsing the first steps of each stage"):
        found = rehearse(made, probe(Path(made.workspace)))
    if found.out_of_memory is not None:
        print_error(f"The rehearsal ran out of memory in the {found.out_of_memory} stage: take a smaller batch.")
    elif found.failed is not None:
        print_error(f"The rehearsal failed: {found.failed}")
    return with_seconds(made, found)


def print_plan(made: Plan) -> None:
    """The Plan on one page."""
    recipe = made.recipe
    height, width = recipe.input_shape
    print_line(
        f"{recipe.network}, {recipe.method} method, input {width}x{height}, on {made.device} in {made.precision}"
    )
    print_line(f"Starts from {made.weights or 'nothing: random weights'}")
    print_line(
        f"{len(made.classes)} classes; " + ", ".join(f"{n} {name}" for name, n in made.images.items()) + " images"
    )
    print_table(
        ("stage", "epochs", "batch", "steps", "learning rate", "memory", "time"),
        (
            (
                stage.name,
                f"{stage.first_epoch + 1}" + (f" to {stage.last_epoch + 1}" if stage.epochs > 1 else ""),
                stage.batch_size,
                stage.epochs * stage.steps_per_epoch,
                f"{stage.init_lr:g} to {stage.min_lr:g}",
                _memory(stage),
                "" if stage.seconds_estimate is None else duration(stage.seconds_estimate),
            )
            for stage in made.stages
        ),
    )
    for warning in made.warnings:
        print_line(f"Note: {warning}")


def _memory(stage: StagePlan) -> str:
    """What is needed, of what is free."""
    need, limit = stage.memory_estimate_bytes, stage.memory_limit_bytes
    if need is None:
        return ""
    return gigabytes(need) if limit is None else f"{gigabytes(need)} of {gigabytes(limit)}"
