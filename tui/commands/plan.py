"""`freezetui plan`: what would run, and nothing started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.commands.options import HERE, Classes, Data, Format, Json, Mapping, Preset, RecipeFile, Settings, Workspace
from tui.output import duration, megabytes, print_json, print_line, print_table

if TYPE_CHECKING:
    from engine.plan import Plan


def plan(
    data: Data,
    preset: Preset = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    workspace: Workspace = HERE,
    json: Json = False,
) -> int:
    """What a training would do: stages, batch sizes, learning rates, steps, warnings."""
    from tui.commands.assembly import Wanted, assemble

    made, _ = assemble(
        Wanted(data, workspace, preset, recipe, tuple(settings or ()), format, classes, tuple(mapping or ()))
    )
    if json:
        print_json(made.to_json())
    else:
        print_plan(made)
    return 0


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
                "" if stage.memory_estimate_bytes is None else megabytes(stage.memory_estimate_bytes),
                "" if stage.seconds_estimate is None else duration(stage.seconds_estimate),
            )
            for stage in made.stages
        ),
    )
    for warning in made.warnings:
        print_line(f"Note: {warning}")
