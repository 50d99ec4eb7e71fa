"""`freezetui data`: check a data set, draw the sample set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.messages import printable
from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Classes, Format, Json, Mapping

FORMAT_NAMES = {"voc": "Pascal VOC", "yolo": "YOLO txt", "coco": "COCO json", "list": "list of pictures with boxes"}

app = typer.Typer(help="Look at data sets, draw the sample set.", no_args_is_help=True)


@app.command()
def check(
    path: Annotated[str, typer.Argument(help="A folder, data.yaml, COCO file or list.")],
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    json: Json = False,
) -> int:
    """The doctor's report: format, classes, counts, and what is wrong."""
    from engine.dataset.doctor import check as examine
    from engine.plan import open_source
    from tui.cli.plan_request import source_of

    source = source_of(path, HERE, format, classes, tuple(mapping or ()))
    dataset = open_source(source)
    report = examine(dataset)
    if json:
        print_json(report.to_json())
        return 0
    print_line(f"{printable(dataset.root)}: {FORMAT_NAMES[dataset.format]}")
    drawn = " (drawn 81/9/10, kept with each run)" if dataset.splits_drawn else ""
    print_line("Images: " + ", ".join(f"{n} {name}" for name, n in dataset.image_counts().items()) + drawn)
    print_table(("class", "boxes"), dataset.box_counts().items())
    if report.findings:
        print_table(("", "finding"), ((f.severity, str(f.message)) for f in report.findings))
    else:
        print_line("Nothing is wrong with it.")
    return 0


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Where to draw it.")],
    images: Annotated[int, typer.Option(min=2, help="How many pictures.")] = 160,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same pictures.")] = 0,
) -> int:
    """Draw the sample set: three kinds of objects on textured ground, in Pascal VOC layout."""
    from engine.dataset.sample import draw_sample

    root = draw_sample(folder, images, seed)
    print_line(f"{images} pictures with their boxes are in {root}")
    return 0
