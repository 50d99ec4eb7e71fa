"""Detects objects in images with trained weights, in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.dataset.images import Pixels, UnreadableImage
from engine.dataset.letterbox import Letterbox, preprocess_image
from engine.evaluation.detect import NMS_IOU, Detections, TrueBoxes, non_max_suppression
from engine.evaluation.forward import InferenceNetwork, Precision
from engine.evaluation.heatmap import objectness_maps
from engine.evaluation.read_ahead import read_ahead
from engine.evaluation.sources.inputs import InputImage
from engine.network.detector import Detector
from engine.weights.native import WeightsInfo

DEFAULT_THRESHOLD = 0.5
"""For weights that do not store the confidence of their best F1."""
MIN_THRESHOLD = 0.05
CPU_BATCH = 8
GPU_BATCH = 32


@dataclass(frozen=True, slots=True)
class Heat:
    """How certain the network is that there is an object: (height, width) of its input, from 0 to 1."""

    objectness: NDArray[np.float32]
    letterbox: Letterbox


@dataclass(frozen=True, slots=True)
class Prediction:
    """The objects in one image; boxes in pixels of that image. `truth`: its labels, where it has any.

    `source`: the file or the frame that the image is; `heat`: where it was asked for.
    """

    path: Path
    pixels: Pixels
    detections: Detections
    classes: tuple[str, ...]
    truth: TrueBoxes | None = None
    source: InputImage | None = None
    heat: Heat | None = None

    def to_json(self) -> dict[str, Any]:
        """One line of `predict --json`."""
        detections = self.detections
        frame: dict[str, Any] = {}
        if self.source is not None and self.source.video is not None:
            number = self.source.frame
            frame = {"frame": number, "seconds": round(number / self.source.video.fps, 3)}
        return {
            "image": str(self.path),
            **frame,
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


@dataclass(slots=True)
class WorkTimes:
    """Seconds of work by its kind; what threads do at the same time is added up."""

    decoding: float = 0.0
    network: float = 0.0
    drawing: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, decoding: float = 0.0, drawing: float = 0.0, network: float = 0.0) -> None:
        """Add seconds; from any thread."""
        with self._lock:
            self.decoding += decoding
            self.network += network
            self.drawing += drawing


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An image and the input of the network that was made of it."""

    source: InputImage
    pixels: Pixels
    network_input: Pixels
    letterbox: Letterbox


def predict(
    network: Detector,
    info: WeightsInfo,
    paths: Sequence[Path],
    *,
    threshold: float | None = None,
    iou: float = NMS_IOU,
    device: torch.device,
    batch_size: int | None = None,
) -> Iterator[Prediction | UnreadableImage]:
    """The objects in each image, in order; for an image that cannot be read, its error.

    Args:
        network: a copy of it computes.
        info: the info of its weights.
        paths: image files.
        threshold: smallest confidence; None: that of the weights' best F1.
        iou: of two boxes of one class with a larger IoU, the less confident is dropped.
        device: where to compute.
        batch_size: images that the network takes at a time; None: 8, on a card 32. Boxes do not depend on it, but for rounding.
    """
    batches = predict_batches(
        network, info, map(InputImage, paths), threshold=threshold, iou=iou, device=device, batch_size=batch_size
    )
    with closing(batches):
        for batch in batches:
            yield from batch


def predict_batches(
    network: Detector,
    info: WeightsInfo,
    inputs: Iterable[InputImage | UnreadableImage],
    *,
    threshold: float | None = None,
    iou: float = NMS_IOU,
    labels: Collection[int] | None = None,
    device: torch.device,
    batch_size: int | None = None,
    precision: Precision = "fp32",
    with_heat: bool = False,
    times: WorkTimes | None = None,
) -> Generator[list[Prediction | UnreadableImage], None, None]:
    """As `predict`, from any sources and batch by batch. A source that is slow makes batches smaller, and does not wait.

    Args:
        network, info, threshold, iou, device, batch_size: see `predict`.
        inputs: walked through in a thread of its own, some images ahead.
        labels: only objects of these classes; None: of all.
        precision: 16-bit formats are quicker, and give slightly different boxes.
        with_heat: whether the predictions have `heat`.
        times: gets the seconds of decoding and of the network.
    """
    inference = InferenceNetwork(network, info.input_shape, device, precision)
    if threshold is None:
        threshold = default_threshold(info)
    if times is None:
        times = WorkTimes()

    def prepare(source: InputImage, pixels: Pixels) -> _Prepared:
        return _Prepared(source, pixels, *preprocess_image(pixels, info.input_shape, info.preprocessing))

    if batch_size is None:
        batch_size = CPU_BATCH if device.type == "cpu" else GPU_BATCH
    batches = read_ahead(inputs, prepare, batch_size, lambda seconds: times.add(decoding=seconds))
    with closing(batches):
        for batch in batches:
            start = time.perf_counter()
            prepared = [item for item in batch if isinstance(item, _Prepared)]
            detected: list[Detections] = []
            heats: list[Heat | None] = []
            if prepared:
                images = torch.from_numpy(np.stack([item.network_input for item in prepared])).permute(0, 3, 1, 2)
                decoded = inference(images)
                detected = _detections(decoded, prepared, threshold, iou, labels)
                heats = _heats(inference, info, decoded, prepared) if with_heat else [None] * len(prepared)
            times.add(network=time.perf_counter() - start)
            predictions = iter(
                [
                    Prediction(item.source.path, item.pixels, found, info.classes, source=item.source, heat=heat)
                    for item, found, heat in zip(prepared, detected, heats, strict=True)
                ]
            )
            yield [item if isinstance(item, UnreadableImage) else next(predictions) for item in batch]


@torch.inference_mode()
def _detections(
    decoded: Tensor,
    prepared: Sequence[_Prepared],
    threshold: float,
    iou: float,
    labels: Collection[int] | None,
) -> list[Detections]:
    """The objects in each image, boxes in its pixels."""
    wanted = decoded if labels is None else _only_labels(decoded, labels)
    found = non_max_suppression(wanted, confidence=threshold, iou=iou)
    return [
        Detections(
            item.letterbox.to_original(one.boxes, (item.pixels.shape[1], item.pixels.shape[0])), one.scores, one.labels
        )
        for item, one in zip(prepared, found, strict=True)
    ]


def _only_labels(decoded: Tensor, labels: Collection[int]) -> Tensor:
    """A copy of (batch, rows, 5 + classes) in which rows of other classes have no objectness.

    They are left out before the largest number of objects per image is applied.
    """
    wanted = torch.isin(decoded[..., 5:].argmax(-1), torch.tensor(sorted(labels), device=decoded.device))
    copy = decoded.clone()
    copy[..., 4] *= wanted
    return copy


@torch.inference_mode()
def _heats(
    network: InferenceNetwork, info: WeightsInfo, decoded: Tensor, prepared: Sequence[_Prepared]
) -> list[Heat | None]:
    strides = tuple(level.stride for level in network.levels)
    maps = objectness_maps(decoded, strides, info.input_shape)
    return [Heat(heat, item.letterbox) for heat, item in zip(maps, prepared, strict=True)]
