"""The command `freezetui`. Nothing heavy is imported here: help and the first screen appear at once."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tui.commands import data, evaluate, plan, predict, presets, probe, resume, runs, train, weights
from tui.exits import guarded

app = typer.Typer(
    name="freezetui",
    help="From a folder of labelled images to a working YOLOv4 detector: backbone frozen first, then everything.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"freezetui {version('freezetui')}")
        raise typer.Exit


@app.callback()
def _freezetui(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


app.command()(probe.probe)
app.add_typer(data.app, name="data")
app.add_typer(presets.app, name="presets")
app.add_typer(weights.app, name="weights")
app.command()(plan.plan)
app.command()(train.train)
app.command()(resume.resume)
app.command()(runs.runs)
app.command()(evaluate.evaluate)
app.command()(predict.predict)


def main() -> None:
    """Run the command line; the exit code says how it ended."""
    sys.exit(guarded(app))
