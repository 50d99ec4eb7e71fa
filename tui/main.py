"""The command `freezetui`. Nothing slow is imported here, so that help and the first screen appear at once."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tui.cli.commands import data, evaluate, plan, predict, presets, probe, resume, runs, train, weights
from tui.cli.console import print_line
from tui.cli.errors import BAD_INPUT, STOPPED, print_error, run_guarded
from tui.cli.options import HERE, Workspace
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup, translate_usage_error
from tui.text import N_, _, language_of_locale, parse_language, set_language

app = typer.Typer(
    name="freezetui",
    cls=TranslatedGroup,
    help=N_(
        "Train a YOLOv4 detector from a folder of labelled images: first with the backbone frozen, then the whole network. Without "
        "a command: the wizard."
    ),
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(context: typer.Context, is_given: bool) -> None:
    if is_given and not context.resilient_parsing:
        from importlib.metadata import version

        print_line(f"freezetui {version('freezetui')}")
        raise typer.Exit


@app.callback()
def _freezetui(
    context: typer.Context,
    data: Annotated[str | None, typer.Option("--data", help=N_("Start the wizard with this data set."))] = None,
    preset: Annotated[str | None, typer.Option("--preset", help=N_("Start the wizard with this preset."))] = None,
    workspace: Workspace = HERE,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            help=N_("The language of the wizard and of all commands: en or zh_CN."),
            show_default=N_("that of the locale"),
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", help=N_("Print the version."), callback=_print_version, is_eager=True)
    ] = False,
) -> int:
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context, data, preset, workspace)
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print_line(context.get_help())
        return 0
    from tui.launcher import open_wizard

    return open_wizard(workspace, data=data, preset=preset, language=lang)


def _refuse_misplaced(context: typer.Context, data: str | None, preset: str | None, workspace: Path) -> None:
    """The wizard's options before a command would be ignored without a word."""
    from engine.messages import bad_input

    values = {"--data": data, "--preset": preset, "--workspace": None if workspace == HERE else workspace}
    for option, value in values.items():
        if value is None:
            continue
        name = str(context.invoked_subcommand)
        command = typer.main.get_command(app).get_command(context, name)  # type: ignore[attr-defined]  # a group
        if command is not None and any(option in parameter.opts for parameter in command.params):
            raise bad_input(
                "command.option_misplaced",
                "{option} is before the command; put it after: freezetui {command} {option} ...",
                option=option,
                command=name,
            )
        raise bad_input(
            "command.option_unknown",
            "{option}: {command} has no such option. See: freezetui {command} --help",
            option=option,
            command=name,
        )


_command = partial(app.command, cls=TranslatedCommand)
_command(help=N_("Show the hardware: processor, memory, disk, graphics cards, torch build."))(probe.probe)
app.add_typer(data.app, name="data")
app.add_typer(presets.app, name="presets")
app.add_typer(weights.app, name="weights")
_command(help=N_("Show what a training would do: stages, batch sizes, learning rates, memory, time."))(plan.plan)
_command(help=N_("Train from beginning to end. Ctrl+C stops after the current step and saves a checkpoint."))(
    train.train
)
_command(help=N_("Resume a run from its last checkpoint; extend it with --set unfreeze_epoch=..."))(resume.resume)
_command(help=N_("List the runs: state, stage, epoch, best values."))(runs.runs)
_command(help=N_("Evaluate weights on a split of a data set: mAP, and the scores of each class."))(evaluate.evaluate)
_command(help=N_("Detect objects in images and folders."))(predict.predict)


def main() -> None:
    """Run the command line and exit with its exit code."""
    sys.exit(run_guarded(lambda: _run(sys.argv[1:])))


def _run(arguments: list[str]) -> object:
    command = typer.main.get_command(app)
    set_language(language_of_locale())
    # A first pass, since help and usage errors are printed before the options are processed.
    context = command.make_context("freezetui", list(arguments), resilient_parsing=True)
    if (lang := context.params.get("lang")) is not None:
        set_language(parse_language(lang))
    try:
        return command.main(arguments, prog_name="freezetui", standalone_mode=False)
    except typer.TyperException as error:
        return _report_usage_error(error)
    except typer.Abort:
        return STOPPED


def _report_usage_error(error: typer.TyperException) -> int:
    """Print what is wrong with the arguments. A group without a command has printed its help instead."""
    text = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        if text:
            print_line(text)
        return 0
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "freezetui"
    if getattr(error, "option_name", None) == "--lang":
        print_error(_("--lang is an option of freezetui itself; put it before the command: freezetui --lang zh_CN ..."))
        return BAD_INPUT
    print_error(_("{error} See: {command} --help", error=translate_usage_error(text), command=command))
    return BAD_INPUT
