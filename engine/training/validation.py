"""One pass over the validation split: the loss, whose trend shows whether the network learns, and mAP when it is due."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import torch

from engine.dataset.images import UnreadableImage
from engine.dataset.loader import CachedImages, validation_batches
from engine.evaluation.evaluate import ImageResult, score_batch
from engine.evaluation.metrics import DetectionMetrics, Scores
from engine.recipe import Recipe
from engine.training.control import Control
from engine.training.learner import Learner
from engine.training.loss.losses import Terms


class StopRequested(Exception):
    """The control requested a stop during a training or validation."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """`loss` is None without validation images, `scores` if mAP was not due."""

    loss: float | None
    scores: Scores | None
    skipped: tuple[UnreadableImage, ...]
    samples: tuple[ImageResult, ...] = ()
    """Of the sample images, in the order in which they were requested."""


@torch.inference_mode()
def validate(
    learner: Learner,
    images: CachedImages,
    recipe: Recipe,
    batch_size: int,
    *,
    with_map: bool,
    control: Control,
    max_batches: int | None = None,
    sample_images: Sequence[int] = (),
) -> ValidationResult:
    """Loss and, `with_map`, mAP over every validation image once (or over the first `max_batches` batches, to time it).

    Leaves the evaluated network in eval mode. `with_map` also returns the boxes of `sample_images`, which are indices of the
    data set.

    Raises:
        StopRequested: `control` requested a stop between two batches.
    """
    network = learner.eval_network
    network.eval()
    metrics = DetectionMetrics(images.dataset.classes) if with_map else None
    total: Terms | None = None
    skipped: list[UnreadableImage] = []
    samples: dict[int, ImageResult] = {}
    batches = validation_batches(images, "val", recipe.input_shape, batch_size, recipe.num_workers)
    with closing(batches):
        for batch in itertools.islice(batches, max_batches):
            if control.stop_requested:
                raise StopRequested
            skipped.extend(batch.skipped)
            if not batch.indices:
                continue
            raw = learner.predict(batch.images)
            terms = learner.loss.terms(raw, batch.targets.to(learner.device), training=False)
            total = terms if total is None else total + terms
            if metrics is not None:
                results = score_batch(metrics, batch, network.decode(raw, recipe.input_shape))
                samples.update(
                    (result.image_index, result) for result in results if result.image_index in sample_images
                )
    if total is None:
        return ValidationResult(None, None, tuple(skipped))
    return ValidationResult(
        total.parts().total.item(),
        metrics.result() if metrics else None,
        tuple(skipped),
        tuple(samples[index] for index in sample_images if index in samples),
    )
