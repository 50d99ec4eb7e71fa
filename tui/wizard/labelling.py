"""Labels for new images with the weights of a run: what a folder holds, proposals, the images to label next, and the enlarged data set.

All of it is slow and runs in a thread; `progress` is called with what is done and the total (0: not known yet), and raises `LabellingStopped` to end the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.files import atomic_write
from engine.messages import BadInput, Message
from engine.runs.folder import load_dataset_json, load_plan

if TYPE_CHECKING:
    from engine.evaluation.labelling.enlarged_dataset import EnlargedDataset
    from engine.evaluation.labelling.folder_labels import FolderLabels
    from engine.evaluation.labelling.propose import LabelJob
    from engine.planning.request import DatasetReader
    from tui.wizard.stored_run import StoredRun

LabelFormat = Literal["voc", "yolo"]
FORMATS: tuple[LabelFormat, ...] = ("voc", "yolo")
PICKED = 50
"""So many images are listed to be labelled next."""
LABEL_NEXT = "label_next.txt"
"""The list of them, in the run folder."""
Progress = Callable[[int, int], None]


class LabellingStopped(Exception):
    """Raised by `progress`: the user has stopped the work."""


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A folder of images, and how its labels are to be written."""

    run: StoredRun
    folder: Path
    to: LabelFormat
    threshold: float | None
    """The minimum confidence of a box; None: that of the best F1 that is stored with the weights."""
    class_thresholds: Mapping[str, float]
    """Those of single classes."""


@dataclass(frozen=True, slots=True)
class FolderContent:
    """What is in a folder."""

    folder: Path
    images: int
    unlabelled: int
    own_format: str | None
    """Of the labels that are there; None: there are none."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """What became of the images without labels."""

    files: int
    boxes: int
    without_objects: int
    in_no_split: int
    """Images with new labels that the lists of the data set do not name."""
    problems: tuple[Message, ...]
    stopped: bool


@dataclass(frozen=True, slots=True)
class PickedImage:
    """An image to label next; `boxes` from the threshold on."""

    path: Path
    doubt: float
    boxes: int


@dataclass(frozen=True, slots=True)
class PickedImages:
    """Those of which the network is least sure first."""

    images: tuple[PickedImage, ...]
    candidates: int
    """Images without labels, and those with proposed ones."""


def read_folder(request: LabelRequest, progress: Progress) -> FolderContent:
    """What is in the folder.

    Raises:
        BadInput: it is no folder, or has no image.
    """
    labels = _read(request, progress)
    return FolderContent(labels.folder, len(labels.images), len(labels.unlabelled()), labels.format)


def propose_labels(request: LabelRequest, progress: Progress) -> Proposals:
    """Write label files for the images that have none. What is written stays if the work is stopped.

    Raises:
        BadInput: the labels there are in another format, or have other classes than the weights.
    """
    from engine.dataset.images import UnreadableImage
    from engine.evaluation.labelling.folder_labels import read_folder_labels
    from engine.evaluation.labelling.propose import in_no_split

    labels = read_folder_labels(request.folder, request.to, progress)
    images, skipped, results = _job(request, labels).propose(request.to)
    problems = [item.message for item in skipped]
    written, boxes, without_objects, stopped = [], 0, 0, False
    try:
        progress(0, len(images))
        for done, result in enumerate(results, start=1):
            if isinstance(result, UnreadableImage):
                problems.append(result.message)
            elif result.label_file is not None:
                written.append(result.image)
                boxes += result.boxes
            elif not result.boxes:
                without_objects += 1
            progress(done, len(images))
    except LabellingStopped:
        stopped = True
    unused = in_no_split(labels.folder, request.to, written) if written else 0
    return Proposals(len(written), boxes, without_objects, unused, tuple(problems), stopped)


def pick_images(request: LabelRequest, progress: Progress) -> PickedImages:
    """The images of which the network is least sure; a list of them is written into the run folder.

    Raises:
        BadInput: the folder or the weights cannot be read.
    """
    from engine.dataset.images import UnreadableImage
    from engine.evaluation.labelling.doubt import most_doubtful
    from engine.evaluation.labelling.propose import to_check_or_label

    labels = _read(request, progress)
    images = to_check_or_label(labels)
    doubts = []
    progress(0, len(images))
    for done, result in enumerate(_job(request, labels).doubts(images), start=1):
        if not isinstance(result, UnreadableImage):
            doubts.append(result)
        progress(done, len(images))
    picked = tuple(PickedImage(one.image, one.value, one.boxes) for one in most_doubtful(doubts, PICKED))
    if picked:
        lines = os.fsencode("".join(f"{image.path}\n" for image in picked))
        atomic_write(request.run.folder / LABEL_NEXT, lambda file: file.write(lines))
    return PickedImages(picked, len(doubts))


def enlarge_dataset(
    request: LabelRequest, workspace: Path, datasets: DatasetReader, progress: Progress
) -> EnlargedDataset:
    """Write the data set of the run with the labelled images of the folder as one data set.

    Raises:
        BadInput: there is no new labelled image, or an image of the run is gone.
    """
    from engine.dataset.stored_splits import restore_splits
    from engine.evaluation.labelling.enlarged_dataset import write_enlarged

    run = request.run.folder
    plan = load_plan(run)
    base = restore_splits(datasets.open(plan.data, plan.recipe.seed, progress), load_dataset_json(run))
    return write_enlarged(base, _read(request, progress), workspace, run.name, progress)


def _read(request: LabelRequest, progress: Progress) -> FolderLabels:
    """The labels in the folder, in their own format; where there are none, as those that are to be written."""
    from engine.evaluation.labelling.folder_labels import read_folder_labels

    labels = read_folder_labels(request.folder, None, progress)
    if labels.format is None:
        with suppress(BadInput):  # a label that is not a box of this format leaves the image without labels
            labels = read_folder_labels(request.folder, request.to, progress)
    return labels


def _job(request: LabelRequest, labels: FolderLabels) -> LabelJob:
    from engine.evaluation.labelling.propose import LabelJob
    from engine.evaluation.labelling.thresholds import Thresholds

    thresholds = Thresholds(request.threshold, request.class_thresholds)
    return LabelJob(request.run.best_weights, labels, thresholds=thresholds, device="auto")
