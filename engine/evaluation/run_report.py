"""The results of a run: the scores of its best weights, predictions on validation images, and checks if nothing is detected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.dataset.images import UnreadableImage, load_image
from engine.dataset.index import Dataset
from engine.dataset.stored_splits import restore_splits
from engine.evaluation.analysis import ImageMistakes, analyse
from engine.evaluation.evaluate import ImageResult, evaluate
from engine.evaluation.inference import resolve_device
from engine.evaluation.metrics import Details, Scores
from engine.evaluation.mistakes import Kind, Mistakes
from engine.evaluation.predict import Prediction
from engine.evaluation.zero_map_checks import NEARLY_ZERO_MAP, Check, TrainingFacts, zero_map_checks
from engine.messages import BadInput, bad_input
from engine.network.precision import cpu_threads
from engine.plan import DataSource, open_source
from engine.runs.folder import BEST_WEIGHTS, load_dataset_json, load_plan
from engine.weights.load import load_network

MAX_IMAGES = 200
"""More images than anybody looks at would only take memory."""
MAX_SAMPLES = 6


@dataclass(frozen=True, slots=True)
class RunReport:
    """The results on `split`; `checks` is empty unless (nearly) nothing is detected."""

    split: str
    scores: Scores
    images: tuple[ImageResult, ...]
    """The worst first, see `Analysis.images`."""
    checks: tuple[Check, ...]
    samples: tuple[ImageResult, ...]
    """Images evenly spaced over the split, whatever was detected in them."""
    mistakes: Mistakes
    """In all images of the split, at `threshold`."""
    kinds: Mapping[Kind, int]
    """How many mistakes of each kind these are."""
    details: Details
    """The curves."""
    confusion: NDArray[np.int64]
    """See `confusion_matrix`."""
    _dataset: Dataset
    _classes: tuple[str, ...]
    images_by_kind: Mapping[Kind, tuple[ImageResult, ...]] = field(default_factory=dict)
    """For each kind of mistake that was made the images with it; those with the most first."""

    @property
    def threshold(self) -> float:
        """The confidence from which an object counts as detected: that of the best F1."""
        return self.scores.threshold

    def class_thresholds(self) -> dict[str, float]:
        """The confidence of the best F1 of each class; that of all for a class of which nothing is found."""
        best = {name: details.best_threshold for name, details in self.details.per_class.items()}
        return {name: self.threshold if value is None else value for name, value in best.items()}

    def prediction(self, index: int) -> Prediction:
        """One of `images` with its pixels. All detections with a confidence of 0.01 or more are in it.

        Raises:
            BadInput: the image cannot be read any more.
        """
        return self.prediction_of(self.images[index])

    def prediction_of(self, result: ImageResult) -> Prediction:
        """One of `images` or `samples` with its pixels; see `prediction`."""
        try:
            pixels = load_image(self._dataset, result.image_index).pixels
        except UnreadableImage as error:
            raise BadInput(error.message) from error
        path = self._dataset.image_path(result.image_index)
        return Prediction(path, pixels, result.detections, self._classes, result.truth)


def run_report(
    run: Path,
    training: TrainingFacts,
    progress: Callable[[int, int], None] | None = None,
    open_data: Callable[[DataSource, int], Dataset] = open_source,
) -> RunReport:
    """Evaluate the best weights of a run on its validation images (without any, on its test or training images).

    The scores are those of the training but for rounding: here batch norm is folded into the convolutions.

    Args:
        run: the run folder.
        training: what is known about its training.
        progress: called with the number of images that are evaluated, and of all images.
        open_data: opens the data set; a caller that has read the labels already passes its own.

    Raises:
        BadInput: there are no weights yet, or the data set does not exist any more.
    """
    weights = run / BEST_WEIGHTS
    if not weights.is_file():
        raise bad_input(
            "outcome.no_weights",
            "{run}: no weights were saved yet; the first are saved after the first epoch.",
            run=run.name,
        )
    plan = load_plan(run)
    dataset = restore_splits(open_data(plan.data, plan.recipe.seed), load_dataset_json(run))
    split = next((name for name in ("val", "test", "train") if len(dataset.splits[name])), "train")
    network, info = load_network(weights)
    images: list[ImageResult] = []
    with cpu_threads(plan.threads):
        evaluation = evaluate(
            network,
            info,
            dataset,
            split,
            batch_size=min(stage.batch_size for stage in plan.stages),
            device=resolve_device(plan.device.partition(":")[0]),
            progress=progress,
            on_image=images.append,
        )
    scores = evaluation.scores
    spaced = np.linspace(0, len(images) - 1, min(len(images), MAX_SAMPLES)).round().astype(int).tolist()
    analysis = analyse(scores, evaluation.metrics.details(), dataset, split, images, evaluation.skipped)
    best = max((float(image.detections.scores[0]) for image in images if len(image.detections.scores)), default=None)
    checks: tuple[Check, ...] = ()
    if scores.map50 < NEARLY_ZERO_MAP or best is None or best < scores.threshold:
        checks = zero_map_checks(training, scores.threshold, best, dataset, info)
    return RunReport(
        split=split,
        scores=scores,
        images=tuple(image.result for image in analysis.images[:MAX_IMAGES]),
        checks=checks,
        samples=tuple(images[number] for number in spaced),
        mistakes=analysis.mistakes,
        kinds=analysis.kinds,
        details=analysis.details,
        confusion=analysis.confusion,
        _dataset=dataset,
        _classes=info.classes,
        images_by_kind=_images_by_kind(analysis.images),
    )


def _images_by_kind(images: Sequence[ImageMistakes]) -> dict[Kind, tuple[ImageResult, ...]]:
    """`images` with the worst first; at most MAX_IMAGES of a kind, those with the most of it first."""
    by_kind = {}
    for kind in Kind:
        ranked = sorted((image for image in images if image.kinds.get(kind)), key=lambda image: -image.kinds[kind])
        if ranked:
            by_kind[kind] = tuple(image.result for image in ranked[:MAX_IMAGES])
    return by_kind
