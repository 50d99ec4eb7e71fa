"""Evaluates trained weights on the labels of a split."""

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
from engine.evaluation.detect import EVALUATION_CONFIDENCE, Detections, TrueBoxes, non_max_suppression
from engine.evaluation.forward import InferenceNetwork
from engine.evaluation.metrics import DetectionMetrics, Scores
from engine.messages import bad_input, join_names
from engine.network.detector import Detector
from engine.weights.native import WeightsInfo


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores, and the images that could not be read. `metrics` has all detections, for further scores."""

    scores: Scores
    skipped: tuple[UnreadableImage, ...]
    metrics: DetectionMetrics


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What was detected in one image of a data set, and its labels; boxes in pixels of the image."""

    image_index: int
    detections: Detections
    truth: TrueBoxes


@torch.inference_mode()
def evaluate(
    network: Detector,
    info: WeightsInfo,
    dataset: Dataset,
    split: str,
    *,
    batch_size: int,
    device: torch.device,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
    on_image: Callable[[ImageResult], None] | None = None,
) -> Evaluation:
    """Compute the scores of `network` on every image of `split`, in fp32 as a training does (`Learner.predict`).

    Args:
        network: a copy of it computes.
        info: the classes, input shape and preprocessing of its weights.
        dataset: all of its class names must be among those of the weights.
        split: train, val or test.
        batch_size: images in a batch.
        device: where to compute.
        workers: threads that prepare images.
        progress: called with the number of images that are done and their total.
        on_image: called with the boxes of each image.

    Raises:
        BadInput: the split is empty, or the data set has classes that the weights do not have.
    """
    total = len(dataset.splits[split])
    if total == 0:
        raise bad_input("evaluate.empty_split", "--split {split}: the data set has no images in it.", split=split)
    class_numbers = _class_numbers(dataset, info.classes)
    inference = InferenceNetwork(network, info.input_shape, device)
    metrics = DetectionMetrics(info.classes)
    skipped: list[UnreadableImage] = []
    done = 0
    images = CachedImages(dataset)
    loader = validation_batches(
        images, split, info.input_shape, batch_size, workers, info.preprocessing, pinned=device.type == "cuda"
    )
    with closing(loader) as batches:
        for batch in batches:
            skipped.extend(batch.skipped)
            if batch.indices:
                results = score_batch(metrics, batch, inference(batch.images), class_numbers)
                if on_image is not None:
                    for result in results:
                        on_image(result)
            done += len(batch.indices) + len(batch.skipped)
            if progress is not None:
                progress(done, total)
    return Evaluation(metrics.result(), tuple(skipped), metrics)


def score_batch(
    metrics: DetectionMetrics, batch: Batch, decoded: Tensor, class_numbers: Sequence[int] | None = None
) -> list[ImageResult]:
    """Add the ground truth and the detections of a validation batch to `metrics`, in pixels of the original images.

    Args:
        metrics: gets one entry per image.
        batch: from `validation_batches`.
        decoded: (batch, rows, 5 + classes) from `Detector.decode`.
        class_numbers: for each class of the data set its number in `metrics`; None if they are the same.

    Returns:
        What was added, for each image.
    """
    renumber = None if class_numbers is None else np.array(class_numbers, np.int32)
    results = []
    detected = non_max_suppression(decoded, confidence=EVALUATION_CONFIDENCE)
    for index, truth, found in zip(batch.indices, batch.ground_truth, detected, strict=True):
        labels = truth.labels if renumber is None else renumber[truth.labels]
        detections = replace(found, boxes=truth.letterbox.to_original(found.boxes, truth.size))
        metrics.add(truth.size, truth.boxes, labels, detections)
        results.append(ImageResult(index, detections, TrueBoxes(truth.boxes, labels)))
    return results


def _class_numbers(dataset: Dataset, classes: Sequence[str]) -> list[int]:
    """The number of each of the data set's classes among those of the weights."""
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise bad_input(
            "evaluate.classes",
            "The labels' classes {unknown} are not among the weights' ({known}); give a mapping with --map old=new.",
            unknown=join_names(unknown),
            known=join_names(classes),
        )
    return [classes.index(name) for name in dataset.classes]
