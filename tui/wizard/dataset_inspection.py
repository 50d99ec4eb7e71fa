"""Looking at a data set in a thread: opening it at once, then having every picture checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.worker import get_current_worker

from engine.dataset.index import Dataset, Finding, require_training_images
from engine.messages import BadInput, bad_input
from engine.plan import DataSource, open_source

if TYPE_CHECKING:
    from engine.evaluation.thumbnail import Thumbnail

SAMPLE = "sample"
"""What stands for the drawn sample set in a field."""


@dataclass(frozen=True, slots=True)
class DatasetInspection:
    """What is known of the data set at `source`."""

    source: DataSource
    dataset: Dataset
    colours: tuple[tuple[int, int, int], ...]
    """Of each class, as its boxes are drawn."""
    names_beside: tuple[str, ...] = ()
    """What a classes file that lies with the labels names, where it is not what the labels say and nobody chose it."""
    classes_file: Path | None = None
    """That file."""
    findings: tuple[Finding, ...] | None = None
    """None: the pictures are not checked yet."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture of a data set, no larger than `width` x `height` pixels."""

    dataset: Dataset
    image: int
    width: int
    height: int


def source_at(path: str, workspace: Path) -> DataSource:
    """The source that a typed path means: quotes that a file manager puts around it are no part of it."""
    text = path.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if text == SAMPLE:  # the workspace's own, whatever lies in the current folder; that one is ./sample
        return DataSource(str((workspace / SAMPLE).absolute()))
    return DataSource(str(Path(text).expanduser().absolute()))


def open_data(source: DataSource, workspace: Path) -> DatasetInspection:
    """Open the data set at `source`; the sample set is drawn first where it is not there.

    Raises:
        BadInput: see `open_source`.
    """
    from engine.dataset.class_names import classes_file_beside, wanted_names
    from engine.dataset.formats.sniff import whole_disk
    from engine.evaluation.colours import colour_of

    path = Path(source.path)
    if path == (workspace / SAMPLE).absolute() and not path.exists():
        from engine.dataset.sample import draw_sample

        # Beside its place first, so that a set that was left half drawn is never taken for a whole one.
        draw_sample(drawn_into(path))
        drawn_into(path).rename(path)
    if path.is_dir() and whole_disk(path):
        raise bad_input(
            "dataset.whole_disk",
            "{path}: this is the whole disk or your home folder; choose the folder of the data set itself.",
            path=path,
        )
    try:
        dataset = open_source(source)
    except OSError as error:  # a folder without the right to list it
        raise bad_input(
            "dataset.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error.strerror
        ) from error
    require_training_images(dataset)
    look = DatasetInspection(source, dataset, tuple(colour_of(number) for number in range(len(dataset.classes))))
    if source.classes_file is None and not source.mapping and dataset.format in ("voc", "coco"):
        beside = classes_file_beside(dataset.root)
        names = wanted_names(beside)
        if set(dataset.classes) - set(names):
            return replace(look, names_beside=names, classes_file=beside)
    return look


def drawn_into(path: Path) -> Path:
    """Where the sample set is drawn before it stands whole at `path`."""
    return path.with_name(f".{path.name}.part")


def pictures_drawn(path: Path) -> int:
    """How many pictures of the sample set for `path` are drawn already."""
    return sum(1 for _ in drawn_into(path).glob("VOCdevkit/VOC2007/JPEGImages/*.jpg"))


def check_data(
    look: DatasetInspection, progress: Callable[[int, int], None], still_wanted: Callable[[], bool]
) -> DatasetInspection | None:
    """`look` with the doctor's findings; None where nobody waited for them to the end."""
    from engine.dataset.doctor import check

    worker = get_current_worker()

    def heard(done: int, of: int) -> None:
        progress(done, of)
        if worker.is_cancelled or not still_wanted():
            raise _LeftError

    try:
        return replace(look, findings=check(look.dataset, heard).findings)
    except _LeftError:
        return None


class _LeftError(Exception):
    """Nobody waits for the check any more."""


def picture_of(wanted: ImageRequest) -> Thumbnail | BadInput:
    """The picture with its boxes, or why it cannot be shown."""
    from engine.evaluation.thumbnail import labelled_thumbnail

    try:
        return labelled_thumbnail(wanted.dataset, wanted.image, wanted.width, wanted.height)
    except BadInput as error:
        return error
