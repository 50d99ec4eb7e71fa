"""One pass over the validation split: the loss whose trend says whether the network learns, and mAP where it is due."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import dataclass

import torch

from engine.dataset.images import UnreadableImage
from engine.dataset.loader import CachedImages, validation_batches
from engine.evaluation.evaluate import score_batch
from engine.evaluation.metrics import DetectionMetrics, Scores
from engine.network.decode import decode
from engine.recipe import Recipe
from engine.training.control import Control
from engine.training.learner import Learner
from engine.training.loss.losses import Terms


class StopRequested(Exception):
    """The control asked for a stop while something long was under way."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What a pass over the validation split found; None where there are no images, or mAP was not due."""

    loss: float | None
    scores: Scores | None
    skipped: tuple[UnreadableImage, ...]


@torch.inference_mode()
def validate(
    learner: Learner,
    images: CachedImages,
    recipe: Recipe,
    batch_size: int,
    *,
    with_map: bool,
    control: Control,
    most_batches: int | None = None,
) -> Validation:
    """Loss and, `with_map`, mAP over every validation image once (or over the first `most_batches` batches, to time it).

    Leaves the evaluated network in evaluation mode.

    Raises:
        StopRequested: `control` asked for a stop between two batches.
    """
    learner.evaluated.eval()
    scorer = DetectionMetrics(images.dataset.classes) if with_map else None
    terms: Terms | None = None
    skipped: list[UnreadableImage] = []
    batches = validation_batches(images, "val", recipe.input_shape, batch_size, recipe.num_workers)
    with closing(batches):
        for batch in itertools.islice(batches, most_batches):
            if control.stop_requested:
                raise StopRequested
            skipped.extend(batch.skipped)
            if not batch.indices:
                continue
            raw = learner.predict(batch.images)
            these = learner.loss.terms(raw, batch.targets.to(learner.device), training=False)
            terms = these if terms is None else terms + these
            if scorer is not None:
                score_batch(scorer, batch, decode(raw, learner.evaluated.levels, recipe.input_shape))
    if terms is None:
        return Validation(None, None, tuple(skipped))
    return Validation(terms.parts().total.item(), scorer.result() if scorer else None, tuple(skipped))
