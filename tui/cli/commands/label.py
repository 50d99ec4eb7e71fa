"""`freezetui label`: proposes labels for images that have none, or lists the images to label next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from engine.messages import Message, bad_input, printable
from tui.cli import completion
from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import BAD_INPUT, STOPPED, print_error
from tui.cli.options import HERE, Device, Json, Offline, WeightsFile
from tui.cli.progress import count_bar, waiting
from tui.text import N_, _, ngettext, translate

if TYPE_CHECKING:
    from engine.dataset.images import UnreadableImage
    from engine.evaluation.labelling.doubt import Doubt
    from engine.evaluation.labelling.folder_labels import FolderLabels, LabelFormat
    from engine.evaluation.labelling.propose import LabelJob, Proposed

FORMATS = ("voc", "yolo")
T = TypeVar("T")


def label(
    weights: WeightsFile,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help=N_("A folder of images, or of a data set."))],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="|".join(FORMATS),
            help=N_("The format of the label files."),
            autocompletion=completion.one_of(*FORMATS),
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="X|CLASS=X",
            help=N_("The minimum confidence, from 0 to 1, of all classes or of one; repeatable."),
            show_default=N_("that of the best F1, stored in the weights"),
        ),
    ] = None,
    pick: Annotated[
        int | None,
        typer.Option(
            "--pick",
            metavar="N",
            min=1,
            help=N_("Write nothing; list the N images that the network is least sure of."),
        ),
    ] = None,
    device: Device = "auto",
    offline: Offline = False,
    json: Json = False,
) -> int:
    """Write proposed label files for images that have none, or list the images to label next."""
    from engine.evaluation.labelling.folder_labels import parse_label_format, read_folder_labels
    from engine.evaluation.labelling.thresholds import parse_thresholds
    from engine.weights.signature import read_signature
    from tui.cli.weights_download import named_weights

    thresholds = parse_thresholds(threshold or ())
    label_format = None if to is None else parse_label_format(to)
    if label_format is None and pick is None:
        raise bad_input(
            "label.no_format", "--to is missing: give --to voc or --to yolo, the format of the label files."
        )
    with count_bar(_("Reading labels")) as update:
        labels = read_folder_labels(folder, label_format, update)
    weights = named_weights(weights, HERE, offline=offline)
    read_signature(weights)
    with waiting(_("Loading torch")):
        from engine.evaluation.labelling.propose import LabelJob

        job = LabelJob(weights, labels, thresholds=thresholds, device=device)
    if pick is not None:
        return _pick(job, labels, pick, json=json)
    assert label_format is not None
    return _propose(job, labels, label_format, json=json)


@dataclass(slots=True)
class _Done:
    """What became of the images."""

    written: list[Proposed] = field(default_factory=list)
    without_objects: list[Path] = field(default_factory=list)
    unreadable: list[Message] = field(default_factory=list)
    skipped: list[Message] = field(default_factory=list)
    stopped: bool = False

    def add_all(self, results: Iterable[Proposed | UnreadableImage], count: int) -> None:
        """Do the work on `count` images; Ctrl+C ends it, and what is written stays."""
        from engine.dataset.images import UnreadableImage

        try:
            for result in _with_bar(results, count):
                if isinstance(result, UnreadableImage):
                    self.unreadable.append(result.message)
                elif result.label_file is not None:
                    self.written.append(result)
                elif not result.boxes:
                    self.without_objects.append(result.image)
        except KeyboardInterrupt:
            self.stopped = True


def _with_bar(results: Iterable[T], count: int) -> Iterator[T]:
    with count_bar(_("Detecting")) as update:
        for number, result in enumerate(results, start=1):
            update(number, count)
            yield result


def _propose(job: LabelJob, labels: FolderLabels, to: LabelFormat, *, json: bool) -> int:
    from engine.evaluation.labelling.propose import in_no_split

    images, skipped, results = job.propose(to)
    done = _Done(skipped=[item.message for item in skipped])
    done.add_all(results, len(images))
    unused = in_no_split(labels.folder, to, [item.image for item in done.written]) if done.written else 0
    if json:
        print_json(
            {
                "format": to,
                "thresholds": job.thresholds,
                "images": len(labels.images),
                "labelled_before": len(labels.images) - len(images) - len(skipped),
                "written": [
                    {"image": str(item.image), "label_file": str(item.label_file), "boxes": item.boxes}
                    for item in done.written
                ],
                "without_objects": [str(image) for image in done.without_objects],
                "unreadable": [message.to_json() for message in done.unreadable],
                "skipped": [message.to_json() for message in done.skipped],
                "in_no_split": unused,
                "stopped": done.stopped,
            }
        )
    else:
        _print_done(done, labels, job.thresholds, len(labels.images) - len(images) - len(skipped), unused)
    if done.stopped:
        return STOPPED
    return BAD_INPUT if images and len(done.unreadable) == len(images) else 0


def _print_done(done: _Done, labels: FolderLabels, thresholds: dict[str, float], before: int, unused: int) -> None:
    if before:
        print_line(
            ngettext(
                "{count} image had labels and stays as it is.",
                "{count} images had labels and stay as they are.",
                before,
            )
        )
    boxes = sum(item.boxes for item in done.written)
    print_line(
        ngettext(
            "{count} label file is written, with {boxes} boxes.",
            "{count} label files are written, with {boxes} boxes.",
            len(done.written),
            boxes=boxes,
        )
    )
    _print_folders({item.label_file.parent for item in done.written if item.label_file is not None})
    print_line(_("Minimum confidence: {thresholds}.", thresholds=_threshold_text(thresholds)))
    if nothing := len(done.without_objects):
        print_line(
            ngettext(
                "{count} image got none, since nothing was found in it.",
                "{count} images got none, since nothing was found in them.",
                nothing,
            )
        )
    if unused:
        print_line(
            ngettext(
                "{count} of these images is in no split: the data set lists its images, and a training uses only those. Add it to a list.",
                "{count} of these images are in no split: the data set lists its images, and a training uses only those. Add them to a list.",
                unused,
            )
        )
    if done.written:
        print_line(
            _("They are proposals: check them in a label tool before you train on {folder}.", folder=labels.folder)
        )
    if done.stopped:
        print_line(_("Stopped. The same command labels the other images."))
    _print_left_out(done.skipped, done.unreadable)


def _print_folders(folders: set[Path]) -> None:
    if len(folders) == 1:
        print_line(_("They are in {folder}.", folder=folders.pop()))
    elif folders:
        print_line(_("They are in {count} folders, the first is {folder}.", count=len(folders), folder=min(folders)))


def _threshold_text(thresholds: dict[str, float]) -> str:
    if len(set(thresholds.values())) == 1:
        return f"{next(iter(thresholds.values())):.2f}"
    return ", ".join(f"{printable(name)} {value:.2f}" for name, value in thresholds.items())


def _print_left_out(skipped: list[Message], unreadable: list[Message]) -> None:
    for message in (*skipped, *unreadable):
        print_error(translate(message))
    if unreadable:
        print_error(ngettext("{count} image cannot be read.", "{count} images cannot be read.", len(unreadable)))


def _pick(job: LabelJob, labels: FolderLabels, count: int, *, json: bool) -> int:
    from engine.dataset.images import UnreadableImage
    from engine.evaluation.labelling.doubt import most_doubtful
    from engine.evaluation.labelling.propose import to_check_or_label

    images = to_check_or_label(labels)
    unreadable: list[Message] = []

    def readable() -> Iterator[Doubt]:
        for result in _with_bar(job.doubts(images), len(images)):
            if isinstance(result, UnreadableImage):
                unreadable.append(result.message)
            else:
                yield result

    doubts = list(readable())
    picked = most_doubtful(doubts, count)
    if json:
        print_json(
            {
                "thresholds": job.thresholds,
                "candidates": len(images),
                "picked": [
                    {"image": str(item.image), "doubt": round(item.value, 4), "boxes": item.boxes} for item in picked
                ],
                "unreadable": [message.to_json() for message in unreadable],
            }
        )
    else:
        _print_picked(picked, count, len(doubts))
        _print_left_out([], unreadable)
    return BAD_INPUT if images and len(unreadable) == len(images) else 0


def _print_picked(picked: list[Doubt], wanted: int, candidates: int) -> None:
    if not candidates:
        print_line(_("Every image has labels that somebody has checked."))
        return
    if wanted > candidates:
        print_line(
            ngettext(
                "There is only {count} image to choose from.",
                "There are only {count} images to choose from.",
                candidates,
            )
        )
    print_table((_("file"), _("doubt"), _("boxes")), [(str(item.image), item.value, item.boxes) for item in picked])
    if len(picked) < min(wanted, candidates):
        print_line(_("The other images look nearly the same as one of these."))
