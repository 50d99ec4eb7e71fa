"""`freezetui data`: checks a data set, draws the sample set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.messages import printable
from tui.cli.commands.data_anchors import anchors
from tui.cli.commands.data_convert import cleaned_target, convert, print_left_out, print_report, write_cleaned
from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Classes, Format, Json, Mapping, Settings
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup
from tui.text import N_, _
from tui.text.datasets import FORMAT_NAMES, finding_text, split_counts

SEVERITIES = {"error": N_("error"), "warning": N_("warning"), "info": N_("note")}

app = typer.Typer(cls=TranslatedGroup, help=N_("Check a data set, or draw the sample set."), no_args_is_help=True)

app.command(
    cls=TranslatedCommand,
    help=N_("Write a data set as a clean one in another format. The original is never changed."),
)(convert)
app.command(
    cls=TranslatedCommand,
    help=N_("Find anchors that fit the boxes of a data set, and compare them with those of the network."),
)(anchors)


@app.command(cls=TranslatedCommand, help=N_("Check a data set: format, classes, counts, and problems."))
def check(
    path: Annotated[str, typer.Argument(help=N_("A folder, data.yaml, .json, .csv or list."))],
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
    from engine.dataset.finding_groups import group_findings
    from engine.plan import open_source
    from tui.cli.plan_request import PlanOptions, recipe_from_options, source_from_options

    input_shape = recipe_from_options(PlanOptions(path, HERE, settings=tuple(settings or ()))).input_shape
    source = source_from_options(path, HERE, format, classes, tuple(mapping or ()))
    dataset = open_source(source)
    target = None if fix is None else cleaned_target(dataset, fix)
    report = check_dataset(dataset, input_shape=input_shape)
    cleaned = None if target is None else write_cleaned(dataset, target)
    if json:
        print_json(report.to_json() | ({} if cleaned is None else {"fixed": cleaned.to_json()}))
        return 0
    print_line(f"{printable(dataset.root)}: {_(FORMAT_NAMES[dataset.format])}")
    splits = split_counts(dataset.image_counts())
    print_line(
        _("{splits}, drawn at random; each run keeps its own", splits=splits) if dataset.splits_drawn else splits
    )
    print_table((_("class"), _("boxes")), dataset.box_counts().items())
    if report.findings:
        groups = group_findings(report.findings)
        print_table(("", _("finding")), ((_(SEVERITIES[group.severity]), finding_text(group)) for group in groups))
    else:
        print_line(_("No problems found."))
    if cleaned is not None:
        print_line()
        print_report(cleaned)
        print_left_out(dataset)
    return 0


@app.command(
    cls=TranslatedCommand,
    help=N_("Draw the sample set: three kinds of objects on a textured background, in Pascal VOC format."),
)
def sample(
    folder: Annotated[Path, typer.Argument(help=N_("The folder to draw it in."))],
    images: Annotated[int, typer.Option(min=2, help=N_("The number of images."))] = 160,
    seed: Annotated[int, typer.Option(min=0, help=N_("The same seed draws the same images."))] = 0,
) -> int:
    """Draw the sample set."""
    from engine.dataset.sample_dataset import draw_sample_dataset

    root = draw_sample_dataset(folder, images, seed)
    print_line(_("{count} images with boxes were drawn in {folder}", count=images, folder=root))
    return 0
