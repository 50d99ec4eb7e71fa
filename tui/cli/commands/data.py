"""`freezetui data`: checks a data set, draws the sample set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.messages import printable
from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Classes, Format, Json, Mapping
from tui.cli.typer_translation import TranslatedCommand, TranslatedGroup
from tui.text import N_, _, translate
from tui.text.datasets import FORMAT_NAMES, split_counts

SEVERITIES = {"error": N_("error"), "warning": N_("warning"), "info": N_("note")}

app = typer.Typer(cls=TranslatedGroup, help=N_("Check a data set, or draw the sample set."), no_args_is_help=True)


@app.command(cls=TranslatedCommand, help=N_("Check a data set: format, classes, counts, and problems."))
def check(
    path: Annotated[str, typer.Argument(help=N_("A folder, data.yaml, COCO file or list."))],
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    json: Json = False,
) -> int:
    """Print the report of `check_dataset`."""
    from engine.dataset.doctor import check_dataset
    from engine.plan import open_source
    from tui.cli.plan_request import source_from_options

    source = source_from_options(path, HERE, format, classes, tuple(mapping or ()))
    dataset = open_source(source)
    report = check_dataset(dataset)
    if json:
        print_json(report.to_json())
        return 0
    print_line(f"{printable(dataset.root)}: {_(FORMAT_NAMES[dataset.format])}")
    splits = split_counts(dataset.image_counts())
    print_line(
        _("{splits}, drawn at random; each run keeps its own", splits=splits) if dataset.splits_drawn else splits
    )
    print_table((_("class"), _("boxes")), dataset.box_counts().items())
    if report.findings:
        print_table(("", _("finding")), ((_(SEVERITIES[f.severity]), translate(f.message)) for f in report.findings))
    else:
        print_line(_("No problems found."))
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
