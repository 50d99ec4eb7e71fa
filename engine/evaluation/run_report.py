"""What came out of a run: its best weights scored, at work on pictures they never learned from, and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.dataset.index import with_splits
from engine.evaluation.evaluate import evaluate
from engine.evaluation.inference import device_named
from engine.evaluation.metrics import Scores
from engine.evaluation.predict import DEFAULT_THRESHOLD, Prediction, predict
from engine.evaluation.zero_map_checks import Check, Circumstances, checklist
from engine.messages import bad_input
from engine.plan import open_source
from engine.runs.folder import BEST_WEIGHTS, load_dataset_json, load_plan
from engine.weights.load import network_of_weights

MOST_PICTURES = 8
LEAST_SCORE = 0.01


@dataclass(frozen=True, slots=True)
class RunReport:
    """`split` was scored; `checks` are there where nothing was found."""

    split: str
    scores: Scores
    threshold: float
    predictions: tuple[Prediction, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """What the run's events tell: steps so far, those that are advised, whether only the freeze stage has run."""

    steps: int
    advised_steps: int | None
    frozen_only: bool


def run_report(run: Path, trained: Trained, progress: Callable[[int, int], None] | None = None) -> RunReport:
    """Score the best weights of a run on its validation images (or, without any, its training images).

    Raises:
        BadInput: there are no weights yet, or the data set is gone.
    """
    weights = run / BEST_WEIGHTS
    if not weights.is_file():
        raise bad_input(
            "outcome.no_weights",
            "{run}: no weights were saved yet; the first come after its first epoch.",
            run=run.name,
        )
    plan = load_plan(run)
    dataset = with_splits(open_source(plan.data, plan.recipe.seed), load_dataset_json(run))
    split = next((name for name in ("val", "test", "train") if len(dataset.splits[name])), "train")
    network, info = network_of_weights(weights)
    device = device_named(plan.device.partition(":")[0])
    batch = min(stage.batch_size for stage in plan.stages)
    evaluation = evaluate(network, info, dataset, split, batch_size=batch, device=device, progress=progress)
    # Pictures with many objects tell more than those with none.
    numbers = sorted(dataset.splits[split].tolist(), key=lambda image: -len(dataset.boxes_of(image)[1]))
    pictures = [dataset.path(image) for image in numbers[:MOST_PICTURES]]
    threshold = DEFAULT_THRESHOLD if info.threshold is None else info.threshold
    looked = predict(network, info, pictures, threshold=LEAST_SCORE, device=device, precision="fp32")
    seen = [found for found in looked if isinstance(found, Prediction)]
    best = max((float(one.found.scores[0]) for one in seen if len(one.found.scores)), default=None)
    certain = tuple(_above(one, threshold) for one in seen)
    checks: tuple[Check, ...] = ()
    if evaluation.scores.map50 == 0 or not any(len(one.found.scores) for one in certain):
        known = Circumstances(trained.steps, trained.advised_steps, trained.frozen_only, threshold, best)
        checks = checklist(known, dataset, info)
    return RunReport(split, evaluation.scores, threshold, certain, checks)


def _above(prediction: Prediction, threshold: float) -> Prediction:
    """The objects of at least that confidence."""
    found = prediction.found
    count = int((found.scores >= threshold).sum())  # the most confident stand first
    part = type(found)(found.boxes[:count], found.scores[:count], found.labels[:count])
    return Prediction(prediction.path, prediction.pixels, part, prediction.classes)
