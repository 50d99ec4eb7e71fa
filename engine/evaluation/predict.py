"""Trained weights on pictures: what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.dataset.images import Pixels, UnreadableImage, read_image
from engine.dataset.letterbox import fitted
from engine.evaluation.detect import NMS_IOU, Detections, detections
from engine.network.decode import decode
from engine.network.precision import autocast, network_input
from engine.network.yolov4 import Detector
from engine.weights.load import WeightsInfo

DEFAULT_THRESHOLD = 0.5
"""Where the weights do not know the confidence of their best F1."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found in one picture; boxes in its own pixels."""

    path: Path
    pixels: Pixels
    found: Detections
    classes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """One line of `predict --json`."""
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
                for box, score, label in zip(self.found.boxes, self.found.scores, self.found.labels, strict=True)
            ],
        }


@torch.inference_mode()
def predict(
    network: Detector,
    info: WeightsInfo,
    pictures: Sequence[Path],
    *,
    threshold: float | None = None,
    iou: float = NMS_IOU,
    device: torch.device,
    precision: str,
) -> Iterator[Prediction | UnreadableImage]:
    """The objects in each picture, in order; a picture that cannot be read is handed on as that.

    Args:
        network: in evaluation mode; moved to `device`.
        info: what belongs to its weights.
        pictures: their paths.
        threshold: least confidence; None: the weights' own, of their best F1.
        iou: two boxes of one class that overlap more are one object.
        device: where to compute.
        precision: fp32, bf16 or fp16.
    """
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    least = threshold if threshold is not None else info.threshold if info.threshold is not None else DEFAULT_THRESHOLD
    for path in pictures:
        try:
            pixels = read_image(path)
        except UnreadableImage as error:
            yield error
            continue
        inside, letterbox = fitted(pixels, info.input_shape, info.preprocessing)
        batch = torch.from_numpy(np.ascontiguousarray(inside)).permute(2, 0, 1)[None]
        with autocast(device, precision):
            raw = network(network_input(batch, device))
        found = detections(decode(raw, network.levels, info.input_shape), confidence=least, iou=iou)[0]
        boxes = letterbox.back(found.boxes, (pixels.shape[1], pixels.shape[0]))
        yield Prediction(path, pixels, Detections(boxes, found.scores, found.labels), info.classes)
