"""Writes a data set as a clean one in another format, or in the same. The originals are never changed.

Everything is written beside its place and renamed when it is whole.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.dataset.image_pool import image_pool
from engine.dataset.image_size import SizeAsRead
from engine.dataset.images import clipped_boxes
from engine.dataset.index import Dataset, Finding, finding
from engine.dataset.readable_images import readable_images
from engine.dataset.split_checks import unreadable_split
from engine.dataset.splits import DEFAULT_SEED, SPLITS
from engine.dataset.writers.coco_writer import CocoFileWriter, CocoWriter
from engine.dataset.writers.file_names import FileNames
from engine.dataset.writers.image_placement import ImageMode, Placement, place_image, place_unrotated_image
from engine.dataset.writers.labelled_file import NO_SPLIT, DatasetWriter, LabelledFile
from engine.dataset.writers.split_shares import OWN, with_splits
from engine.dataset.writers.voc_writer import VocWriter
from engine.dataset.writers.yolo_writer import YoloWriter
from engine.files import disk_error, error_reason, make_folder, replace_file, temporary_name
from engine.messages import bad_input, did_you_mean

OutputFormat = Literal["voc", "yolo", "coco"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("voc", "yolo", "coco")
READ_ONLY_FORMATS = ("labelme", "csv", "list")
Progress = Callable[[int, int], None]
"""Takes the number of images that are done, and of all; may raise to cancel."""

_BATCH = 256
"""Images that are placed ahead."""


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
    if word in READ_ONLY_FORMATS:
        raise bad_input(
            "convert.read_only_format",
            "--to {word}: this format can be read, but not written; those to write are voc, yolo and coco.",
            word=word,
        )
    raise bad_input(
        "convert.format",
        "--to {word}: it is voc, yolo or coco{hint}",
        word=word,
        hint=did_you_mean(word, OUTPUT_FORMATS),
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
    dataset: Dataset,
    target: Target,
    *,
    split: str = OWN,
    seed: int = DEFAULT_SEED,
    on_read: Progress | None = None,
    on_written: Progress | None = None,
) -> ConversionReport:
    """Write `dataset` as `target`, without images that cannot be read.

    Args:
        dataset: the data set.
        target: a path that does not exist, or an empty folder.
        split: see `with_splits`; splits that were drawn are drawn again from the images that can be read.
        seed: draws them.
        on_read: called after each image is read.
        on_written: called after each image is written.

    Raises:
        BadInput: the path is taken or cannot be written, a class name does not fit the format, or no image can be read.
    """
    require_free(target)
    readable = readable_images(dataset, seed, on_read)
    if not readable.sizes:
        raise bad_input("convert.empty", "{path}: none of its images can be read.", path=dataset.root)
    original, dataset = dataset, with_splits(readable.dataset, split, seed)
    count = len(dataset.images)
    try:
        make_folder(target.path.parent)
        # Left in reverse order: no thread and no open file is left when the unfinished files are deleted.
        with (
            _written_aside(target) as aside,
            closing(_writer(dataset, target, aside)) as writer,
            image_pool() as pool,
        ):
            conversion = _Conversion(dataset, readable.sizes, target, aside, writer)
            for start in range(0, count, _BATCH):
                batch = [conversion.place(index) for index in range(start, min(start + _BATCH, count))]
                for done, placed in enumerate(pool.map(conversion.place_file, batch), start + 1):
                    conversion.write(placed)
                    if on_written is not None:
                        on_written(done, count)
            writer.finish()
    except OSError as error:
        raise disk_error(target.path, error) or bad_input(
            "convert.unwritable", "{path}: cannot be written ({reason}).", path=target.path, reason=error_reason(error)
        ) from error
    return conversion.report((*readable.findings, *_empty_splits(original, dataset)))


def _empty_splits(original: Dataset, written: Dataset) -> Iterator[Finding]:
    """A finding for each split of which nothing is left."""
    for name in SPLITS:
        if len(original.splits[name]) and not len(written.splits[name]):
            yield unreadable_split(original, name)


@dataclass(frozen=True, slots=True)
class _Place:
    """An image of the data set, and where it goes."""

    index: int
    split: str | None
    file: str
    """Relative to the written data set; "" where the original is not moved."""


@dataclass(frozen=True, slots=True)
class _PlacedImage:
    """An image that is in its place."""

    place: _Place
    placement: Placement


class _Conversion:
    """The state of a conversion. `place_file` may be called from any thread, the others from one."""

    def __init__(
        self, dataset: Dataset, sizes: Sequence[SizeAsRead], target: Target, aside: Path, writer: DatasetWriter
    ) -> None:
        self._dataset = dataset
        self._sizes = sizes
        self._target = target
        self._aside = aside
        self._writer = writer
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

    def place_file(self, place: _Place) -> _PlacedImage:
        """Copy or link an image to its place."""
        source = self._dataset.image_path(place.index)
        if not place.file:
            return _PlacedImage(place, "refer")
        if self._sizes[place.index].ignores_exif and self._target.format == "yolo":
            # Its labels have no size to tell that they were drawn on the unrotated image.
            place_unrotated_image(source, self._aside / place.file)
            return _PlacedImage(place, "copy")
        return _PlacedImage(place, place_image(source, self._aside / place.file, self._target.images))

    def write(self, item: _PlacedImage) -> None:
        """Write the labels of an image that is in its place."""
        dataset, index, split = self._dataset, item.place.index, item.place.split
        size = self._sizes[index]
        boxes, labels = clipped_boxes(dataset, index, (size.width, size.height))
        if outside := int(dataset.offsets[index + 1] - dataset.offsets[index]) - len(boxes):
            self._findings.append(self._outside(index, outside))
        self._writer.write(LabelledFile(item.place.file or str(dataset.image_path(index)), size, boxes, labels, split))
        self._images[split or NO_SPLIT] += 1
        self._boxes += np.bincount(labels, minlength=len(self._boxes))
        self._placements[item.placement] += 1

    def report(self, unreadable: Sequence[Finding]) -> ConversionReport:
        """What was written."""
        images = {name: self._images[name] for name in (*SPLITS, NO_SPLIT) if name in SPLITS or self._images[name]}
        boxes = dict(zip(self._dataset.classes, self._boxes.tolist(), strict=True))
        findings = (*unreadable, *self._findings)
        return ConversionReport(self._target, images, boxes, dict(self._placements), findings)

    def _outside(self, index: int, count: int) -> Finding:
        return finding(
            "warning",
            "label.outside_image",
            self._dataset.images[index],
            "{file}: boxes outside the image: {count}; left out.",
            count=count,
        )


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
