"""From decoded predictions to the objects in each picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EVALUATION_CONFIDENCE = 0.01
NMS_IOU = 0.5
MOST_BOXES = 100
_CANDIDATES = 3000
"""Per picture, only so many of the most confident predictions are looked at further."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects in one picture, the most confident first: boxes (n, 4) x1 y1 x2 y2, scores (n,), class numbers (n,)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


def detections(decoded: Tensor, *, confidence: float, iou: float = NMS_IOU, most: int = MOST_BOXES) -> list[Detections]:
    """The objects of each picture of a batch, overlapping boxes of one class reduced to the best (NMS).

    Args:
        decoded: (batch, rows, 5 + classes) cx cy w h in pixels of the input, objectness, class probabilities.
        confidence: objects less certain than this are left out; certainty is objectness times the probability of the
            most probable class, which is the one class a row stands for.
        iou: two boxes of one class that overlap more are one object.
        most: at most so many objects a picture.

    Returns:
        Boxes in pixels of the input.
    """
    scores, labels = (decoded[..., 4:5] * decoded[..., 5:]).max(-1)  # (batch, rows) each
    # A row with a value that is no number must not take a place among the candidates.
    scores = torch.where(decoded.isfinite().all(-1), scores, 0.0)
    scores = scores.nan_to_num(0.0)  # not a number would count as the largest of all
    count = min(_CANDIDATES, scores.shape[1])
    scores, rows = scores.topk(count, dim=1)
    labels = labels.gather(1, rows)
    boxes = decoded[..., :4].gather(1, rows[..., None].expand(-1, -1, 4))
    boxes = torch.cat((boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2), -1)
    picture = torch.arange(len(decoded), device=decoded.device)[:, None].expand_as(scores)
    keep = (scores >= confidence) & (scores > 0)
    boxes, scores, labels, picture = boxes[keep], scores[keep], labels[keep], picture[keep]
    # Pictures and classes apart: boxes of two groups never suppress each other.
    kept = _suppressed(boxes, scores, picture * decoded.shape[-1] + labels, iou)
    boxes, scores, labels, picture = (t[kept].cpu() for t in (boxes, scores, labels, picture))
    found = []
    for number in range(len(decoded)):
        own = (picture == number).nonzero().flatten()[:most]
        found.append(
            Detections(
                boxes[own].numpy().astype(np.float32),
                scores[own].numpy().astype(np.float32),
                labels[own].numpy().astype(np.int32),
            )
        )
    return found


def _suppressed(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float) -> Tensor:
    """NMS within each group: numbers of the rows that stay, the most confident first.

    torchvision moves every group to a place of its own, as far away as the largest coordinate. In single precision one box
    of an untrained network, a million pixels wide, would blur all others by whole pixels.
    """
    from torchvision.ops import batched_nms  # its import takes as long as torch's own, and a Plan detects nothing

    if boxes.device.type == "mps":  # which has no double
        boxes, scores, groups = boxes.cpu(), scores.cpu(), groups.cpu()
    kept: Tensor = batched_nms(boxes.double().clamp(-1e6, 1e6), scores.double(), groups, iou)
    return kept
