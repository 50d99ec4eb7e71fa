"""Proposes labels for the images of a folder that have none, and says which images to label next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.dataset.formats.detect_format import READERS
from engine.dataset.formats.reading import Reading
from engine.dataset.images import UnreadableImage
from engine.dataset.near_duplicates import fingerprint
from engine.evaluation.detect import EVALUATION_CONFIDENCE, Detections, above
from engine.evaluation.inference import resolve_device
from engine.evaluation.labelling.doubt import Doubt, doubt_of
from engine.evaluation.labelling.folder_labels import FolderLabels, LabelFormat, LabelPlaces, data_root
from engine.evaluation.labelling.label_files import (
    PROPOSED_MARK,
    LabelFileWriter,
    ProposedList,
    VocLabelFiles,
    YoloLabelFiles,
    boxes_in_image,
)
from engine.evaluation.labelling.thresholds import Thresholds
from engine.evaluation.predict import default_threshold, predict
from engine.messages import BadInput, Message, gettext_noop
from engine.network.detector import Detector
from engine.weights.load import load_network
from engine.weights.native import WeightsInfo


@dataclass(frozen=True, slots=True)
class Proposed:
    """An image, and its label file that was written; None: nothing was found in the image, or a file was there."""

    image: Path
    label_file: Path | None
    boxes: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that gets no label file, and why."""

    image: Path
    message: Message


class LabelJob:
    """Loaded weights, and the images of a folder."""

    def __init__(self, weights: Path, labels: FolderLabels, *, thresholds: Thresholds, device: str) -> None:
        """Load the weights.

        Args:
            weights: the weights file.
            labels: the images.
            thresholds: smallest confidence of a proposed box.
            device: auto, cpu, cuda or mps.

        Raises:
            BadInput: the weights or the device cannot be used, or the weights lack a class of `thresholds`.
        """
        self._network: Detector
        self._info: WeightsInfo
        self._network, self._info = load_network(weights)
        self._device: torch.device = resolve_device(device)
        self._labels = labels
        self._thresholds = thresholds.of_classes(self._info.classes, default_threshold(self._info))

    @property
    def thresholds(self) -> dict[str, float]:
        """The smallest confidence of a proposed box of each class."""
        return {
            name: round(value, 4) for name, value in zip(self._info.classes, self._thresholds.tolist(), strict=True)
        }

    def propose(self, to: LabelFormat) -> tuple[list[Path], list[Skipped], Iterator[Proposed | UnreadableImage]]:
        """The images that are to be labelled, those that cannot be, and the work itself: each step writes one label file.

        Raises:
            BadInput: the data set has other classes than the weights, or its format cannot hold their names.
        """
        writer: LabelFileWriter
        writer = (VocLabelFiles if to == "voc" else YoloLabelFiles)(self._labels, self._info.classes)
        places = LabelPlaces(self._labels, to)
        open_images = [(image, places.of(image)) for image in self._labels.unlabelled()]
        open_images = [(image, file) for image, file in open_images if not _exists(file)]
        skipped = _skipped(open_images, writer)
        left_out = {item.image for item in skipped}
        files = {image: file for image, file in open_images if image not in left_out}
        return list(files), skipped, self._write(files, writer)

    def _write(self, files: dict[Path, Path], writer: LabelFileWriter) -> Iterator[Proposed | UnreadableImage]:
        for result in predict(
            self._network, self._info, list(files), threshold=float(self._thresholds.min()), device=self._device
        ):
            if isinstance(result, UnreadableImage):
                yield result
                continue
            height, width = result.pixels.shape[:2]
            found = boxes_in_image(self._sure(result.detections), (width, height), writer.digits)
            count = len(found.scores)
            is_written = count > 0 and writer.write(files[result.path], result.path, (width, height), found)
            yield Proposed(result.path, files[result.path] if is_written else None, count)

    def _sure(self, found: Detections) -> Detections:
        """The objects from the threshold of their class on."""
        return above(found, self._thresholds)

    def doubts(self, images: Sequence[Path]) -> Iterator[Doubt | UnreadableImage]:
        """How unsure the network is about each image."""
        for result in predict(self._network, self._info, images, threshold=EVALUATION_CONFIDENCE, device=self._device):
            if isinstance(result, UnreadableImage):
                yield result
                continue
            found = result.detections
            yield Doubt(
                result.path,
                doubt_of(found.scores, self._thresholds[found.labels]),
                len(self._sure(found).scores),
                fingerprint(result.pixels),
            )


def to_check_or_label(labels: FolderLabels) -> list[Path]:
    """The images without labels, and those whose labels are proposed."""
    proposed = is_proposed(labels)
    return [image for image in labels.images if image not in labels.label_of or proposed(image)]


def is_proposed(labels: FolderLabels) -> Callable[[Path], bool]:
    """Whether the labels of an image below the folder are marked as proposed."""
    try:
        listed = ProposedList(data_root(labels.folder))
    except BadInput:  # a file of that name which is something else
        listed = None
    return lambda image: (listed is not None and listed.lists(image)) or _is_marked(labels.label_of.get(image))


def in_no_split(folder: Path, to: LabelFormat, images: Sequence[Path]) -> int:
    """How many of `images` a training would not use, since the data set lists its images and these are in no list."""
    try:
        parsed = READERS[to](folder, Reading())
    except BadInput:
        return 0
    if parsed is None:
        return 0
    parsed.finish()
    used = {parsed.root / parsed.images[index] for part in parsed.splits.values() for index in part}
    return sum(image not in used for image in images) if used else 0


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _skipped(images: Sequence[tuple[Path, Path]], writer: LabelFileWriter) -> list[Skipped]:
    counts = Counter(file for _image, file in images)
    skipped = []
    for image, file in images:
        if writer.refuses(file):
            template = gettext_noop(
                "{image}: its label file would be {name}, which means something else; rename the image."
            )
        elif counts[file] > 1:
            template = gettext_noop(
                "{image}: another image would have the same label file, {name}; rename one of them."
            )
        else:
            continue
        skipped.append(Skipped(image, Message("label.name", template, {"image": image, "name": file.name})))
    return skipped


def _is_marked(label_file: Path | None) -> bool:
    """Whether a VOC file is marked as proposed."""
    if label_file is None or label_file.suffix.lower() != ".xml":
        return False
    try:
        with label_file.open("rb") as file:
            return PROPOSED_MARK.encode() in file.read(4096)
    except OSError:
        return False
