"""`freezetui presets`: list the presets, or show one."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.completion import complete_preset
from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import print_error
from tui.cli.options import HERE, Json, Workspace
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup
from tui.text import N_, _, translate

app = typer.Typer(cls=TranslatedGroup, help=N_("List the presets, or show one."), invoke_without_command=True)


@app.callback()
def presets(context: typer.Context, json: Json = False, workspace: Workspace = HERE) -> None:
    """Print the presets, the recommended ones first."""
    if context.invoked_subcommand is not None:
        return
    from engine.recipe.presets import damaged_presets, list_presets
    from tui.text.presets import preset_summary

    available = list_presets(workspace)
    for problem in damaged_presets(workspace):
        print_error(translate(problem))
    if json:
        print_json([preset.to_json() for preset in available])
        return
    print_table((_("preset"), _("what it is")), ((preset.name, preset_summary(preset)) for preset in available))
    print_line("\n" + _("Train with one: freezetui train --data FOLDER --preset NAME"))


@app.command(cls=TranslatedCommand, help=N_("Print a preset's file, or every setting of its recipe as JSON."))
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("A preset's name."), autocompletion=complete_preset)],
    json: Json = False,
    workspace: Workspace = HERE,
) -> int:
    """Print one preset."""
    from engine.files import read_text
    from engine.recipe.presets import find_preset

    preset = find_preset(name, workspace)
    if json:
        recipe = preset.recipe()
        print_json(recipe.model_dump(mode="json", include=set(recipe.relevant_settings())))
    else:
        print_line(read_text(preset.path).rstrip())
    return 0
