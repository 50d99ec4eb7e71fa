"""Detects objects in images with trained weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.dataset.images import Pixels, UnreadableImage, read_image
from engine.dataset.letterbox import preprocess_image
from engine.evaluation.detect import NMS_IOU, Detections, TrueBoxes, non_max_suppression
from engine.network.detector import Detector
from engine.network.precision import network_input
from engine.weights.native import WeightsInfo

DEFAULT_THRESHOLD = 0.5
"""For weights that do not store the confidence of their best F1."""
MIN_THRESHOLD = 0.05


@dataclass(frozen=True, slots=True)
class Prediction:
    """The objects in one image; boxes in pixels of that image. `truth`: its labels, where it has any."""

    path: Path
    pixels: Pixels
    detections: Detections
    classes: tuple[str, ...]
    truth: TrueBoxes | None = None

    def to_json(self) -> dict[str, Any]:
        """One line of `predict --json`."""
        detections = self.detections
        return {
            "image": str(self.path),
            "width": self.pixels.shape[1],
            "height": self.pixels.shape[0],
            "detections": [
                {
                    "class": self.classes[label],
                    "class_id": int(label),
                    "confidence": round(float(score), 6),
                    "box": [round(float(corner), 2) for corner in box],
                }
                for box, score, label in zip(detections.boxes, detections.scores, detections.labels, strict=True)
            ],
        }


def default_threshold(info: WeightsInfo) -> float:
    """The confidence of the weights' best F1. Older versions stored ones as low as 0.01, at which an image is full of boxes."""
    return DEFAULT_THRESHOLD if info.threshold is None else max(info.threshold, MIN_THRESHOLD)


@torch.inference_mode()
def predict(
    network: Detector,
    info: WeightsInfo,
    paths: Sequence[Path],
    *,
    threshold: float | None = None,
    iou: float = NMS_IOU,
    device: torch.device,
) -> Iterator[Prediction | UnreadableImage]:
    """The objects in each image, in order; for an image that cannot be read, its error.

    Args:
        network: in eval mode; moved to `device`.
        info: the info of its weights.
        paths: image files.
        threshold: smallest confidence; None: that of the weights' best F1.
        iou: of two boxes of one class with a larger IoU, the less confident is dropped.
        device: where to compute.
    """
    network.move_to(device)
    if threshold is None:
        threshold = default_threshold(info)
    for path in paths:
        try:
            pixels = read_image(path)
        except UnreadableImage as error:
            yield error
            continue
        resized, letterbox = preprocess_image(pixels, info.input_shape, info.preprocessing)
        batch = torch.from_numpy(np.ascontiguousarray(resized)).permute(2, 0, 1)[None]
        raw = network(network_input(batch, device))
        (detections,) = non_max_suppression(network.decode(raw, info.input_shape), confidence=threshold, iou=iou)
        boxes = letterbox.to_original(detections.boxes, (pixels.shape[1], pixels.shape[0]))
        yield Prediction(path, pixels, Detections(boxes, detections.scores, detections.labels), info.classes)
