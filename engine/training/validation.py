"""One pass over the validation split: the loss, whose trend shows whether the network learns, and mAP when it is due."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import torch

from engine.dataset.images import UnreadableImage
from engine.dataset.index import Dataset
from engine.dataset.loader import Batch, CachedImages, Share, validation_batches
from engine.evaluation.evaluate import ImageResult, score_batch
from engine.evaluation.metrics import DetectionMetrics, Scores
from engine.parallel.group import SINGLE, ProcessGroup
from engine.recipe import Recipe
from engine.training.control import Control
from engine.training.learner import Learner
from engine.training.loss.terms import Terms
from engine.training.peers import guarded, on_first


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
    group: ProcessGroup = SINGLE,
) -> ValidationResult:
    """Loss and, `with_map`, mAP over every validation image once (or over the first `max_batches` batches, to time it).

    Leaves the evaluated network in eval mode. `with_map` also returns the boxes of `sample_images`, which are indices of the
    data set. Of several processes each takes every `world_size`th batch; all return the same.

    Args:
        learner: has the network.
        images: the data set.
        recipe: input shape and number of loader threads.
        batch_size: images in a batch of all processes.
        with_map: whether to compute mAP.
        control: may request a stop.
        max_batches: of this process.
        sample_images: indices of the data set.
        group: the processes that validate together.

    Raises:
        StopRequested: a stop was requested between two batches.
    """
    learner.eval_network.eval()
    own_size = max(1, batch_size // group.world_size)
    share = Share(group.rank, group.world_size)
    part = _Part(learner, images.dataset.classes, recipe.input_shape, with_map=with_map)
    pinned = learner.device.type == "cuda"
    batches = validation_batches(
        images, "val", recipe.input_shape, own_size, recipe.num_workers, share=share, pinned=pinned
    )
    rounds = math.ceil(len(images.dataset.splits["val"]) / (own_size * group.world_size))
    with closing(batches):
        for _ in range(rounds if max_batches is None else min(rounds, max_batches)):
            if group.agree((control.stop_requested,))[0]:
                raise StopRequested
            with guarded(group):
                if (batch := next(batches, None)) is not None:  # the last round may have none for this process
                    part.add(batch)
    parts = group.all_gather(part.content())
    totals = [content.total for content in parts if content.total is not None]
    skipped = tuple(image for content in parts for image in content.skipped)
    if not totals:
        return ValidationResult(None, None, skipped)
    results = {result.image_index: result for content in parts for result in content.results}
    return ValidationResult(
        _sum_terms(totals).parts().total.item(),
        on_first(group, lambda: _scores(part, parts, images.dataset)) if with_map else None,
        skipped,
        tuple(results[index] for index in sample_images if index in results),
    )


@dataclass(frozen=True, slots=True)
class _PartContent:
    """What one process found; on the CPU where there are several."""

    total: Terms | None
    skipped: tuple[UnreadableImage, ...]
    results: tuple[ImageResult, ...]
    sizes: tuple[tuple[int, int], ...]
    """(width, height) of the images of `results`."""


class _Part:
    """The batches of one process."""

    def __init__(
        self, learner: Learner, classes: Sequence[str], input_shape: tuple[int, int], *, with_map: bool
    ) -> None:
        self._learner = learner
        self._input_shape = input_shape
        self.metrics = DetectionMetrics(classes) if with_map else None
        self._total: Terms | None = None
        self._skipped: list[UnreadableImage] = []
        self._results: list[ImageResult] = []
        self._sizes: list[tuple[int, int]] = []

    def add(self, batch: Batch) -> None:
        """Compute loss and boxes of a batch."""
        self._skipped.extend(batch.skipped)
        if not batch.indices:
            return
        learner = self._learner
        raw = learner.predict(batch.images)
        terms = learner.loss.terms(raw, batch.targets.to(learner.device), training=False)
        self._total = terms if self._total is None else self._total + terms
        if self.metrics is not None:
            decoded = learner.eval_network.decode(raw, self._input_shape)
            self._results.extend(score_batch(self.metrics, batch, decoded))
            self._sizes.extend(truth.size for truth in batch.ground_truth)

    def content(self) -> _PartContent:
        """All of it."""
        total = None if self._total is None else self._total.cpu()
        return _PartContent(total, tuple(self._skipped), tuple(self._results), tuple(self._sizes))


def _sum_terms(totals: Sequence[Terms]) -> Terms:
    total, *others = totals
    for other in others:
        total = total + other
    return total


def _scores(part: _Part, parts: Sequence[_PartContent], dataset: Dataset) -> Scores:
    """Those of all images, in the order of the data set."""
    if len(parts) == 1 and part.metrics is not None:
        return part.metrics.result()
    found = {
        result.image_index: (size, result)
        for content in parts
        for size, result in zip(content.sizes, content.results, strict=True)
    }
    metrics = DetectionMetrics(dataset.classes)
    for index in dataset.splits["val"].tolist():
        if index in found:
            size, result = found[index]
            metrics.add(size, result.truth.boxes, result.truth.labels, result.detections)
    return metrics.result()
