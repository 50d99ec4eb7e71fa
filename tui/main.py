"""The command `freezetui`. Nothing heavy is imported here: help and the first screen appear at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tui.cli.commands import data, evaluate, plan, predict, presets, probe, resume, runs, train, weights
from tui.cli.errors import BAD_INPUT, STOPPED, print_error, run_guarded
from tui.cli.options import HERE, Workspace

app = typer.Typer(
    name="freezetui",
    help="From a folder of labelled images to a working YOLOv4 detector: backbone frozen first, then everything. "
    "Without a command: the wizard.",
    invoke_without_command=True,
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
    context: typer.Context,
    data: Annotated[str | None, typer.Option("--data", help="The wizard begins with this data set.")] = None,
    preset: Annotated[str | None, typer.Option("--preset", help="The wizard begins with this preset.")] = None,
    workspace: Workspace = HERE,
    lang: Annotated[str | None, typer.Option("--lang", help="The wizard's language: en or zh_CN.")] = None,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> int:
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context, data, preset, workspace, lang)
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        typer.echo(context.get_help())
        return 0
    from tui.launcher import open_wizard

    return open_wizard(workspace, data=data, preset=preset, language=lang)


def _refuse_misplaced(
    context: typer.Context, data: str | None, preset: str | None, workspace: Path, lang: str | None
) -> None:
    """The wizard's options in front of a command would be ignored in silence."""
    from engine.messages import bad_input

    given = {
        "--data": data,
        "--preset": preset,
        "--lang": lang,
        "--workspace": None if workspace == HERE else workspace,
    }
    for option, value in given.items():
        if value is not None:
            raise bad_input(
                "command.option_misplaced",
                "{option} stands before the command; write it after: freezetui {command} {option} ...",
                option=option,
                command=context.invoked_subcommand,
            )


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
    sys.exit(run_guarded(_command))


def _command() -> object:
    try:
        return app(standalone_mode=False, prog_name="freezetui")
    except typer.TyperException as error:
        return _misused(error)
    except typer.Abort:
        return STOPPED


def _misused(error: typer.TyperException) -> int:
    """A wrong word on the command line; a command that only lacks its words shows its help."""
    text = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        if text:
            sys.stdout.write(text + "\n")
        return 0
    context = getattr(error, "ctx", None)
    print_error(f"{text} See: {context.command_path if context else 'freezetui'} --help")
    return BAD_INPUT
