"""Box losses, 1 - CIoU and 1 - SIoU, for boxes cx cy w h in any unit."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EPSILON = 1e-6


def ciou_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """1 - Complete IoU (Zheng et al. 2020, arXiv:1911.08287, eq. 8 to 11): (..., 4), (..., 4) -> (...).

    Unlike in torchvision's, the gradient flows through the weight of the aspect term too, as in the tutorials' loss.
    """
    iou, centres, enclosing = _geometry(predicted, truth)
    distance = (centres**2).sum(-1) / (enclosing**2).sum(-1).clamp(min=_EPSILON)
    angle = torch.atan(predicted[..., 2] / predicted[..., 3].clamp(min=_EPSILON))
    true_angle = torch.atan(truth[..., 2] / truth[..., 3].clamp(min=_EPSILON))
    aspect = (2 / math.pi * (angle - true_angle)) ** 2
    weight = aspect / (1 - iou + aspect).clamp(min=_EPSILON)
    return 1 - iou + distance + weight * aspect


def siou_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """1 - SIoU (Gevorgyan 2022, arXiv:2205.12740, sections 2.1 to 2.4): (..., 4), (..., 4) -> (...)."""
    iou, centres, enclosing = _geometry(predicted, truth)
    length = (centres**2).sum(-1).clamp(min=_EPSILON**2).sqrt()
    sines = (centres.abs() / length[..., None]).clamp(0, 1)
    # The angle is measured to the nearer axis: beyond 45 degrees the other sine is the smaller one.
    sine = torch.where(sines[..., 0] > math.sqrt(0.5), sines[..., 1], sines[..., 0])
    angle_cost = torch.cos(2 * torch.asin(sine) - math.pi / 2)
    closeness = torch.exp((angle_cost - 2)[..., None] * (centres / enclosing.clamp(min=_EPSILON)) ** 2)
    distance_cost = 2 - closeness.sum(-1)
    sizes, true_sizes = predicted[..., 2:], truth[..., 2:]
    difference = (sizes - true_sizes).abs() / torch.maximum(sizes, true_sizes).clamp(min=_EPSILON)
    shape_cost = ((1 - torch.exp(-difference)) ** 4).sum(-1)
    return 1 - iou + 0.5 * (distance_cost + shape_cost)


def _geometry(predicted: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """IoU (...), the offset between the centres (..., 2), width and height of the box around both (..., 2)."""
    low, high = predicted[..., :2] - predicted[..., 2:] / 2, predicted[..., :2] + predicted[..., 2:] / 2
    true_low, true_high = truth[..., :2] - truth[..., 2:] / 2, truth[..., :2] + truth[..., 2:] / 2
    overlap = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0).prod(-1)
    union = predicted[..., 2:].prod(-1) + truth[..., 2:].prod(-1) - overlap
    enclosing = (torch.maximum(high, true_high) - torch.minimum(low, true_low)).clamp(min=0)
    return overlap / union.clamp(min=_EPSILON), truth[..., :2] - predicted[..., :2], enclosing
