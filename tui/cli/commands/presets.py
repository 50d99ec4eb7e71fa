"""`freezetui presets`: list them, show one."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Json, Workspace

app = typer.Typer(help="Recipes to start from.", invoke_without_command=True)


@app.callback()
def presets(context: typer.Context, json: Json = False, workspace: Workspace = HERE) -> None:
    """List the presets, ours first."""
    if context.invoked_subcommand is not None:
        return
    from engine.recipe.presets import list_presets

    found = list_presets(workspace)
    if json:
        print_json([preset.to_json() for preset in found])
        return
    print_table(("preset", "what it is"), ((preset.name, preset.summary) for preset in found))
    print_line("\nTrain with one: freezetui train --data FOLDER --preset NAME")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A preset's name.")], json: Json = False, workspace: Workspace = HERE
) -> int:
    """Print a preset's file, or every setting of its recipe as JSON."""
    from engine.files import read_text
    from engine.recipe.presets import find_preset

    preset = find_preset(name, workspace)
    if json:
        print_json(preset.recipe().model_dump(mode="json", include=set(preset.recipe().read_settings())))
    else:
        print_line(read_text(preset.path).rstrip())
    return 0
