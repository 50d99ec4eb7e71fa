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
from engine.evaluation.detect import NMS_IOU, Detections, non_max_suppression
from engine.network.detector import Detector
from engine.network.precision import autocast, network_input
from engine.weights.native import WeightsInfo

DEFAULT_THRESHOLD = 0.5
"""For weights that do not store the confidence of their best F1."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The objects in one image; boxes in pixels of that image."""

    path: Path
    pixels: Pixels
    detections: Detections
    classes: tuple[str, ...]

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


@torch.inference_mode()
def predict(
    network: Detector,
    info: WeightsInfo,
    paths: Sequence[Path],
    *,
    threshold: float | None = None,
    iou: float = NMS_IOU,
    device: torch.device,
    precision: str,
) -> Iterator[Prediction | UnreadableImage]:
    """The objects in each image, in order; for an image that cannot be read, its error.

    Args:
        network: in eval mode; moved to `device`.
        info: the info of its weights.
        paths: image files.
        threshold: smallest confidence; None: that of the weights' best F1.
        iou: of two boxes of one class with a larger IoU, the less confident is dropped.
        device: where to compute.
        precision: fp32, bf16 or fp16.
    """
    network.move_to(device)
    if threshold is None:
        threshold = DEFAULT_THRESHOLD if info.threshold is None else info.threshold
    for path in paths:
        try:
            pixels = read_image(path)
        except UnreadableImage as error:
            yield error
            continue
        resized, letterbox = preprocess_image(pixels, info.input_shape, info.preprocessing)
        batch = torch.from_numpy(np.ascontiguousarray(resized)).permute(2, 0, 1)[None]
        with autocast(device, precision):
            raw = network(network_input(batch, device))
        (detections,) = non_max_suppression(network.decode(raw, info.input_shape), confidence=threshold, iou=iou)
        boxes = letterbox.to_original(detections.boxes, (pixels.shape[1], pixels.shape[0]))
        yield Prediction(path, pixels, Detections(boxes, detections.scores, detections.labels), info.classes)
