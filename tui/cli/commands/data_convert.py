"""`freezetui data convert`: writes a data set as a clean one in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.messages import bad_input
from tui.cli.completion import one_of
from tui.cli.console import print_json, print_line
from tui.cli.errors import writing_to
from tui.cli.options import HERE, Classes, DatasetPath, Format, Json, Mapping
from tui.cli.progress import count_bar, count_bars
from tui.text import N_, _, ngettext, translate
from tui.text.datasets import FORMAT_NAMES, split_counts
from tui.text.joining import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.dataset.index import Dataset, Finding
    from engine.dataset.writers.convert import ConversionReport, Target
    from engine.dataset.writers.image_placement import ImageMode

MAX_FINDINGS = 20
"""Lines about single images; --json has all of them."""
PLACEMENTS = {
    "copy": N_("copied"),
    "hard_link": N_("hard links"),
    "symbolic_link": N_("symbolic links"),
    "refer": N_("left where they are"),
}


def convert(
    path: DatasetPath,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help=N_("A new folder; for coco also a new file that ends in .json."), show_default=False
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="voc|yolo|coco",
            help=N_("The format to write."),
            autocompletion=one_of("voc", "yolo", "coco"),
        ),
    ],
    split: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="own|TRAIN/VAL/TEST",
            help=N_("The data set's own splits, or shares such as 80/10/10 to draw new ones."),
        ),
    ] = "own",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help=N_("The seed that draws splits."))] = 11,
    copy: Annotated[bool, typer.Option("--copy", help=N_("Copy the images."))] = False,
    link: Annotated[
        bool, typer.Option("--link", help=N_("Link the images: hard links where the disk allows them."))
    ] = False,
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    json: Json = False,
) -> int:
    """Write the data set and print what was written."""
    from engine.dataset.writers.convert import Target, convert_dataset, parse_output_format, require_free
    from engine.plan import open_source
    from tui.cli.plan_request import source_from_options

    target = Target(parse_output_format(to), out.expanduser().absolute(), _image_mode(copy=copy, link=link))
    if target.is_single_file and (copy or link):
        raise bad_input(
            "convert.images_in_file",
            "{out}: one file holds no images; leave out --copy and --link, or give a folder.",
            out=out,
        )
    require_free(target)
    source = source_from_options(path, HERE, format, classes, tuple(mapping or ()))
    with count_bar(_("Reading labels")) as update:
        dataset = open_source(source, seed, update)
    with writing_to(out), count_bars(_("Reading images"), _("Writing images")) as (on_read, on_written):
        report = convert_dataset(dataset, target, split=split, seed=seed, on_read=on_read, on_written=on_written)
    if json:
        print_json(report.to_json())
    else:
        print_report(report)
        if target.path.is_relative_to(dataset.root):
            print_line(_("This is inside the folder of the original, which now contains both."))
        print_problems(dataset, path)
    return 0


def cleaned_target(dataset: Dataset, out: Path) -> Target:
    """What `data check --fix OUT` writes: the format of the data set if freezetui writes it, else YOLO.

    Raises:
        BadInput: `out` is taken.
    """
    from engine.dataset.writers.convert import OUTPUT_FORMATS, Target, require_free

    target = Target(
        next((known for known in OUTPUT_FORMATS if known == dataset.format), "yolo"), out.expanduser().absolute()
    )
    require_free(target)
    return target


def write_cleaned(dataset: Dataset, target: Target) -> ConversionReport:
    """Write every image and box of `dataset` that can be used."""
    from engine.dataset.writers.convert import convert_dataset

    bars = count_bars(_("Reading images"), _("Writing images"))
    with writing_to(target.path), bars as (on_read, on_written):
        return convert_dataset(dataset, target, on_read=on_read, on_written=on_written)


def print_left_out(dataset: Dataset) -> None:
    """Print how many images and boxes reading left out."""
    left_out = {kind: counts["left_out"] for kind, counts in dataset.books.items()}
    boxes, images = left_out.get("box", 0), left_out.get("image", 0)
    if boxes:
        print_line(ngettext("{count} box was left out, see above", "{count} boxes were left out, see above", boxes))
    if images:
        print_line(ngettext("{count} image was left out, see above", "{count} images were left out, see above", images))


def print_report(report: ConversionReport) -> None:
    """Print what was written, and what was left out of it."""
    boxes = sum(report.boxes.values())
    print_line(named(str(report.target.path), _(FORMAT_NAMES[report.target.format])))
    print_line(split_counts(report.images) + ngettext(" · {count} box", " · {count} boxes", boxes))
    if unused := report.images.get("nosplit", 0):
        print_line(ngettext("{count} image is in no split", "{count} images are in no split", unused))
    placements = (named(_(PLACEMENTS[name]), str(count)) for name, count in report.placements.items())
    print_line(_("Images: {placements}", placements=", ".join(placements)))
    if report.target.images == "refer" and "copy" in report.placements:
        name = _(FORMAT_NAMES[report.target.format])
        print_line(_("{format} cannot name images elsewhere, so they were copied; --link makes links.", format=name))
    _print_findings(report.findings)


def _print_findings(findings: Sequence[Finding]) -> None:
    unreadable = [finding for finding in findings if finding.message.code.startswith("image.")]
    cut = [finding for finding in findings if finding.message.code == "label.outside_image"]
    others = [finding for finding in findings if finding not in unreadable and finding not in cut]
    if unreadable:
        print_line(
            ngettext(
                "{count} image cannot be read and was left out:",
                "{count} images cannot be read and were left out:",
                len(unreadable),
            )
        )
        _print_first(unreadable)
    if cut:
        print_line(ngettext("{count} image has boxes outside it:", "{count} images have boxes outside them:", len(cut)))
        _print_first(cut)
    for finding in others:
        print_line(translate(finding.message))


def _print_first(findings: Sequence[Finding]) -> None:
    for finding in findings[:MAX_FINDINGS]:
        print_line(f"  {translate(finding.message)}")
    if more := max(0, len(findings) - MAX_FINDINGS):
        print_line("  " + ngettext("and {count} more; see --json", "and {count} more; see --json", more))


def print_problems(dataset: Dataset, path: str) -> None:
    """Print how many findings there were when the data set at `path` was read."""
    if problems := sum(finding.severity != "info" for finding in dataset.findings):
        print_line(
            ngettext(
                "Reading found {count} problem. See: freezetui data check {path}",
                "Reading found {count} problems. See: freezetui data check {path}",
                problems,
                path=path,
            )
        )


def _image_mode(*, copy: bool, link: bool) -> ImageMode:
    if copy and link:
        raise bad_input("convert.copy_and_link", "--copy and --link: give one of them, not both.")
    if copy:
        return "copy"
    return "link" if link else "refer"
