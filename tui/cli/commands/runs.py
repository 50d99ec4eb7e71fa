"""`freezetui runs`: lists the runs in logs/, compares two, and stores notes about them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.workspace import logs_folder
from tui.cli.completion import complete_run
from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Json, Workspace
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup
from tui.text import N_, _, translate
from tui.text.stages import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.runs.summary import RunSummary
    from tui.wizard.run_comparison import Comparison

WIDE = 140
"""Columns of a terminal that has room for the origin of each run."""

app = typer.Typer(
    cls=TranslatedGroup,
    help=N_("List the runs: state, epoch, best values, data set, note."),
    invoke_without_command=True,
)


@app.callback()
def runs(context: typer.Context, workspace: Workspace = HERE, json: Json = False) -> None:
    """Print the runs of a workspace: as a table the newest first, as JSON the newest last."""
    if context.invoked_subcommand is not None:
        return
    from engine.runs.summary import list_runs

    summaries = list_runs(workspace)
    if json:
        print_json([summary.to_json() for summary in summaries])
    elif not summaries:
        print_line(_("There are no runs in {folder} yet.", folder=logs_folder(workspace).absolute()))
    else:
        _print_runs(summaries[::-1], workspace)


@app.command(cls=TranslatedCommand, help=N_("Write a note about a run; without a text, print it."))
def note(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help=N_("A run folder, or its name in logs/."), autocompletion=complete_run),
    ],
    text: Annotated[str | None, typer.Argument(metavar="NOTE", help=N_("The note, one line; '' removes it."))] = None,
    workspace: Workspace = HERE,
) -> int:
    """Store or print the note of a run."""
    from engine.runs.folder import find_run
    from engine.runs.note import read_note, write_note

    before_the_command = context.parent.params["workspace"] if context.parent is not None else HERE
    folder = find_run(run, before_the_command if workspace == HERE else workspace)
    if text is None:
        print_line(read_note(folder))
    elif stored := write_note(folder, text):
        print_line(_("{run}: {note}", run=folder.name, note=stored))
    else:
        print_line(_("{run}: no note.", run=folder.name))
    return 0


@app.command(cls=TranslatedCommand, help=N_("Stop a run that another process trains; it saves a checkpoint first."))
def stop(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help=N_("A run folder, or its name in logs/."), autocompletion=complete_run),
    ],
    workspace: Workspace = HERE,
) -> int:
    """Stop a run from outside."""
    from engine.runs.folder import find_run
    from tui.cli.commands.attach import stop_run

    before_the_command = context.parent.params["workspace"] if context.parent is not None else HERE
    return stop_run(find_run(run, before_the_command if workspace == HERE else workspace))


@app.command(cls=TranslatedCommand, help=N_("Compare two runs: results, settings that differ, curves."))
def compare(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help=N_("A run folder, or its name in logs/."), autocompletion=complete_run),
    ],
    other: Annotated[Path, typer.Argument(metavar="OTHER", help=N_("Another one."), autocompletion=complete_run)],
    workspace: Workspace = HERE,
    json: Json = False,
) -> int:
    """Print two runs side by side, and what limits the comparison."""
    from engine.runs.folder import find_run
    from tui.wizard.run_comparison import compare as compare_runs

    before_the_command = context.parent.params if context.parent is not None else {}
    folder = before_the_command.get("workspace", HERE) if workspace == HERE else workspace
    comparison = compare_runs((find_run(run, folder), find_run(other, folder)))
    if json or before_the_command.get("json"):
        print_json(comparison.to_json())
    else:
        _print_comparison(comparison)
    return 0


def _print_comparison(comparison: Comparison) -> None:
    from tui.cli.errors import print_error
    from tui.cli.terminal_plot import plot_curves
    from tui.wizard.comparison_text import describe_limits, result_rows, setting_name, setting_text
    from tui.wizard.run_comparison import loss_curves, map_curves

    left, right = result_rows(comparison.left), result_rows(comparison.right)
    results = ((name, value, other) for (name, value), (_name, other) in zip(left, right, strict=True))
    settings = ((setting_name(name), *map(setting_text, pair)) for name, pair in comparison.settings.items())
    print_table(("", "1", "2"), (*(row for row in results if any(row[1:])), *settings))
    for sentence in describe_limits(comparison):
        if comparison.limits:
            print_error(sentence)
        else:
            print_line(sentence)
    if not sys.stdout.isatty():
        return
    split, losses = loss_curves(comparison)
    title = _("validation loss") if split == "val" else _("training loss")
    for name, curves in ((title, losses), ("mAP50", map_curves(comparison))):
        if any(curves):
            print_line(f"\n{name}")
            for line in plot_curves(curves, min(80, shutil.get_terminal_size().columns), _("epoch")):
                print_line(line)


def _print_runs(summaries: Sequence[RunSummary], workspace: Path) -> None:
    from tui.text.run_states import STATE_NAMES, data_name, describe_run_end, format_epochs

    is_wide = not sys.stdout.isatty() or shutil.get_terminal_size().columns >= WIDE
    print_table(
        (
            _("run"), _("state"), _("stage"), _("epoch"), "mAP50", _("val loss"),
            *((_("network"), _("preset"), _("data")) if is_wide else ()),
        ),
        (
            (
                summary.name,
                _(STATE_NAMES[summary.state]),
                "" if summary.stage is None else _(STAGE_NAMES[summary.stage]),
                format_epochs(summary),
                "" if summary.best_map50 is None else summary.best_map50,
                "" if summary.best_val_loss is None else summary.best_val_loss,
                *((summary.network or "", summary.preset or "", data_name(summary)) if is_wide else ()),
            )
            for summary in summaries
        ),
    )  # fmt: skip
    for summary in summaries:
        if summary.note:
            print_line(_("{run}: {note}", run=summary.name, note=summary.note))
        if summary.message is not None:
            hint = "" if summary.hint is None else f" {translate(summary.hint)}"
            print_line(f"{summary.name}: {describe_run_end(summary)}{hint}")
    if any(summary.resumable for summary in summaries):
        from tui.wizard.cli_equivalent import command_line, workspace_option  # imports the recipe: not for completion

        words = command_line(list(workspace_option(workspace)))
        print_line("\n" + _("Resume one with: {command}", command=f"freezetui resume NAME {words}".rstrip()))
