"""The checklist for weights that find nothing: what is known, and what of it may be the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.dataset.index import Dataset
from engine.messages import Message
from engine.weights.native import WeightsInfo

TOO_SMALL = 0.5
"""A box is too small where its longer side is less than so much of the smallest anchor's longer side."""
MANY = 0.2


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist; `suspect`: this may be the reason."""

    suspect: bool
    message: Message


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a training besides its data and weights. `best_score` is the highest confidence seen anywhere."""

    steps: int
    advised_steps: int | None
    frozen_only: bool
    threshold: float
    best_score: float | None


def checklist(known: Circumstances, dataset: Dataset, info: WeightsInfo) -> tuple[Check, ...]:
    """Everything that keeps weights from finding anything, looked at in the order in which it usually is the reason."""
    return (*_training(known), _threshold(known), *_classes(dataset, info), _box_sizes(dataset, info))


def _training(known: Circumstances) -> Iterator[Check]:
    if known.advised_steps is None:
        yield Check(False, Message("nothing.steps", "{steps} steps so far.", {"steps": known.steps}))
    else:
        yield Check(
            known.steps < known.advised_steps,
            Message(
                "nothing.few_steps",
                "{steps} steps so far; {advised} or more are advised.",
                {"steps": known.steps, "advised": known.advised_steps},
            ),
        )
    if known.frozen_only:
        yield Check(
            True,
            Message("nothing.frozen", "Only the freeze stage has run: the backbone does not know your pictures yet."),
        )
    else:
        yield Check(False, Message("nothing.unfrozen", "Everything was trained, the backbone too."))


def _threshold(known: Circumstances) -> Check:
    values = {"threshold": f"{known.threshold:.2f}"}
    if known.best_score is None:
        return Check(
            False, Message("nothing.no_score", "Threshold {threshold}; no box scores above 0.01 at all.", values)
        )
    return Check(
        known.best_score < known.threshold,
        Message(
            "nothing.threshold",
            "Threshold {threshold}; the best score anywhere is {score}.",
            {**values, "score": f"{known.best_score:.2f}"},
        ),
    )


def _classes(dataset: Dataset, info: WeightsInfo) -> Iterator[Check]:
    yield Check(
        not set(dataset.classes) <= set(info.classes),
        Message("nothing.classes", "It looks for: {classes}.", {"classes": ", ".join(info.classes)}),
    )
    empty = [name for name, count in dataset.box_counts().items() if count == 0]
    if empty:
        yield Check(
            True,
            Message("nothing.class_empty", "No label has these classes: {classes}.", {"classes": ", ".join(empty)}),
        )


def _box_sizes(dataset: Dataset, info: WeightsInfo) -> Check:
    """Boxes as they are in the input, where its size is known from the labels, else from fractions of a whole input."""
    smallest = min(max(anchor) for anchor in info.all_anchors)
    sides = longest_sides(dataset, info.input_shape)
    share = float(np.mean(sides < TOO_SMALL * smallest)) if len(sides) else 0.0
    return Check(
        share > MANY,
        Message(
            "nothing.small_boxes",
            "{percent} % of the boxes are too small for the anchors at this input size ({height}x{width}); a larger input_shape "
            "or anchors of your own (freezetui data anchors) help.",
            {"percent": f"{share * 100:.0f}", "height": info.input_shape[0], "width": info.input_shape[1]},
        ),
    )


def longest_sides(dataset: Dataset, input_shape: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(boxes,) the longer side of each box in pixels of an input of height, width; boxes of unknown scale are left out."""
    sides = (dataset.boxes[:, 2:] - dataset.boxes[:, :2]).astype(np.float64)
    sizes = np.repeat(dataset.sizes, np.diff(dataset.first), axis=0).astype(np.float64)
    if dataset.unit == "fraction":
        known = np.all(sizes > 0, axis=1)
        # A picture whose size the labels do not tell is taken to be of the input's own shape.
        sizes = np.where(known.reshape(-1, 1), sizes, np.array([input_shape[1], input_shape[0]], np.float64))
        sides = sides * sizes
    known = np.all(sizes > 0, axis=1)
    scale = np.minimum(input_shape[1] / sizes[known, 0], input_shape[0] / sizes[known, 1])
    longest: np.ndarray[tuple[int], np.dtype[np.float64]] = sides[known].max(axis=1) * scale
    return longest
