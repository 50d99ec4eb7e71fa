"""Trained weights against the labels of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.dataset.images import UnreadableImage
from engine.dataset.index import Dataset
from engine.dataset.loader import Batch, CachedImages, validation_batches
from engine.evaluation.detect import EVALUATION_CONFIDENCE, detections
from engine.evaluation.metrics import DetectionMetrics, Scores
from engine.messages import bad_input, listed
from engine.network.decode import decode
from engine.network.precision import autocast, network_input
from engine.network.yolov4 import Detector
from engine.weights.native import WeightsInfo


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores, and the images that could not be read."""

    scores: Scores
    skipped: tuple[UnreadableImage, ...]


@torch.inference_mode()
def evaluate(
    network: Detector,
    info: WeightsInfo,
    dataset: Dataset,
    split: str,
    *,
    batch_size: int,
    device: torch.device,
    precision: str = "fp32",
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score `network` on every image of `split` once.

    Args:
        network: the weights to score, put into evaluation mode and onto `device`.
        info: what stands with those weights: their classes, input shape and preprocessing.
        dataset: its class names must all be among the weights'.
        split: train, val or test.
        batch_size: images at a time.
        device: where to compute.
        precision: fp32, bf16 or fp16.
        workers: threads that prepare images.
        progress: hears how many of how many images are done.

    Raises:
        BadInput: the split is empty, or the data set has classes that the weights do not know.
    """
    total = len(dataset.splits[split])
    if total == 0:
        raise bad_input("evaluate.empty_split", "--split {split}: the data set has no images in it.", split=split)
    numbers = _class_numbers(dataset, info.classes)
    network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    scorer = DetectionMetrics(info.classes)
    skipped: list[UnreadableImage] = []
    done = 0
    images = CachedImages(dataset)
    looked_at = validation_batches(images, split, info.input_shape, batch_size, workers, info.preprocessing)
    with closing(looked_at) as batches:
        for batch in batches:
            skipped.extend(batch.skipped)
            if batch.indices:
                with autocast(device, precision):
                    raw = network(network_input(batch.images, device))
                score_batch(scorer, batch, decode(raw, network.levels, info.input_shape), numbers)
            done += len(batch.indices) + len(batch.skipped)
            if progress is not None:
                progress(done, total)
    return Evaluation(scorer.result(), tuple(skipped))


def score_batch(
    scorer: DetectionMetrics, batch: Batch, decoded: Tensor, class_numbers: Sequence[int] | None = None
) -> None:
    """Hand the truth and the detections of a validation batch to `scorer`.

    Args:
        scorer: takes them in, in pixels of the original pictures.
        batch: as `validation_batches` makes it.
        decoded: (batch, rows, 5 + classes) as `decode` makes it.
        class_numbers: the scorer's number of each of the data set's classes; None where they are the same.
    """
    found = detections(decoded, confidence=EVALUATION_CONFIDENCE)
    translate = None if class_numbers is None else np.array(class_numbers, np.int32)
    for original, objects in zip(batch.originals, found, strict=True):
        labels = original.labels if translate is None else translate[original.labels]
        boxes = original.letterbox.back(objects.boxes, original.size)
        scorer.add(original.size, original.boxes, labels, replace(objects, boxes=boxes))


def _class_numbers(dataset: Dataset, classes: Sequence[str]) -> list[int]:
    """Where each of the data set's classes stands among the weights'."""
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise bad_input(
            "evaluate.classes",
            "The labels' classes {unknown} are not among the weights' ({known}); give a mapping with --map old=new.",
            unknown=listed(unknown),
            known=listed(classes),
        )
    return [classes.index(name) for name in dataset.classes]
