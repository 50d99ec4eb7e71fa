"""Images of a run's results for a report: small JPEG files, and the boxes in their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.evaluation.colours import Colour, colour_of
from engine.evaluation.detect import strongest
from engine.evaluation.mistakes import Kind, Mistakes, match_boxes
from engine.evaluation.predict import Prediction

MAX_SIDE = 480
"""Pixels of the longer side: half the width of a printed page at about 130 dots per inch."""
JPEG_QUALITY = 80
"""Of 100."""


@dataclass(frozen=True, slots=True)
class ReportBox:
    """A box x1 y1 x2 y2 in pixels of the JPEG. `mistake`: why a detection is wrong, or that a true box was not found.

    `confidence`: of a detection; None for a true box.
    """

    corners: tuple[float, float, float, float]
    class_name: str
    colour: Colour
    mistake: Kind | None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class ReportImage:
    """An image of `width` x `height` pixels with the boxes of its labels and its detections from the threshold on."""

    name: str
    jpeg: bytes
    width: int
    height: int
    true_boxes: tuple[ReportBox, ...]
    detected_boxes: tuple[ReportBox, ...]
    """The most confident first; only so many as can be drawn."""
    mistakes: Mistakes


def report_image(prediction: Prediction, threshold: float) -> ReportImage:
    """One image of a report. `prediction` has its labels; `threshold` is the confidence from which an object counts."""
    if prediction.truth is None:
        raise ValueError("an image without labels has no mistakes")
    height, width = prediction.pixels.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(prediction.pixels, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    shown, _ = strongest(prediction.detections, threshold)
    truth = prediction.truth
    matches = match_boxes(prediction.detections, truth, threshold)
    is_found = np.isin(np.arange(len(truth.labels)), matches.found).tolist()
    true_boxes = _boxes(truth.boxes * scale, truth.labels, prediction.classes)
    detected = _boxes(shown.boxes * scale, shown.labels, prediction.classes)
    return ReportImage(
        name=prediction.path.name,
        jpeg=content.tobytes(),
        width=size[0],
        height=size[1],
        true_boxes=tuple(
            ReportBox(*box, None if found else Kind.MISSED) for box, found in zip(true_boxes, is_found, strict=True)
        ),
        # More may be detected than shown.
        detected_boxes=tuple(
            ReportBox(*box, kind, score)
            for box, score, kind in zip(detected, shown.scores.tolist(), matches.kinds, strict=False)
        ),
        mistakes=matches.count_mistakes(),
    )


def _boxes(
    boxes: NDArray[np.float32], labels: NDArray[np.int32], classes: tuple[str, ...]
) -> list[tuple[tuple[float, float, float, float], str, Colour]]:
    """Corners, class name and colour of each box (n, 4)."""
    return [
        ((x1, y1, x2, y2), classes[label], colour_of(label))
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True)
    ]
