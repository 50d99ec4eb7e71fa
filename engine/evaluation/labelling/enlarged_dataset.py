"""The data set of a run and newly labelled images as one data set, in which the new ones are training images.

Validation and test images stay those of the run, so that scores can be compared: measured on its own proposals, a network is always right.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats import open_dataset
from engine.dataset.image_size import read_image_size
from engine.dataset.images import UnreadableImage
from engine.dataset.index import Dataset
from engine.dataset.splits import SPLITS
from engine.dataset.writers.convert import Target, convert_dataset
from engine.evaluation.labelling.folder_labels import FolderLabels
from engine.evaluation.labelling.propose import is_proposed
from engine.messages import bad_input

ENLARGED = "enlarged"
"""The folder in a workspace."""
Progress = Callable[[int, int], None]
"""Takes the number of images that are done, and of all; may raise to cancel."""


@dataclass(frozen=True, slots=True)
class EnlargedDataset:
    """Where it was written; the number of training images that are new, and how many of them have labels that are only proposed."""

    folder: Path
    added: int
    proposed: int


def write_enlarged(
    base: Dataset, labels: FolderLabels, workspace: Path, name: str, progress: Progress | None = None
) -> EnlargedDataset:
    """Write one COCO data set, whose images stay where they are.

    Args:
        base: the data set of a run, with the splits of the run.
        labels: the folder with new images; those with labels that are in no split of `base` become training images.
        workspace: gets the data set, in a new folder.
        name: of the new folder; with a number where it is taken.
        progress: called after each image that is read.

    Raises:
        BadInput: there is no new image with labels, or the data set cannot be written.
    """
    added = open_dataset(labels.folder, format=labels.format or "auto")
    new = _new_images(base, added, labels)
    if not new:
        raise bad_input(
            "label.nothing_new",
            "{path}: there is no labelled image in this folder that the run was not trained or measured on; propose labels first.",
            path=labels.folder,
        )
    folder = _free_folder(workspace / ENLARGED / name)
    convert_dataset(_merged(base, added, new), Target("coco", folder, "refer"), on_read=progress)
    named = {_identity(image): image for image in labels.label_of}
    proposed = is_proposed(labels)
    marked = sum(proposed(named[_identity(added.image_path(index))]) for index in new)
    return EnlargedDataset(folder, len(new), marked)


def _new_images(base: Dataset, added: Dataset, labels: FolderLabels) -> list[int]:
    """The images of `added` that have labels and are in no split of `base`."""
    known = {_identity(base.image_path(int(index))) for name in SPLITS for index in base.splits[name]}
    labelled = {_identity(image) for image in labels.label_of}
    paths = [_identity(added.image_path(index)) for index in range(len(added.images))]
    return [index for index, path in enumerate(paths) if path in labelled and path not in known]


def _merged(base: Dataset, added: Dataset, new: Sequence[int]) -> Dataset:
    """The images in the splits of `base`, and those of the indices `new` of `added` as further training images."""
    kept = sorted({int(index) for name in SPLITS for index in base.splits[name]})
    base, added = _only(base, kept), _only(added, new)
    if base.unit != added.unit:
        base, added = _in_pixels(base), _in_pixels(added)
    classes = (*base.classes, *(name for name in added.classes if name not in base.classes))
    ids = np.array([classes.index(name) for name in added.classes], np.int32)
    count = len(base.images)
    train = np.concatenate((base.splits["train"], np.arange(count, count + len(added.images), dtype=np.int32)))
    splits = {**base.splits, "train": train}
    return replace(
        base,
        classes=classes,
        images=tuple(str(one.image_path(index)) for one in (base, added) for index in range(len(one.images))),
        sizes=np.concatenate((base.sizes, added.sizes)),
        boxes=np.concatenate((base.boxes, added.boxes)),
        labels=np.concatenate((base.labels, ids[added.labels])),
        offsets=np.concatenate((base.offsets, base.offsets[-1] + added.offsets[1:])),
        splits=splits,
        own_splits=splits,
        splits_drawn=False,
        findings=(),
        books={},
    )


def _only(dataset: Dataset, kept: Sequence[int]) -> Dataset:
    """The images `kept` (ascending indices), in the splits that they are in now."""
    return replace(dataset, splits_drawn=False).with_images(kept, 0)


def _in_pixels(dataset: Dataset) -> Dataset:
    """The same boxes in pixels. An image that cannot be read keeps its fractions: it is left out when the data set is written."""
    if dataset.unit == "pixel":
        return dataset
    boxes: NDArray[np.float32] = dataset.boxes.copy()
    for index in range(len(dataset.images)):
        width, height = dataset.sizes[index].tolist()
        part = slice(dataset.offsets[index], dataset.offsets[index + 1])
        try:
            size = read_image_size(dataset.image_path(index), (width, height))
        except UnreadableImage:
            continue
        # Fractions of single precision miss whole pixels by less than a thousandth.
        boxes[part] = np.round(boxes[part] * np.array([*size[:2], *size[:2]], np.float32), 3)
    return replace(dataset, boxes=boxes, unit="pixel")


def _identity(path: Path) -> str:
    return os.path.realpath(path)


def _free_folder(folder: Path) -> Path:
    numbered = (folder.with_name(f"{folder.name}_{number}") for number in range(2, 100_000))
    return folder if not os.path.lexists(folder) else next(path for path in numbered if not os.path.lexists(path))
