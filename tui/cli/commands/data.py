"""`freezetui data`: checks a data set, draws the sample set."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.commands.data_anchors import anchors
from tui.cli.commands.data_convert import cleaned_target, convert, print_left_out, print_report, write_cleaned
from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import BAD_INPUT
from tui.cli.options import HERE, Classes, DatasetPath, Format, Json, Mapping, Settings
from tui.cli.progress import count_bar, waiting
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup
from tui.text import N_, _, ngettext
from tui.text.command_advice import command_advice
from tui.text.datasets import FORMAT_NAMES, finding_text, split_counts, split_origin
from tui.text.joining import join_sentences, named

if TYPE_CHECKING:
    from engine.dataset.doctor import DatasetReport
    from engine.dataset.finding_groups import FindingGroup

SEVERITIES = {"error": N_("error"), "warning": N_("warning"), "info": N_("info")}

app = typer.Typer(
    cls=TranslatedGroup,
    help=N_("Check a data set, convert it, find anchors for it, or draw the sample set."),
    no_args_is_help=True,
)


@app.command(cls=TranslatedCommand, help=N_("Check a data set: format, classes, counts, and problems."))
def check(
    path: DatasetPath,
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    fix: Annotated[
        Path | None,
        typer.Option(
            "--fix",
            metavar="FOLDER",
            help=N_("Write a copy without the images and boxes that cannot be used. The original is never changed."),
        ),
    ] = None,
    settings: Settings = None,
    json: Json = False,
) -> int:
    """Print the report of `check_dataset`; of the settings, only input_shape matters."""
    from engine.dataset.doctor import check_dataset
    from engine.plan import open_source
    from tui.cli.plan_request import PlanOptions, recipe_from_options, source_from_options

    input_shape = recipe_from_options(PlanOptions(path, HERE, settings=tuple(settings or ()))).input_shape
    source = source_from_options(path, HERE, format, classes, tuple(mapping or ()))
    with count_bar(_("Reading labels")) as update:
        dataset = open_source(source, progress=update)
    target = None if fix is None else cleaned_target(dataset, fix)
    with count_bar(_("Reading images")) as update:
        report = check_dataset(dataset, update, input_shape=input_shape)
    cleaned = None if target is None else write_cleaned(dataset, target)
    errors = sum(finding.severity == "error" for finding in report.findings)
    exit_code = BAD_INPUT if errors and cleaned is None else 0
    if json:
        print_json(report.to_json() | ({} if cleaned is None else {"fixed": cleaned.to_json()}))
        return exit_code
    _print_check(report)
    if cleaned is not None:
        print_line()
        print_report(cleaned)
        print_left_out(dataset)
    elif errors:
        print_line()
        print_line(
            ngettext(
                "{count} error: what it names is left out of a training. To write a copy without it:",
                "{count} errors: what they name is left out of a training. To write a copy without it:",
                errors,
            )
        )
        print_line(f"  freezetui data check {shlex.quote(path)} --fix {_('FOLDER')}")
    return exit_code


def _print_check(report: DatasetReport) -> None:
    """Print the format, the splits, the classes and the findings."""
    from engine.dataset.finding_groups import group_findings

    dataset = report.dataset
    print_line(named(str(dataset.root), _(FORMAT_NAMES[dataset.format])))
    print_line(f"{split_counts(dataset.image_counts())} · {split_origin(dataset)}")
    if unreadable := len(report.unreadable):
        print_line(
            ngettext(
                "{count} of these images cannot be read: {splits} are left",
                "{count} of these images cannot be read: {splits} are left",
                unreadable,
                splits=split_counts(report.readable_counts()),
            )
        )
    print_table((_("class"), _("boxes")), dataset.box_counts().items())
    if not report.findings:
        print_line(_("No problems found."))
        return
    groups = group_findings(report.findings)
    rows = ((_(SEVERITIES[group.severity]), _finding_with_advice(group, dataset.root)) for group in groups)
    print_table(("", _("finding (paths are relative to the folder above)")), rows)


def _finding_with_advice(group: FindingGroup, root: Path) -> str:
    return join_sentences(finding_text(group, root), command_advice(group.first.message))


app.command(
    cls=TranslatedCommand,
    help=N_("Write a data set as a clean one in another format. The original is never changed."),
)(convert)
app.command(
    cls=TranslatedCommand,
    help=N_("Find anchors that fit the boxes of a data set, and compare them with those of the network."),
)(anchors)


@app.command(
    cls=TranslatedCommand,
    help=N_("Draw the sample set: three kinds of objects on a textured background, in Pascal VOC format."),
)
def sample(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=N_("The folder to draw it in."))],
    images: Annotated[int, typer.Option(metavar="N", min=2, help=N_("The number of images, 2 or more."))] = 160,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help=N_("The same seed draws the same images."))] = 0,
) -> int:
    """Draw the sample set."""
    from engine.dataset.sample_dataset import draw_sample_dataset

    with waiting(_("Drawing images")):
        root = draw_sample_dataset(folder, images, seed)
    print_line(_("{count} images with boxes were drawn in {folder}", count=images, folder=root))
    return 0
