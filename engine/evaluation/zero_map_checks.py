"""Checks why weights detect (nearly) nothing: everything that can be the reason, with what is known about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.dataset.index import Dataset
from engine.messages import Message
from engine.weights.native import WeightsInfo

NEARLY_ZERO_MAP = 0.05
"""With a lower mAP50 the reason is looked for."""
MIN_SIZE_RATIO = 0.5
"""A box is too small if its longer side is less than this fraction of the smallest anchor's longer side."""
MAX_SMALL_BOXES = 0.2
"""A larger share of too small boxes may be the reason."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; `suspect`: this may be the reason."""

    suspect: bool
    message: Message


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What the events of a run tell: optimizer steps so far, the advised number, whether only the freeze stage has run."""

    steps: int
    advised_steps: int | None
    frozen_only: bool


def zero_map_checks(
    training: TrainingFacts, threshold: float, best_score: float | None, dataset: Dataset, info: WeightsInfo
) -> tuple[Check, ...]:
    """All checks, the most common reason first.

    Args:
        training: the run that trained the weights.
        threshold: the confidence from which an object counts as detected.
        best_score: the highest confidence of any prediction; None without predictions.
        dataset: the data set of the run.
        info: what is stored with the weights.
    """
    return (
        *_check_training(training),
        _check_threshold(threshold, best_score),
        *_check_classes(dataset, info),
        *_check_box_sizes(dataset, info),
    )


def _check_training(training: TrainingFacts) -> Iterator[Check]:
    if training.advised_steps is None:
        yield Check(False, Message("nothing.steps", "{steps} steps so far.", {"steps": training.steps}))
    else:
        yield Check(
            training.steps < training.advised_steps,
            Message(
                "nothing.few_steps",
                "{steps} steps so far; {advised} or more are advised.",
                {"steps": training.steps, "advised": training.advised_steps},
            ),
        )
    if training.frozen_only:
        yield Check(
            True,
            Message(
                "nothing.frozen", "Only the freeze stage has run: the backbone was not trained on your images yet."
            ),
        )
    else:
        yield Check(False, Message("nothing.unfrozen", "All layers were trained, the backbone too."))


def _check_threshold(threshold: float, best_score: float | None) -> Check:
    values = {"threshold": f"{threshold:.2f}"}
    if best_score is None:
        return Check(
            False, Message("nothing.no_score", "Threshold {threshold}; no box has a score above 0.01.", values)
        )
    return Check(
        best_score < threshold,
        Message(
            "nothing.threshold",
            "Threshold {threshold}; the best score of any box is {score}.",
            {**values, "score": f"{best_score:.2f}"},
        ),
    )


def _check_classes(dataset: Dataset, info: WeightsInfo) -> Iterator[Check]:
    yield Check(
        not set(dataset.classes) <= set(info.classes),
        Message("nothing.classes", "The weights detect: {classes}.", {"classes": ", ".join(info.classes)}),
    )
    empty = [name for name, count in dataset.box_counts().items() if count == 0]
    if empty:
        yield Check(
            True,
            Message("nothing.class_empty", "No label has these classes: {classes}.", {"classes": ", ".join(empty)}),
        )


def _check_box_sizes(dataset: Dataset, info: WeightsInfo) -> Iterator[Check]:
    if not info.all_anchors:
        return
    smallest = min(max(anchor) for anchor in info.all_anchors)
    sides = _longer_sides(dataset, info.input_shape)
    share = float(np.mean(sides < MIN_SIZE_RATIO * smallest)) if len(sides) else 0.0
    yield Check(
        share > MAX_SMALL_BOXES,
        Message(
            "nothing.small_boxes",
            "{percent} % of the boxes are too small for the anchors at this input size ({height}x{width}). A larger input_shape "
            "helps, or anchors that fit these boxes.",
            {"percent": f"{share * 100:.0f}", "height": info.input_shape[0], "width": info.input_shape[1]},
        ),
    )


def _longer_sides(dataset: Dataset, input_shape: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(boxes,) the longer side of each box in pixels of an input of height, width; boxes of unknown scale are left out."""
    sides = (dataset.boxes[:, 2:] - dataset.boxes[:, :2]).astype(np.float64)
    sizes = np.repeat(dataset.sizes, np.diff(dataset.offsets), axis=0).astype(np.float64)
    if dataset.unit == "fraction":
        known = np.all(sizes > 0, axis=1)
        # If the labels do not tell the size of an image, assume the shape of the input.
        sizes = np.where(known.reshape(-1, 1), sizes, np.array([input_shape[1], input_shape[0]], np.float64))
        sides = sides * sizes
    known = np.all(sizes > 0, axis=1)
    scale = np.minimum(input_shape[1] / sizes[known, 0], input_shape[0] / sizes[known, 1])
    longer: np.ndarray[tuple[int], np.dtype[np.float64]] = sides[known].max(axis=1) * scale
    return longer
