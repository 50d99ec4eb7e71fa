"""The results of a run: the scores of its best weights, predictions on validation images, and checks if nothing is detected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.dataset.index import Dataset
from engine.dataset.stored_splits import restore_splits
from engine.evaluation.detect import Detections
from engine.evaluation.evaluate import evaluate
from engine.evaluation.inference import resolve_device
from engine.evaluation.metrics import Scores
from engine.evaluation.predict import DEFAULT_THRESHOLD, Prediction, predict
from engine.evaluation.zero_map_checks import Check, TrainingFacts, zero_map_checks
from engine.messages import bad_input
from engine.plan import DataSource, open_source
from engine.runs.folder import BEST_WEIGHTS, load_dataset_json, load_plan
from engine.weights.load import load_network

MAX_IMAGES = 8
MIN_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class RunReport:
    """The results on `split`; `checks` is empty if objects are detected."""

    split: str
    scores: Scores
    threshold: float
    predictions: tuple[Prediction, ...]
    checks: tuple[Check, ...]


def run_report(
    run: Path,
    training: TrainingFacts,
    progress: Callable[[int, int], None] | None = None,
    open_data: Callable[[DataSource, int], Dataset] = open_source,
) -> RunReport:
    """Evaluate the best weights of a run on its validation images (without any, on its test or training images).

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
    device = resolve_device(plan.device.partition(":")[0])
    batch_size = min(stage.batch_size for stage in plan.stages)
    evaluation = evaluate(network, info, dataset, split, batch_size=batch_size, device=device, progress=progress)
    # Images with many objects show more than those with none.
    indices = sorted(dataset.splits[split].tolist(), key=lambda index: -len(dataset.boxes_of(index)[1]))
    paths = [dataset.image_path(index) for index in indices[:MAX_IMAGES]]
    threshold = DEFAULT_THRESHOLD if info.threshold is None else info.threshold
    results = predict(network, info, paths, threshold=MIN_SCORE, device=device, precision="fp32")
    predictions = [result for result in results if isinstance(result, Prediction)]
    best_scores = [
        float(prediction.detections.scores[0]) for prediction in predictions if len(prediction.detections.scores)
    ]
    detected = tuple(_above(prediction, threshold) for prediction in predictions)
    checks: tuple[Check, ...] = ()
    if evaluation.scores.map50 == 0 or not any(len(prediction.detections.scores) for prediction in detected):
        checks = zero_map_checks(training, threshold, max(best_scores, default=None), dataset, info)
    return RunReport(split, evaluation.scores, threshold, detected, checks)


def _above(prediction: Prediction, threshold: float) -> Prediction:
    """The prediction with the objects of at least this confidence only."""
    detections = prediction.detections
    count = int((detections.scores >= threshold).sum())  # the scores are in descending order
    kept = Detections(detections.boxes[:count], detections.scores[:count], detections.labels[:count])
    return replace(prediction, detections=kept)
