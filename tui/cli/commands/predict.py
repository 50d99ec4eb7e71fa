"""`freezetui predict`: detects objects in images and videos."""

from __future__ import annotations

import json as json_module
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.messages import Message, bad_input
from tui.cli import completion
from tui.cli.console import print_line, print_table
from tui.cli.errors import BAD_INPUT, STOPPED, print_error
from tui.cli.options import HERE, MACHINE_SECTION, OUTPUT_SECTION, Device, Json, Offline, WeightsFile
from tui.cli.progress import counted, waiting
from tui.text import N_, _, ngettext, translate

if TYPE_CHECKING:
    from engine.evaluation.batch_predictor import BatchPredictor
    from engine.evaluation.object_counts import ObjectCounts
    from engine.evaluation.predict import WorkTimes
    from engine.evaluation.sources.words import Source

SEARCH_SECTION = N_("What is looked for")
PRECISIONS = ("fp32", "bf16", "fp16")
_CSV = ".csv"


def predict(
    weights: WeightsFile,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help=N_(
                'Images, videos, folders, patterns such as "photos/**/*.jpg", a camera (0 or rtsp://...), or - for paths on standard input.'
            ),
        ),
    ],
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            "--conf",
            metavar="X|CLASS=X",
            help=N_("The minimum confidence, from 0 to 1, of all classes or of one; repeatable."),
            show_default=N_("that of the best F1, stored in the weights"),
            rich_help_panel=SEARCH_SECTION,
        ),
    ] = None,
    iou: Annotated[
        float,
        typer.Option(
            "--iou",
            metavar="X",
            min=0,
            max=1,
            help=N_("Of two boxes of one class with a larger IoU, the less confident is dropped."),
            rich_help_panel=SEARCH_SECTION,
        ),
    ] = 0.5,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--classes",
            metavar="NAME,...",
            help=N_("Only objects of these classes."),
            rich_help_panel=SEARCH_SECTION,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FOLDER",
            help=N_("Save the images and videos with their boxes in this folder."),
            rich_help_panel=OUTPUT_SECTION,
        ),
    ] = None,
    crop: Annotated[
        Path | None,
        typer.Option(
            "--crop",
            metavar="FOLDER",
            help=N_("Save each object as an image in this folder, in a folder for each class."),
            rich_help_panel=OUTPUT_SECTION,
        ),
    ] = None,
    heatmap: Annotated[
        bool,
        typer.Option(
            "--heatmap",
            help=N_("Beside each saved image, save where the network sees objects at all."),
            rich_help_panel=OUTPUT_SECTION,
        ),
    ] = False,
    count: Annotated[
        bool,
        typer.Option(
            "--count",
            help=N_(
                "Count the objects of each class in total; with a name behind it, --count FILE.csv, write a table."
            ),
            rich_help_panel=OUTPUT_SECTION,
        ),
    ] = False,
    fps: Annotated[
        bool,
        typer.Option(
            "--fps",
            help=N_("Measure the images per second, and what takes the time."),
            rich_help_panel=OUTPUT_SECTION,
        ),
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            metavar="N",
            min=1,
            help=N_("Images that the network takes at a time."),
            show_default=N_("8, on a graphics card 32"),
        ),
    ] = None,
    device: Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="|".join(PRECISIONS),
            help=N_("The number format that the network computes in; the 16-bit ones are quicker and less exact."),
            rich_help_panel=MACHINE_SECTION,
            autocompletion=completion.one_of(*PRECISIONS),
        ),
    ] = "fp32",
    offline: Offline = False,
    json: Json = False,
) -> int:
    """Print the objects in each image."""
    from engine.evaluation.labelling.thresholds import parse_thresholds
    from engine.evaluation.sources.words import count_images, find_sources
    from engine.weights.signature import read_signature
    from tui.cli.weights_download import named_weights

    thresholds = parse_thresholds(threshold or ())
    words, table = _table_file(sources) if count else (sources, None)
    found = find_sources(words)
    weights = named_weights(weights, HERE, offline=offline)
    read_signature(weights)
    with waiting(_("Loading torch")):
        from engine.evaluation.batch_predictor import BatchPredictor, PredictOptions

    options = PredictOptions(
        thresholds=thresholds,
        iou=iou,
        class_names=tuple(classes or ()),
        batch_size=batch_size,
        device=device,
        precision=precision,
        save=save,
        crop=crop,
        heatmaps=heatmap,
        with_counts=count,
    )
    predictor = BatchPredictor(weights, options, lambda remark: print_error(translate(remark)))
    printed = _print_rows(predictor, found, count_images(found), json=json)
    tell = print_error if json else print_line
    if save is not None and not json:
        _print_saved(printed, save)
    if count:
        if not json:
            _print_counts(predictor.counts)
        if table is not None:
            tell(_("The counts are saved in {file}", file=predictor.counts.write_csv(table).absolute()))
    if fps:
        tell(_speed(predictor.times, printed))
    _print_unreadable(printed)
    if printed.is_stopped:
        return STOPPED
    return 0 if printed.read else BAD_INPUT


@dataclass(slots=True)
class _Printed:
    """What the rows that were printed tell together."""

    read: int = 0
    saved_images: int = 0
    saved_videos: set[str] = field(default_factory=set)
    unreadable: list[Message] = field(default_factory=list)
    seconds: float = 0.0
    is_stopped: bool = False


def _print_rows(predictor: BatchPredictor, sources: Sequence[Source], total: int, *, json: bool) -> _Printed:
    """Print a line for each image, up to the end or to Ctrl+C."""
    printed, start = _Printed(), time.perf_counter()
    try:
        with closing(predictor.rows(sources)) as rows:
            for row in counted(rows, total, _("Detecting")):
                if row.line is None:
                    printed.unreadable.append(row.text)
                    continue
                printed.read += 1
                if "saved" in row.line and "frame" in row.line:
                    printed.saved_videos.add(row.line["saved"])
                elif "saved" in row.line:
                    printed.saved_images += 1
                print_line(json_module.dumps(row.line, ensure_ascii=False) if json else translate(row.text))
    except KeyboardInterrupt:
        printed.is_stopped = True
    printed.seconds = time.perf_counter() - start
    return printed


def _print_saved(printed: _Printed, save: Path) -> None:
    folder, videos = save.absolute(), len(printed.saved_videos)
    if printed.saved_images or not videos:
        print_line(
            ngettext(
                "{count} image is saved in {folder}",
                "{count} images are saved in {folder}",
                printed.saved_images,
                folder=folder,
            )
        )
    if videos:
        print_line(
            ngettext(
                "{count} video is saved in {folder}", "{count} videos are saved in {folder}", videos, folder=folder
            )
        )


def _print_counts(counts: ObjectCounts) -> None:
    """The objects of each class that was found, most frequent first, and their sum."""
    rows = [(counts.classes[label], count) for label, count in counts.total.most_common()]
    print_table((_("class"), _("objects")), [*rows, (_("total"), counts.total.total())])


def _speed(times: WorkTimes, printed: _Printed) -> str:
    work = times.decoding + times.network + times.drawing
    shares = [round(100 * part / work) if work else 0 for part in (times.decoding, times.network, times.drawing)]
    return _(
        "{rate} images/s: {count} images in {seconds} s. Of the work, decoding took {decoding} %, the network {network} %, drawing and saving {drawing} %.",
        rate=f"{printed.read / printed.seconds:.1f}" if printed.seconds else "0",
        count=printed.read,
        seconds=f"{printed.seconds:.1f}",
        decoding=shares[0],
        network=shares[1],
        drawing=shares[2],
    )


def _print_unreadable(printed: _Printed) -> None:
    """List what cannot be read, last, where it is seen."""
    if not printed.unreadable:
        return
    print_error(
        ngettext(
            "{count} of {total} images cannot be read:",
            "{count} of {total} images cannot be read:",
            len(printed.unreadable),
            total=printed.read + len(printed.unreadable),
        )
    )
    for message in printed.unreadable:
        print_error(translate(message))


def _table_file(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The sources, and the file for the table of --count: the word that ends in .csv, which no image does.

    Raises:
        BadInput: there are several such words, or no source.
    """
    tables = [word for word in words if word.casefold().endswith(_CSV)]
    sources = [word for word in words if word not in tables]
    if len(tables) > 1:
        raise bad_input("predict.two_tables", "--count: one file takes the table, not {files}.", files=" ".join(tables))
    if not sources:
        raise bad_input("predict.no_source", "--count {file}: name an image, a folder or a video too.", file=tables[0])
    if not tables:
        return sources, None
    table = Path(tables[0])
    if not table.absolute().parent.is_dir():
        raise bad_input("predict.no_table_folder", "--count {file}: there is no such folder.", file=table)
    return sources, table
