"""The command `freezetui`. Nothing slow is imported here, so that help and the first screen appear at once."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from engine.messages import Message
from tui.cli import completion
from tui.cli.command_log import command_log
from tui.cli.commands import attach as attach_command
from tui.cli.commands import (
    data,
    evaluate,
    export,
    label,
    plan,
    predict,
    presets,
    probe,
    report,
    resume,
    runs,
    serve,
    train,
    weights,
)
from tui.cli.console import print_line
from tui.cli.errors import BAD_INPUT, STOPPED, refuse, run_guarded
from tui.cli.options import DATA_PATH, HERE, OUTPUT_SECTION, Json, Workspace
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup, usage_error
from tui.cli.wizard_options import check_wizard_options
from tui.terminal.web import is_web
from tui.text import LANGUAGES, N_, language_of_locale, parse_language, set_language

COMPLETION_SECTION = N_("Completion")

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


def _install_completion(context: typer.Context, is_given: bool) -> None:
    if is_given and not context.resilient_parsing:
        print_line(completion.install())
        raise typer.Exit


def _show_completion(context: typer.Context, is_given: bool) -> None:
    if is_given and not context.resilient_parsing:
        print_line(completion.script())
        raise typer.Exit


@app.callback()
def _freezetui(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Option("--data", metavar=DATA_PATH, help=N_("Start the wizard with this data set."))
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help=N_("Start the wizard with this preset."),
            autocompletion=completion.complete_preset,
        ),
    ] = None,
    workspace: Workspace = HERE,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="|".join(LANGUAGES),
            help=N_("The language of the wizard and of all commands."),
            show_default=N_("that of the locale"),
            autocompletion=completion.one_of(*LANGUAGES),
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version",
            help=N_("Print the version."),
            callback=_print_version,
            is_eager=True,
            rich_help_panel=OUTPUT_SECTION,
        ),
    ] = False,
    install_completion: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--install-completion",
            help=N_("Install completion for your shell: Tab completes commands, options and their values."),
            callback=_install_completion,
            is_eager=True,
            rich_help_panel=COMPLETION_SECTION,
        ),
    ] = False,
    show_completion: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--show-completion",
            help=N_("Print the script that does it, to install it yourself."),
            callback=_show_completion,
            is_eager=True,
            rich_help_panel=COMPLETION_SECTION,
        ),
    ] = False,
) -> int:
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context, data, preset, workspace)
        return 0
    check_wizard_options(data, preset, workspace)
    if not is_web() and not (sys.stdin.isatty() and sys.stdout.isatty()):
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


@_command(help=N_("Show a run that another process trains, and steer it. Without a terminal: print its events."))
def attach(
    context: typer.Context, run: attach_command.LiveRun = None, workspace: Workspace = HERE, json: Json = False
) -> int:
    """Show the Train screen on a run of another process."""
    folder = attach_command.find_live_run(run, workspace)
    if not attach_command.wants_screen(json=json):
        return attach_command.print_events(folder, json=json)
    from tui.launcher import open_wizard

    language = None if context.parent is None else context.parent.params["lang"]
    return open_wizard(workspace, watched_run=folder, language=language)


app.add_typer(runs.app, name="runs")
_command(help=N_("Evaluate weights on a split of a data set: mAP, and the scores of each class."))(evaluate.evaluate)
_command(help=N_("Detect objects in images and folders."))(predict.predict)
_command(help=N_("Write weights for other programs: ONNX, TorchScript, Darknet, the tutorials' .pth."))(export.export)
_command(help=N_("Write a report of a run: one HTML file with results, curves, images, settings and commands."))(
    report.report
)
_command(help=N_("Serve the wizard to a browser."))(serve.serve)
_command(help=N_("Propose labels for images that have none, or list those to label next."))(label.label)


def main() -> None:
    """Run the command line and exit with its exit code."""
    with command_log():
        sys.exit(run_guarded(lambda: _run(sys.argv[1:])))


def _run(arguments: list[str]) -> object:
    command = typer.main.get_command(app)
    set_language(language_of_locale())
    if completion.is_asked():
        completion.answer(command)
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
        message = Message(
            "command.lang_misplaced",
            "--lang is an option of freezetui itself; put it before the command: freezetui --lang zh_CN ...",
        )
    else:
        message = Message(
            "command.usage", "{error} See: {command} --help", {"error": usage_error(text), "command": command}
        )
    return refuse([message], BAD_INPUT)
