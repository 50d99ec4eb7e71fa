"""Writes a data set as a clean one in another format, or in the same. The originals are never changed.

Everything is written beside its place and renamed when it is whole.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.dataset.image_size import read_image_size
from engine.dataset.images import UnreadableImage, clipped_boxes
from engine.dataset.index import Dataset, Finding, finding
from engine.dataset.splits import SPLITS
from engine.dataset.writers.coco_writer import CocoFileWriter, CocoWriter
from engine.dataset.writers.file_names import FileNames
from engine.dataset.writers.image_placement import ImageMode, Placement, place_image, place_unrotated_image
from engine.dataset.writers.labelled_file import NO_SPLIT, DatasetWriter, LabelledFile
from engine.dataset.writers.voc_writer import VocWriter
from engine.dataset.writers.yolo_writer import YoloWriter
from engine.files import disk_error, error_reason, make_folder, replace_file, temporary_name
from engine.messages import bad_input, nearest

OutputFormat = Literal["voc", "yolo", "coco"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("voc", "yolo", "coco")
Progress = Callable[[int, int], None]
"""Takes the number of images that are written, and of all; may raise to cancel."""

_BATCH = 256
"""Images that are read ahead."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be written, and where."""

    format: OutputFormat
    path: Path
    """Absolute: a folder; for COCO, a path that ends in .json is one file with all images, which stay where they are."""
    images: ImageMode = "copy"

    @property
    def is_single_file(self) -> bool:
        """Whether all labels go into one file."""
        return self.format == "coco" and self.path.suffix.lower() == ".json"


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What was written."""

    target: Target
    images: Mapping[str, int]
    """Number of images in each split."""
    boxes: Mapping[str, int]
    """Number of boxes of each class."""
    placements: Mapping[Placement, int]
    """How many images were copied, linked or left where they are."""
    findings: tuple[Finding, ...]
    """What was left out or done differently."""

    def to_json(self) -> dict[str, Any]:
        """The form of `data convert --json`."""
        return {
            "format": self.target.format,
            "path": str(self.target.path),
            "classes": list(self.boxes),
            "images": dict(self.images),
            "boxes": dict(self.boxes),
            "files": dict(self.placements),
            "findings": [item.to_json() for item in self.findings],
        }


def parse_output_format(word: str) -> OutputFormat:
    """The value of --to.

    Raises:
        BadInput: freezetui does not write that format.
    """
    for known in OUTPUT_FORMATS:
        if word == known:
            return known
    raise bad_input(
        "convert.format",
        "--to {word}: it is voc, yolo or coco; did you mean {nearest}?",
        word=word,
        nearest=nearest(word, OUTPUT_FORMATS) or "yolo",
    )


def require_free(target: Target) -> None:
    """Check that nothing would be overwritten.

    Raises:
        BadInput: there is something at the path of `target`.
    """
    path = target.path
    if not os.path.lexists(path):
        return
    if target.is_single_file or not path.is_dir():
        is_free = target.is_single_file and path.is_file() and path.stat().st_size == 0
    else:
        is_free = not any(path.iterdir())
    if not is_free:
        raise bad_input(
            "convert.occupied",
            "{path}: exists already, and nothing is overwritten; give a new name or an empty folder.",
            path=path,
        )


def convert_dataset(
    dataset: Dataset, target: Target, *, decode: bool = False, progress: Progress | None = None
) -> ConversionReport:
    """Write `dataset` as `target`.

    Args:
        dataset: its splits are written as they are, drawn or not.
        target: a path that does not exist, or an empty folder.
        decode: whether every image is decoded, so that one that is damaged in the middle is left out too.
        progress: called after each image.

    Raises:
        BadInput: the path is taken or cannot be written, a class name does not fit the format, or no image can be read.
    """
    require_free(target)
    make_folder(target.path.parent)
    count = len(dataset.images)
    try:
        # Left in reverse order: no thread and no open file is left when the unfinished files are deleted.
        with (
            _written_aside(target) as aside,
            closing(_writer(dataset, target, aside)) as writer,
            _cancelling_pool() as pool,
        ):
            conversion = _Conversion(dataset, target, aside, writer, decode=decode)
            for start in range(0, count, _BATCH):
                batch = [conversion.place(index) for index in range(start, min(start + _BATCH, count))]
                for done, image in enumerate(pool.map(conversion.read, batch), start + 1):
                    conversion.write(image)
                    if progress is not None:
                        progress(done, count)
            conversion.require_images()
            writer.finish()
    except OSError as error:
        raise disk_error(target.path, error) or bad_input(
            "convert.unwritable", "{path}: cannot be written ({reason}).", path=target.path, reason=error_reason(error)
        ) from error
    return conversion.report()


@dataclass(frozen=True, slots=True)
class _Place:
    """An image of the data set, and where it goes."""

    index: int
    split: str | None
    file: str
    """Relative to the written data set; "" where the original is not moved."""


@dataclass(frozen=True, slots=True)
class _ReadImage:
    """An image that is in its place, or the reason why it cannot be read."""

    image: LabelledFile | None
    findings: tuple[Finding, ...] = ()
    placement: Placement = "refer"


class _Conversion:
    """The state of a conversion. `read` may be called from any thread, the others from one."""

    def __init__(self, dataset: Dataset, target: Target, aside: Path, writer: DatasetWriter, *, decode: bool) -> None:
        self._dataset = dataset
        self._target = target
        self._aside = aside
        self._writer = writer
        self._decode = decode
        # An image in two splits belongs to the first of them.
        self._splits = {int(index): name for name in reversed(SPLITS) for index in dataset.splits[name]}
        self._folders: dict[str, FileNames] = {}
        self._is_referring = target.is_single_file or (target.format == "coco" and target.images == "refer")
        self._images: Counter[str] = Counter()
        self._boxes = np.zeros(len(dataset.classes), np.int64)
        self._placements: Counter[Placement] = Counter()
        self._findings: list[Finding] = []

    def place(self, index: int) -> _Place:
        """The place of the image of that index."""
        split = self._splits.get(index)
        if self._is_referring:
            return _Place(index, split, "")
        folder = self._writer.image_folder(split)
        if folder not in self._folders:
            self._folders[folder] = FileNames()
            (self._aside / folder).mkdir(parents=True, exist_ok=True)
        return _Place(index, split, f"{folder}/{self._folders[folder].add(self._dataset.images[index])}")

    def read(self, place: _Place) -> _ReadImage:
        """Read the size of an image, and copy or link it."""
        dataset, index = self._dataset, place.index
        source = dataset.image_path(index)
        width, height = dataset.sizes[index].tolist()
        try:
            size = read_image_size(source, (width, height), decode=self._decode)
            placement = self._place_file(source, place.file, ignores_exif=size.ignores_exif)
        except UnreadableImage as error:
            return _ReadImage(None, (Finding("warning", dataset.images[index], error.message),))
        boxes, labels = clipped_boxes(dataset, index, (size.width, size.height))
        image = LabelledFile(place.file or str(source), size, boxes, labels, place.split)
        outside = int(dataset.offsets[index + 1] - dataset.offsets[index]) - len(boxes)
        return _ReadImage(image, (self._outside(index, outside),) if outside else (), placement)

    def write(self, item: _ReadImage) -> None:
        """Write the labels of an image that was read."""
        self._findings.extend(item.findings)
        if item.image is None:
            return
        self._writer.write(item.image)
        self._images[item.image.split or NO_SPLIT] += 1
        self._boxes += np.bincount(item.image.labels, minlength=len(self._boxes))
        self._placements[item.placement] += 1

    def require_images(self) -> None:
        """Check that something was written.

        Raises:
            BadInput: no image can be read.
        """
        if not self._placements:
            raise bad_input("convert.empty", "{path}: none of its images can be read.", path=self._dataset.root)

    def report(self) -> ConversionReport:
        """What was written."""
        images = {name: self._images[name] for name in (*SPLITS, NO_SPLIT) if name in SPLITS or self._images[name]}
        boxes = dict(zip(self._dataset.classes, self._boxes.tolist(), strict=True))
        return ConversionReport(self._target, images, boxes, dict(self._placements), tuple(self._findings))

    def _place_file(self, source: Path, file: str, *, ignores_exif: bool) -> Placement:
        if not file:
            return "refer"
        if ignores_exif and self._target.format == "yolo":
            # Its labels have no size to tell that they were drawn on the unrotated image.
            place_unrotated_image(source, self._aside / file)
            return "copy"
        return place_image(source, self._aside / file, self._target.images)

    def _outside(self, index: int, count: int) -> Finding:
        return finding(
            "warning",
            "label.outside_image",
            self._dataset.images[index],
            "{file}: boxes outside the image: {count}; left out.",
            count=count,
        )


@contextmanager
def _cancelling_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that start no other image once the conversion is cancelled."""
    pool = ThreadPoolExecutor()
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _written_aside(target: Target) -> Iterator[Path]:
    """A path beside the target's, which gets its name when the block is done, and is deleted if it fails or is interrupted."""
    path = target.path
    aside = path.with_name(temporary_name(path.name))
    try:
        if not target.is_single_file:
            aside.mkdir()
        yield aside
        if path.is_dir():
            path.rmdir()  # it is empty; Windows cannot rename onto it
        replace_file(aside, path)
    except BaseException:
        _delete(aside)
        raise


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _writer(dataset: Dataset, target: Target, aside: Path) -> DatasetWriter:
    if target.is_single_file:
        return CocoFileWriter(aside, dataset.classes, target.path.parent)
    match target.format:
        case "voc":
            return VocWriter(aside, dataset.classes)
        case "yolo":
            return YoloWriter(aside, dataset.classes, target.path)
        case "coco":
            return CocoWriter(aside, dataset.classes)
