"""What the training minimises: the loss of each method, behind one interface.

A `Loss` turns the raw outputs of a network and the ground truth of a batch into `LossParts`, the same number of
operations for any number of boxes and without waiting for the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.network.decode import decode_boxes, split_level
from engine.network.yolov4 import Detector, Level
from engine.recipe import Recipe
from engine.training.assignment import Candidates, Grid, one_anchor, several_anchors
from engine.training.box_loss import ciou_loss, siou_loss


_LARGEST_EXPONENT = 15.0


@dataclass(frozen=True, slots=True)
class LossParts:
    """Scalars: `total` is what the gradient flows from; the others are its weighted terms, without gradient."""

    total: Tensor
    box: Tensor
    objectness: Tensor
    classes: Tensor

    def detached(self) -> Tensor:
        """(4,) total, box, objectness, classes without gradient: one transfer for all of them."""
        return torch.stack((self.total.detach(), self.box, self.objectness, self.classes))


class Loss(Protocol):
    """The loss of a method."""

    def __call__(self, raw: Sequence[Tensor], targets: Tensor) -> LossParts:
        """The loss to train with.

        Args:
            raw: the network's outputs, (batch, anchors * (5 + classes), height, width) per level.
            targets: (batch, boxes, 5) cx cy w h class in input pixels, padding with class -1.
        """
        ...

    def validation(self, raw: Sequence[Tensor], targets: Tensor) -> LossParts:
        """The loss to read as a trend: no target and no weight in it moves with the model."""
        ...


class ModernLoss:
    """Several anchors per box, an objectness that learns the overlap, plain cross entropy over all cells.

    Per level `0.05 mean(1 - CIoU) + classes/32 mean(BCE classes) + b mean(BCE objectness)`, b doubling with each finer
    level, times the batch size. The objectness target is the box's IoU in training and 1 in validation.
    """

    def __init__(self, network: Detector, label_smoothing: float = 0.0) -> None:
        self.levels = _LevelTensors.of(network)
        self.classes = network.classes
        self.smoothing = label_smoothing
        coarsest = max(level.stride for level in network.levels)
        self.balance = [coarsest / level.stride for level in network.levels]

    def __call__(self, raw: Sequence[Tensor], targets: Tensor) -> LossParts:
        return self._parts(raw, targets, overlap_as_target=True)

    def validation(self, raw: Sequence[Tensor], targets: Tensor) -> LossParts:
        return self._parts(raw, targets, overlap_as_target=False)

    def _parts(self, raw: Sequence[Tensor], targets: Tensor, *, overlap_as_target: bool) -> LossParts:
        outputs = [
            split_level(level.float(), len(shape.anchors)) for level, shape in zip(raw, self.levels, strict=True)
        ]
        grids = [level.grid(output) for level, output in zip(self.levels, outputs, strict=True)]
        box = objectness = classes = targets.new_zeros(())
        for output, level, grid, found, balance in zip(
            outputs, self.levels, grids, several_anchors(targets, grids), self.balance, strict=True
        ):
            chosen = output.reshape(found.cells, -1)[found.cell]  # (candidates, 5 + classes)
            distance = ciou_loss(_boxes_at(chosen, found, level, grid), found.boxes)
            box = box + 0.05 * _mean_of_positives(distance, found)
            classes = classes + self.classes / 32 * _mean_of_positives(
                _class_loss(chosen[:, 5:], found, self.smoothing).mean(-1), found
            )
            wanted = (1 - distance.detach()).clamp(0, 1) if overlap_as_target else torch.ones_like(distance)
            target = _spread(wanted * found.positive, found)
            objectness = objectness + balance * F.binary_cross_entropy_with_logits(output[..., 4].flatten(), target)
        return _weighted(targets.shape[0], box, objectness, classes)


class TutorialLoss:
    """The tutorials' own: one anchor per box, cells that overlap any truth left out of the negatives.

    Per level `0.05 mean(1 - IoU) + classes/80 mean(BCE classes) + balance * 5 (H W / 416^2) mean(BCE objectness)`, balance
    0.4, 1, 4 at strides 32, 16, 8; focal objectness times 10. In validation no cell is left out, since which ones overlap
    hangs on the model.
    """

    IGNORE_IOU = 0.5
    BALANCE = {32: 0.4, 16: 1.0, 8: 4.0}  # noqa: RUF012  a constant table

    def __init__(
        self,
        network: Detector,
        *,
        iou_type: str = "ciou",
        focal: tuple[float, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        """`focal`: alpha and gamma, or None without focal loss."""
        self.levels = _LevelTensors.of(network)
        self.all_anchors = _anchor_tensor(network.all_anchors, network)
        self.classes = network.classes
        self.box_loss = siou_loss if iou_type == "siou" else ciou_loss
        self.focal = focal
        self.smoothing = label_smoothing

    def __call__(self, raw: Sequence[Tensor], targets: Tensor) -> LossParts:
        return self._parts(raw, targets, ignore_overlapping=True)

    def validation(self, raw: Sequence[Tensor], targets: Tensor) -> LossParts:
        return self._parts(raw, targets, ignore_overlapping=False)

    def _parts(self, raw: Sequence[Tensor], targets: Tensor, *, ignore_overlapping: bool) -> LossParts:
        outputs = [
            split_level(level.float(), len(shape.anchors)) for level, shape in zip(raw, self.levels, strict=True)
        ]
        grids = [level.grid(output) for level, output in zip(self.levels, outputs, strict=True)]
        box = objectness = classes = targets.new_zeros(())
        for output, level, grid, found in zip(
            outputs, self.levels, grids, one_anchor(targets, grids, self.all_anchors), strict=True
        ):
            chosen = output.reshape(found.cells, -1)[found.cell]  # (candidates, 5 + classes)
            distance = self.box_loss(_boxes_at(chosen, found, level, grid), found.boxes)
            box = box + 0.05 * _mean_of_positives(distance, found)
            classes = classes + self.classes / 80 * _mean_of_positives(
                _class_loss(chosen[:, 5:], found, self.smoothing).mean(-1), found
            )
            objects = _spread(found.positive.to(output.dtype), found)  # (cells,) 1 where an object belongs
            counted = torch.ones_like(objects)
            if ignore_overlapping:
                overlapping = _best_overlap(output.detach(), targets, level.level) > self.IGNORE_IOU
                counted = torch.maximum(objects, 1 - overlapping.to(objects.dtype))
            size = grid.stride**2 * grid.height * grid.width
            weight = self.BALANCE[grid.stride] * 5 * size / 416**2
            objectness = objectness + weight * self._objectness(output[..., 4].flatten(), objects, counted)
        return _weighted(1, box, objectness, classes)

    def _objectness(self, logits: Tensor, objects: Tensor, counted: Tensor) -> Tensor:
        """Mean over the `counted` cells; all arguments (cells,)."""
        entropy = F.binary_cross_entropy_with_logits(logits, objects, reduction="none")
        if self.focal is not None:
            alpha, gamma = self.focal
            mistake = (logits.sigmoid() - objects).abs()
            # The floor keeps the gradient of mistake ** gamma finite where gamma is below 1 and the mistake is 0.
            entropy = 10 * torch.where(objects > 0, alpha, 1 - alpha) * mistake.clamp(min=1e-9) ** gamma * entropy
        return (entropy * counted).sum() / counted.sum().clamp(min=1)


def loss_of(recipe: Recipe, network: Detector) -> Loss:
    """The loss of the recipe's method, its constants on the network's device."""
    if recipe.method == "modern":
        return ModernLoss(network, recipe.label_smoothing)
    return TutorialLoss(
        network,
        iou_type=recipe.iou_type,
        focal=(recipe.focal_alpha, recipe.focal_gamma) if recipe.focal_loss else None,
        label_smoothing=recipe.label_smoothing,
    )


@dataclass(frozen=True, slots=True)
class _LevelTensors:
    """A level's constants, on the device once for all steps."""

    level: Level
    anchors: Tensor
    numbers: Tensor

    @staticmethod
    def of(network: Detector) -> list[_LevelTensors]:
        anchors = [_anchor_tensor(level.anchors, network) for level in network.levels]
        numbers = [[network.all_anchors.index(anchor) for anchor in level.anchors] for level in network.levels]
        return [
            _LevelTensors(level, sizes, torch.tensor(places, device=sizes.device))
            for level, sizes, places in zip(network.levels, anchors, numbers, strict=True)
        ]

    def grid(self, output: Tensor) -> Grid:
        """The level's grid for an `output` of (batch, anchors, height, width, 5 + classes)."""
        return Grid(self.anchors, self.numbers, self.level.stride, output.shape[2], output.shape[3])


def _anchor_tensor(anchors: Sequence[tuple[float, float]], network: Detector) -> Tensor:
    return torch.tensor(anchors, dtype=torch.float32, device=next(network.parameters()).device)


def _boxes_at(chosen: Tensor, found: Candidates, level: _LevelTensors, grid: Grid) -> Tensor:
    """(candidates, 5 + classes) raw -> (candidates, 4) cx cy w h in input pixels."""
    scale = level.level.scale_x_y
    column = found.cell % grid.width
    row = found.cell // grid.width % grid.height
    anchor = grid.anchors[found.cell // (grid.width * grid.height) % len(grid.anchors)]
    centre = chosen[:, :2].sigmoid() * scale - (scale - 1) / 2 + torch.stack((column, row), -1)
    # The limit lies far outside anything a box can be; it keeps one runaway cell that answers for nothing from spoiling
    # the gradient of all (0 * inf is not a number).
    return torch.cat((centre * grid.stride, chosen[:, 2:4].clamp(max=_LARGEST_EXPONENT).exp() * anchor), -1)


def _best_overlap(output: Tensor, targets: Tensor, level: Level) -> Tensor:
    """(cells,) the largest IoU of each cell's decoded box with any ground truth of its image."""
    boxes = decode_boxes(output, level).flatten(1, 3)[:, :, None]  # (batch, cells of an image, 1, 4)
    truth = targets[:, None, :, :4]  # (batch, 1, boxes, 4)
    low = torch.maximum(boxes[..., :2] - boxes[..., 2:] / 2, truth[..., :2] - truth[..., 2:] / 2)
    high = torch.minimum(boxes[..., :2] + boxes[..., 2:] / 2, truth[..., :2] + truth[..., 2:] / 2)
    overlap = (high - low).clamp(min=0).prod(-1)  # (batch, cells of an image, boxes); 0 for padding, whose size is 0
    together = boxes[..., 2:].prod(-1) + truth[..., 2:].prod(-1) - overlap
    return (overlap / together.clamp(min=1e-6)).amax(-1).flatten()


def _class_loss(logits: Tensor, found: Candidates, smoothing: float) -> Tensor:
    """(candidates, classes) binary cross entropy of every class."""
    wanted = F.one_hot(found.classes, logits.shape[-1]).to(logits.dtype)
    if smoothing:
        wanted = wanted * (1 - smoothing) + smoothing / logits.shape[-1]
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def _mean_of_positives(values: Tensor, found: Candidates) -> Tensor:
    # where, not a product: a candidate that is not positive may be infinite, and 0 * inf is not a number.
    return torch.where(found.positive, values, 0.0).sum() / found.positive.sum().clamp(min=1)


def _spread(values: Tensor, found: Candidates) -> Tensor:
    """(candidates,) -> (cells,): each cell's largest value, 0 where no candidate is."""
    return values.new_zeros(found.cells).scatter_reduce(0, found.cell, values, "amax")


def _weighted(factor: int, box: Tensor, objectness: Tensor, classes: Tensor) -> LossParts:
    total = factor * (box + objectness + classes)
    return LossParts(total, *(factor * part.detach() for part in (box, objectness, classes)))
