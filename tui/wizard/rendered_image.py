"""An image with its detections and its labels, rendered for a terminal. Imports OpenCV only where it renders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.messages import printable

if TYPE_CHECKING:
    from engine.evaluation.detect import Detections, TrueBoxes
    from engine.evaluation.mistakes import Kind, Matches, Mistakes
    from engine.evaluation.predict import Prediction
    from engine.evaluation.thumbnail import Thumbnail

PredictImage = Callable[[int], "Prediction"]
"""Index of an image -> what the weights detect in it. Called in a thread; may raise BadInput."""

WRONG_MARK = "× "
"""Before the class of a wrong detection, or of an object that was not found. Fonts that have Chinese letters have it too."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """The image of number `index` with its boxes from `threshold` on; sizes in pixels of the terminal."""

    predict: PredictImage
    index: int
    threshold: float
    max_width: int
    max_height: int
    text_size: int | None
    kind: Kind | None
    """Only mistakes of this kind have a text; None: all boxes have one."""


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """The detections, and the labels if there are any."""

    detected: Thumbnail
    labelled: Thumbnail | None
    shown: int
    """Boxes that are drawn; `weaker` more have the confidence too."""
    weaker: int
    mistakes: Mistakes | None


def render_detections(request: RenderRequest) -> RenderedImage:
    """Both images.

    Raises:
        BadInput: the image cannot be read.
    """
    from engine.evaluation.detect import strongest
    from engine.evaluation.mistakes import match_boxes
    from engine.evaluation.thumbnail import thumbnail

    prediction = request.predict(request.index)
    shown, weaker = strongest(prediction.detections, request.threshold)
    classes, name = prediction.classes, printable(prediction.path.name)
    size = request.max_width, request.max_height
    truth = prediction.truth
    matches = None if truth is None else match_boxes(prediction.detections, truth, request.threshold)
    detected = thumbnail(
        prediction.pixels,
        shown.boxes,
        shown.labels,
        classes,
        *size,
        name=name,
        texts=_detected_texts(shown, classes, matches, request.kind),
        text_size=request.text_size,
    )
    if truth is None or matches is None:
        return RenderedImage(detected, None, len(shown.scores), weaker, None)
    labelled = thumbnail(
        prediction.pixels,
        truth.boxes,
        truth.labels,
        classes,
        *size,
        name=name,
        texts=_label_texts(truth, classes, matches, request.kind),
        text_size=request.text_size,
    )
    return RenderedImage(detected, labelled, len(shown.scores), weaker, matches.count_mistakes())


def _detected_texts(
    shown: Detections, classes: tuple[str, ...], matches: Matches | None, kind: Kind | None
) -> list[str]:
    """Class and confidence of each box, with a mark if it is wrong; nothing beside a box that is no mistake of `kind`."""
    kinds = [None] * len(shown.scores) if matches is None else matches.kinds[: len(shown.scores)]
    return [
        f"{'' if own is None else WRONG_MARK}{classes[label]} {score:.2f}" if kind is None or own == kind else ""
        for label, score, own in zip(shown.labels.tolist(), shown.scores.tolist(), kinds, strict=True)
    ]


def _label_texts(truth: TrueBoxes, classes: tuple[str, ...], matches: Matches, kind: Kind | None) -> list[str]:
    """The class of each box, with a mark if it was not found; nothing beside a found one where only missed ones are to be seen."""
    found = set(matches.found.tolist())
    return [
        f"{'' if index in found else WRONG_MARK}{classes[label]}" if missed or kind != "missed" else ""
        for index, (label, missed) in enumerate(zip(truth.labels.tolist(), matches.missed.tolist(), strict=True))
    ]
