"""Options that several commands share. Help texts are translated when they are shown, see `typer_translation`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.messages import bad_input
from tui.cli import completion
from tui.cli.command_log import show_log, use_workspace
from tui.cli.errors import print_error
from tui.cli.new_workspace import new_workspace_notice
from tui.text import N_
from tui.wizard.state import OnHangup

# Sections of a help page. Options without one come first.
DATA_SECTION = N_("Data set")
RECIPE_SECTION = N_("Recipe")
MACHINE_SECTION = N_("Files and device")
SEVERAL_SECTION = N_("Several processes and machines")
BACKGROUND_SECTION = N_("Background and end")
OUTPUT_SECTION = N_("Output and help")

# What a value is, in help and usage lines.
DATA_PATH = "FOLDER|FILE"
FORMATS = ("auto", "voc", "yolo", "coco", "labelme", "csv", "list")
SPLITS = ("train", "val", "test")
DEVICES = ("auto", "cpu", "cuda", "mps")
ON_HANGUP: tuple[OnHangup, ...] = ("stop", "detach")
ON_OOM = ("stop", "retry", "accumulate")

HERE = Path()


def _show_log(context: typer.Context, is_given: bool) -> None:
    if is_given and not context.resilient_parsing:
        show_log()


def _use_workspace(context: typer.Context, workspace: Path) -> Path:
    if not context.resilient_parsing:
        if workspace.expanduser().is_file():
            raise bad_input(
                "command.workspace_file", "--workspace {path}: this is a file; name a folder.", path=workspace
            )
        if (notice := new_workspace_notice(workspace)) is not None:
            print_error(notice)
        use_workspace(workspace)
    return workspace


Json = Annotated[
    bool,
    typer.Option("--json", help=N_("Print JSON for programs, and nothing else."), rich_help_panel=OUTPUT_SECTION),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "-v",
        "--verbose",
        help=N_("Show a log on standard error: what was found, read and chosen, and when."),
        rich_help_panel=OUTPUT_SECTION,
        callback=_show_log,
        is_eager=True,
        expose_value=False,
    ),
]
"""Every command has it, see `typer_translation`."""
Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace",
        metavar="FOLDER",
        help=N_("The folder that contains logs/ and model_data/."),
        show_default=N_("this folder"),
        rich_help_panel=MACHINE_SECTION,
        callback=_use_workspace,
    ),
]
DatasetPath = Annotated[
    str, typer.Argument(metavar=DATA_PATH, help=N_("A folder, data.yaml, .json, .csv or list; or: sample."))
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar=DATA_PATH,
        help=N_("The data set: a folder, data.yaml, .json, .csv or list; 'sample' for the drawn sample set."),
        rich_help_panel=DATA_SECTION,
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=N_("The format of the labels: auto, voc, yolo, coco, labelme, csv or list."),
        rich_help_panel=DATA_SECTION,
        autocompletion=completion.one_of(*FORMATS),
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        help=N_("A file with one class name per line."),
        rich_help_panel=DATA_SECTION,
    ),
]
Mapping = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="OLD=NEW",
        help=N_("Rename a class of the labels; repeatable."),
        rich_help_panel=DATA_SECTION,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help=N_("The preset to start from; see: freezetui presets."),
        rich_help_panel=RECIPE_SECTION,
        autocompletion=completion.complete_preset,
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help=N_("A recipe file (TOML) instead of a preset."),
        rich_help_panel=RECIPE_SECTION,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help=N_("Change one setting of the recipe; repeatable. A value is a number, a word, or on|off."),
        rich_help_panel=RECIPE_SECTION,
        autocompletion=completion.complete_setting,
    ),
]
WeightsFile = Annotated[
    Path,
    typer.Option(
        "--weights",
        metavar="FILE",
        help=N_("Weights: of freezetui, Darknet's .weights, or a tutorial's .pth."),
        autocompletion=completion.complete_weights,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help=N_("Download nothing: weights must be in model_data/ already."),
        rich_help_panel=MACHINE_SECTION,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="|".join(DEVICES),
        help=N_("Where it is computed."),
        rich_help_panel=MACHINE_SECTION,
        autocompletion=completion.one_of(*DEVICES),
    ),
]
OnOom = Annotated[
    str,
    typer.Option(
        "--on-oom",
        metavar="|".join(ON_OOM),
        help=N_(
            "When memory runs out: stop; retry with smaller batches; or accumulate as many of them as make the old step."
        ),
        rich_help_panel=MACHINE_SECTION,
        autocompletion=completion.one_of(*ON_OOM),
    ),
]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach",
        help=N_("Train in the background: the training goes on when this terminal is closed."),
        rich_help_panel=BACKGROUND_SECTION,
    ),
]
OnHangupOption = Annotated[
    str | None,
    typer.Option(
        "--on-hangup",
        metavar="|".join(ON_HANGUP),
        help=N_("When the terminal is closed: stop and save a checkpoint, or train on in the background."),
        show_default=N_("as chosen in the wizard's menu, else stop"),
        rich_help_panel=BACKGROUND_SECTION,
        autocompletion=completion.one_of(*ON_HANGUP),
    ),
]
Notify = Annotated[
    str | None,
    typer.Option(
        "--notify",
        metavar="CMD",
        help=N_(
            "A program to start when the training has ended, with FREEZETUI_RUN, FREEZETUI_STATUS and FREEZETUI_MAP50 in its environment."
        ),
        rich_help_panel=BACKGROUND_SECTION,
    ),
]
MaxRestarts = Annotated[
    int,
    typer.Option(
        "--max-restarts",
        metavar="N",
        help=N_(
            "With parallel=ddp: when a process dies, go on from the last checkpoint by itself, at most so many times."
        ),
        rich_help_panel=SEVERAL_SECTION,
    ),
]
Nodes = Annotated[
    int,
    typer.Option(
        "--nodes",
        metavar="N",
        help=N_("Number of machines that train together; the same command starts on each of them."),
        rich_help_panel=SEVERAL_SECTION,
    ),
]
NodeRank = Annotated[
    int,
    typer.Option(
        "--node-rank",
        metavar="I",
        help=N_("Which of the machines this is, from 0; machine 0 writes the run."),
        rich_help_panel=SEVERAL_SECTION,
    ),
]
RendezvousAddress = Annotated[
    str | None,
    typer.Option(
        "--rendezvous",
        metavar="HOST:PORT",
        help=N_("Where the machines meet: an address of machine 0, and a free port."),
        rich_help_panel=SEVERAL_SECTION,
    ),
]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="|".join(SPLITS),
        help=N_("The split to measure on."),
        rich_help_panel=DATA_SECTION,
        autocompletion=completion.one_of(*SPLITS),
    ),
]
