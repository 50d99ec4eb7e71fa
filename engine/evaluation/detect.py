"""Non-maximum suppression: from decoded predictions to the objects in each image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EVALUATION_CONFIDENCE = 0.01
NMS_IOU = 0.5
MAX_DETECTIONS = 100
_MAX_CANDIDATES = 3000
"""Per image, only this many of the most confident predictions enter NMS."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects in one image, most confident first: boxes (n, 4) x1 y1 x2 y2, scores (n,), class numbers (n,)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TrueBoxes:
    """The labels of one image: boxes (n, 4) x1 y1 x2 y2, class numbers (n,)."""

    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]


MAX_DRAWN = 30
"""More boxes than this hide an image; the weaker ones are only counted."""


def strongest(detections: Detections, threshold: float, count: int = MAX_DRAWN) -> tuple[Detections, int]:
    """The `count` most confident objects from `threshold` on, and how many weaker ones from `threshold` on are left out."""
    found = int((detections.scores >= threshold).sum())  # the scores are in descending order
    kept = min(found, count)
    return Detections(detections.boxes[:kept], detections.scores[:kept], detections.labels[:kept]), found - kept


def above(found: Detections, thresholds: NDArray[np.float32]) -> Detections:
    """The objects from the threshold of their class on; `thresholds` (classes,)."""
    kept = found.scores >= thresholds[found.labels]
    return found if kept.all() else Detections(found.boxes[kept], found.scores[kept], found.labels[kept])


def non_max_suppression(
    decoded: Tensor, *, confidence: float, iou: float = NMS_IOU, max_detections: int = MAX_DETECTIONS
) -> list[Detections]:
    """The objects in each image of a batch: of overlapping boxes of one class only the most confident.

    Args:
        decoded: (batch, rows, 5 + classes) cx cy w h in pixels of the input, objectness, class probabilities.
        confidence: objects with a lower score are dropped. The score is objectness times the probability of the most
            probable class; a row counts for this class only.
        iou: of two boxes of one class with a larger IoU, the less confident is dropped.
        max_detections: largest number of objects per image.

    Returns:
        Boxes in pixels of the input.
    """
    scores, labels = (decoded[..., 4:5] * decoded[..., 5:]).max(-1)  # (batch, rows) each
    # Rows with a NaN or an infinite value must not take the place of other candidates; topk would sort NaN first.
    scores = torch.where(decoded.isfinite().all(-1), scores, 0.0)
    scores = scores.nan_to_num(0.0)
    count = min(_MAX_CANDIDATES, scores.shape[1])
    scores, rows = scores.topk(count, dim=1)
    labels = labels.gather(1, rows)
    boxes = decoded[..., :4].gather(1, rows[..., None].expand(-1, -1, 4))
    boxes = torch.cat((boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2), -1)
    image = torch.arange(len(decoded), device=decoded.device)[:, None].expand_as(scores)
    keep = (scores >= confidence) & (scores > 0)
    boxes, scores, labels, image = boxes[keep], scores[keep], labels[keep], image[keep]
    # Each class of each image is a group of its own: boxes of two groups never suppress each other.
    kept = _batched_nms(boxes, scores, image * decoded.shape[-1] + labels, iou)
    boxes, scores, labels, image = (t[kept].cpu() for t in (boxes, scores, labels, image))
    per_image = []
    for index in range(len(decoded)):
        own = (image == index).nonzero().flatten()[:max_detections]
        per_image.append(
            Detections(
                boxes[own].numpy().astype(np.float32),
                scores[own].numpy().astype(np.float32),
                labels[own].numpy().astype(np.int32),
            )
        )
    return per_image


def preload_nms() -> None:
    """Import what `non_max_suppression` needs, which takes seconds, so that nobody measures them as its own time."""
    import torchvision.ops  # noqa: F401


def _batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float) -> Tensor:
    """NMS within each group: indices of the remaining rows, most confident first.

    torchvision separates the groups by adding multiples of the largest coordinate. In single precision one box of an untrained
    network, a million pixels wide, would round all others to whole pixels.
    """
    from torchvision.ops import batched_nms  # the import takes as long as torch's own, and planning does not need it

    if boxes.device.type == "mps":  # has no float64
        boxes, scores, groups = boxes.cpu(), scores.cpu(), groups.cpu()
    kept: Tensor = batched_nms(boxes.double().clamp(-1e6, 1e6), scores.double(), groups, iou)
    return kept
