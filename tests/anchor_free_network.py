"""A network that the engine does not have: without anchors, and with a loss that assigns cells by its own predictions.

A test registers `SPEC` in the table of networks. Together with this module that is all that a new network needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.network.blocks import ConvBNAct
from engine.network.detector import Detector
from engine.network.registry import NETWORKS, Anchors, NetworkSpec
from engine.recipe import Recipe
from engine.training.loss.iou import ciou_loss
from engine.training.loss.losses import Loss
from engine.training.loss.terms import Terms

SPEC = NetworkSpec(
    name="anchor-free",
    summary="for tests",
    detector="tests.anchor_free_network:AnchorFreeNetwork",
    strides=(16, 32),
    input_shape=(96, 64),
    loss="tests.anchor_free_network:sim_ota_loss",
    lighter="yolov4-tiny",
)


@contextmanager
def registered() -> Iterator[NetworkSpec]:
    """Inside the context the table of networks has `SPEC`."""
    NETWORKS[SPEC.name] = SPEC
    try:
        yield SPEC
    finally:
        del NETWORKS[SPEC.name]


class AnchorFreeNetwork(Detector):
    """Each cell predicts one box relative to its own place and stride, as in YOLOX."""

    def __init__(self, spec: NetworkSpec, classes: int, all_anchors: Anchors, scale_x_y: tuple[float, ...]) -> None:
        super().__init__(spec, classes, all_anchors, scale_x_y)
        channels = (3, 8, 16, 16, 32)
        self.backbone = nn.Sequential(*(ConvBNAct(a, b, 3, 2) for a, b in pairwise(channels)))
        self.downsample = ConvBNAct(32, 32, 3, 2)
        self.heads = nn.ModuleList([nn.Conv2d(32, 5 + classes, 1) for _ in spec.strides])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        fine = self.backbone(images)
        features = (fine, self.downsample(fine))
        return tuple(head(feature) for head, feature in zip(self.heads, features, strict=True))

    def decode(self, raw: Sequence[Tensor], input_shape: tuple[int, int]) -> Tensor:
        predicted, _ = decode_boxes(raw, self.spec.strides)
        return torch.cat((predicted[..., :4], predicted[..., 4:].sigmoid()), -1)

    def count_classes(self, state: Mapping[str, Tensor]) -> int | None:
        bias = state.get("heads.0.bias")
        return None if bias is None else len(bias) - 5


def decode_boxes(raw: Sequence[Tensor], strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """(batch, cells, 5 + classes) with decoded boxes and logits, and the centres of the cells (cells, 2) in input pixels."""
    predictions, centres = [], []
    for level, stride in zip(raw, strides, strict=True):
        rows, columns = (torch.arange(size, device=level.device) for size in level.shape[2:])
        cells = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).flatten(0, 1)  # (cells, 2) x y
        output = level.float().flatten(2).transpose(1, 2)
        centre = (cells + 0.5 + output[..., :2]) * stride
        size = output[..., 2:4].clamp(max=5).exp() * stride
        predictions.append(torch.cat((centre, size, output[..., 4:]), -1))
        centres.append((cells + 0.5) * stride)
    return torch.cat(predictions, 1), torch.cat(centres)


class SimOtaLoss(Loss):
    """Ge et al. 2021, "YOLOX", section 2.2, with a fixed k: a box gets the k cells of lowest cost, by the predictions there."""

    k = 3

    def __init__(self, network: Detector) -> None:
        self.strides = network.spec.strides

    def terms(self, raw: Sequence[Tensor], targets: Tensor, *, training: bool) -> Terms:
        predicted, centres = decode_boxes(raw, self.strides)
        boxes, objectness, logits = predicted[..., :4], predicted[..., 4], predicted[..., 5:]
        wanted = F.one_hot(targets[..., 4].long().clamp(min=0), logits.shape[-1]).to(logits.dtype)
        box_index, positive = self._assign(boxes.detach(), logits.detach(), centres, targets, wanted)
        own_box = targets[..., :4].gather(1, box_index[..., None].expand(-1, -1, 4))
        own_class = wanted.gather(1, box_index[..., None].expand(-1, -1, wanted.shape[-1]))
        class_losses = F.binary_cross_entropy_with_logits(logits, own_class, reduction="none").sum(-1)
        sums = (
            torch.where(positive, ciou_loss(boxes, own_box), 0.0).sum(),
            F.binary_cross_entropy_with_logits(objectness, positive.to(objectness.dtype), reduction="sum"),
            torch.where(positive, class_losses, 0.0).sum(),
        )
        count = positive.sum().to(boxes.dtype)
        weights = torch.tensor([[5.0], [1.0], [1.0]], device=boxes.device)
        return Terms(torch.stack(sums)[:, None], count.expand(3, 1), weights)

    def _assign(
        self, boxes: Tensor, logits: Tensor, centres: Tensor, targets: Tensor, wanted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """For each cell the box that it is assigned to, and whether it is assigned at all: (batch, cells) each."""
        truth = targets[:, :, None, :4]  # (batch, boxes, 1, 4)
        is_inside = ((centres - truth[..., :2]).abs() < truth[..., 2:] / 2).all(-1)  # (batch, boxes, cells)
        class_cost = F.binary_cross_entropy_with_logits(
            logits[:, None].expand(-1, targets.shape[1], -1, -1),
            wanted[:, :, None].expand(-1, -1, logits.shape[1], -1),
            reduction="none",
        ).sum(-1)
        cost = class_cost + 3 * ciou_loss(boxes[:, None], truth) + torch.where(is_inside, 0.0, 1e5)
        largest_cost = cost.topk(self.k, dim=-1, largest=False).values[..., -1:]
        is_chosen = (cost <= largest_cost) & (targets[..., 4:5] >= 0)
        return torch.where(is_chosen, cost, torch.inf).argmin(1), is_chosen.any(1)


def sim_ota_loss(recipe: Recipe, network: Detector) -> Loss:
    """What `SPEC` names."""
    return SimOtaLoss(network)
