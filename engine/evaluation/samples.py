"""The sample images of a run: what its network detects in a few fixed validation images, after each evaluation.

A run has them in `samples/epoch_001`, `epoch_002` and so on: the images as JPEG files with boxes drawn, true boxes thin, and in
samples.json the boxes themselves. Only a few epochs are kept.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from pydantic import BaseModel, Field, ValidationError

from engine.dataset.images import Pixels, UnreadableImage, read_image
from engine.dataset.index import Dataset
from engine.dataset.loader import CachedImages
from engine.evaluation.detect import Detections, TrueBoxes, strongest
from engine.evaluation.draw import draw_detections
from engine.evaluation.evaluate import ImageResult
from engine.evaluation.predict import Prediction
from engine.files import disk_error, read_text, remove_abandoned, temporary_name, write_text
from engine.messages import BadInput, bad_input, json_text
from engine.runs.folder import SAMPLES

MAX_SAMPLES = 4
KEPT_EPOCHS = 3
"""The last ones; the first and the best one are kept too."""
MAX_SIDE = 640
"""Pixels of the longer side of a sample image."""
JPEG_QUALITY = 80
"""Of 100. TensorBoard keeps the images of all epochs, so they are small."""
_MAX_CANDIDATES = 1000
_MAX_STEM_BYTES = 120
_INDEX = "samples.json"
_FOLDER = re.compile(r"epoch_(\d{1,9})")

_Corner = Annotated[float, Field(ge=-1e9, le=1e9)]
_Box = tuple[_Corner, _Corner, _Corner, _Corner]
_ClassNumber = Annotated[int, Field(ge=0, le=2**20)]


class _StoredSample(BaseModel):
    file: str
    image: str
    boxes: list[_Box]
    scores: list[Annotated[float, Field(ge=0, le=1)]]
    labels: list[_ClassNumber]
    true_boxes: list[_Box]
    true_labels: list[_ClassNumber]


class _StoredSamples(BaseModel):
    threshold: Annotated[float, Field(ge=0, le=1)]
    classes: list[str]
    samples: list[_StoredSample]


@dataclass(frozen=True, slots=True)
class Samples:
    """The sample images of one epoch; `threshold` is the confidence of the best F1 in that epoch."""

    epoch: int
    threshold: float
    images: tuple[Path, ...]
    """JPEG files with boxes drawn."""
    _classes: tuple[str, ...]
    _stored: tuple[_StoredSample, ...]

    def prediction(self, index: int) -> Prediction:
        """The detections and true boxes of one of the images, on the image of the data set.

        Raises:
            BadInput: the image cannot be read.
        """
        stored = self._stored[index]
        path = Path(stored.image)
        try:
            pixels = read_image(path)
        except UnreadableImage as error:
            raise BadInput(error.message) from error
        return Prediction(
            path,
            pixels,
            Detections(_boxes(stored.boxes), np.array(stored.scores, np.float32), np.array(stored.labels, np.int32)),
            self._classes,
            TrueBoxes(_boxes(stored.true_boxes), np.array(stored.true_labels, np.int32)),
        )


def pick_samples(dataset: Dataset, split: str = "val", count: int = MAX_SAMPLES) -> tuple[int, ...]:
    """Indices of images in `split` that together show as many classes as possible; always the same ones."""
    remaining = dataset.splits[split][:_MAX_CANDIDATES].tolist()
    classes = {index: frozenset(dataset.boxes_of(index)[1].tolist()) for index in remaining}
    seen: set[int] = set()
    picked: list[int] = []
    while remaining and len(picked) < count:
        best = max(remaining, key=lambda index: (len(classes[index] - seen), len(classes[index])))
        picked.append(best)
        seen |= classes[best]
        remaining.remove(best)
    return tuple(picked)


def read_predictions(images: CachedImages, samples: Sequence[ImageResult]) -> Iterator[Prediction]:
    """The samples with their pixels, without those that cannot be read."""
    dataset = images.dataset
    for sample in samples:
        with suppress(UnreadableImage):
            pixels = images.load(sample.image_index).pixels
            path = dataset.image_path(sample.image_index)
            yield Prediction(path, pixels, sample.detections, dataset.classes, sample.truth)


def save_samples(
    run: Path, epoch: int, best_epoch: int | None, threshold: float, predictions: Iterable[Prediction]
) -> None:
    """Write the sample images of `epoch`, and remove those of older epochs that are not kept.

    Where they cannot be written the training goes on without them, unless the disk is full.

    Raises:
        BadInput: the disk is full.
    """
    try:
        _save_folder(run / SAMPLES, epoch, threshold, tuple(predictions))
        _remove_old(run, epoch, best_epoch)
    except (OSError, BadInput) as error:
        full = disk_error(run, error)
        if full is not None and full.messages[0].code == "disk.full":
            raise full from error


def sample_epochs(run: Path) -> list[int]:
    """The epochs, counted from 0, of which a run has sample images, in ascending order."""
    with suppress(OSError):
        matches = (_FOLDER.fullmatch(folder.name) for folder in (run / SAMPLES).iterdir())
        return sorted(int(match[1]) - 1 for match in matches if match is not None)
    return []


def sample_folder(run: Path, epoch: int) -> Path:
    """The folder of the sample images of an epoch, counted from 0; its name counts from 1."""
    return run / SAMPLES / f"epoch_{epoch + 1:03d}"


def read_samples(run: Path, epoch: int) -> Samples:
    """The sample images of an epoch.

    Raises:
        BadInput: they were removed, or are damaged.
    """
    folder = sample_folder(run, epoch)
    try:
        stored = _StoredSamples.model_validate(json.loads(read_text(folder / _INDEX)))
        for sample in stored.samples:
            labels = (*sample.labels, *sample.true_labels)
            if len(sample.boxes) != len(sample.scores) or len(sample.boxes) != len(sample.labels):
                raise ValueError("boxes without a class")
            if len(sample.true_boxes) != len(sample.true_labels) or max(labels, default=-1) >= len(stored.classes):
                raise ValueError("a class without a name")
    except (ValidationError, ValueError, RecursionError) as error:
        raise bad_input(
            "samples.broken", "{path}: this is not a list of sample images.", path=folder / _INDEX
        ) from error
    files = tuple(folder / Path(sample.file).name for sample in stored.samples)
    return Samples(epoch, stored.threshold, files, tuple(stored.classes), tuple(stored.samples))


def _save_folder(folder: Path, epoch: int, threshold: float, predictions: Sequence[Prediction]) -> None:
    """Written under a temporary name first, so that a reader finds a whole folder or none."""
    if not predictions:
        return
    folder.mkdir(exist_ok=True)
    remove_abandoned(folder)
    target = sample_folder(folder.parent, epoch)
    temporary = folder / temporary_name(target.name)
    temporary.mkdir()
    try:
        stored = [_save_sample(temporary, number, threshold, p) for number, p in enumerate(predictions, 1)]
        content = _StoredSamples(threshold=threshold, classes=list(map(_plain, predictions[0].classes)), samples=stored)
        write_text(temporary / _INDEX, json_text(content.model_dump()) + "\n")
        if target.exists():  # of a training that was resumed before this epoch
            shutil.rmtree(target)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _save_sample(folder: Path, number: int, threshold: float, prediction: Prediction) -> _StoredSample:
    stem = prediction.path.stem.encode("utf-8", "ignore")[:_MAX_STEM_BYTES].decode("utf-8", "ignore")
    name = f"{number}_{stem}.jpg"
    pixels, scale = _shrink(prediction.pixels)
    found, truth = prediction.detections, prediction.truth
    shown, _ = strongest(found, threshold)
    drawn = draw_detections(
        pixels,
        Detections(shown.boxes * scale, shown.scores, shown.labels),
        prediction.classes,
        None if truth is None else TrueBoxes(truth.boxes * scale, truth.labels),
    )
    write_jpeg(folder / name, drawn)
    return _StoredSample(
        file=name,
        image=_plain(str(prediction.path)),
        boxes=found.boxes.astype(np.float64).round(2).tolist(),
        scores=np.clip(found.scores.astype(np.float64), 0, 1).round(6).tolist(),
        labels=found.labels.tolist(),
        true_boxes=[] if truth is None else truth.boxes.astype(np.float64).round(2).tolist(),
        true_labels=[] if truth is None else truth.labels.tolist(),
    )


def write_jpeg(path: Path, pixels: Pixels) -> None:
    """Write (height, width, 3) RGB. Not flushed to the disk: nothing depends on a sample image.

    Raises:
        OSError: it cannot be written.
    """
    _, content = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    path.write_bytes(content.tobytes())


def _shrink(pixels: Pixels) -> tuple[Pixels, np.float32]:
    """The image with at most MAX_SIDE pixels a side, and its scale."""
    height, width = pixels.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False), np.float32(scale)


def _remove_old(run: Path, epoch: int, best_epoch: int | None) -> None:
    """Keep the first, the best and the last ones. Folders of later epochs are those of a training that was resumed before them."""
    epochs = [saved for saved in sample_epochs(run) if saved <= epoch]
    kept = {*epochs[:1], best_epoch, *epochs[-KEPT_EPOCHS:]}
    for old in sample_epochs(run):
        if old not in kept:
            shutil.rmtree(sample_folder(run, old), ignore_errors=True)


def _plain(text: str) -> str:
    """The text without what UTF-8 cannot hold, such as the undecodable bytes of a file name."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _boxes(stored: Sequence[_Box]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(stored, np.float32).reshape(-1, 4)
