"""What the training minimises: the loss of each method, behind one interface.

A `Loss` turns the raw outputs of a network and the ground truth of a batch into `LossParts`, the same number of
operations for any number of boxes and without waiting for the host.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.network.decode import decode_boxes, split_level
from engine.network.yolov4 import Detector, Level
from engine.recipe import Recipe
from engine.training.loss.assignment import Candidates, Grid, assign_best_anchor, assign_multi_anchor
from engine.training.loss.iou import ciou_loss, siou_loss

_LARGEST_EXPONENT = 15.0
_IGNORE_IOU = 0.5
_TUTORIAL_BALANCE = {32: 0.4, 16: 1.0, 8: 4.0}


@dataclass(frozen=True, slots=True)
class LossParts:
    """Scalars: `total` is what the gradient flows from; the others are its weighted terms."""

    total: Tensor
    box: Tensor
    objectness: Tensor
    classes: Tensor

    def detached(self) -> Tensor:
        """(4,) total, box, objectness, classes without gradient: one transfer for all of them."""
        return torch.stack((self.total, self.box, self.objectness, self.classes)).detach()


@dataclass(frozen=True, slots=True)
class Terms:
    """The loss before its means are taken, each (3, levels): box, objectness, classes; so that batches can be added up."""

    sums: Tensor
    counts: Tensor
    weights: Tensor

    def __add__(self, other: Terms) -> Terms:
        """The terms of both batches together."""
        return Terms(self.sums + other.sums, self.counts + other.counts, self.weights)

    def parts(self) -> LossParts:
        """Weighted means, added up over the levels."""
        box, objectness, classes = (self.weights * self.sums / self.counts.clamp(min=1)).sum(-1)
        return LossParts(box + objectness + classes, box, objectness, classes)


@dataclass(frozen=True, slots=True)
class Matched:
    """What a level's cells say, beside the boxes they answer for."""

    level: Level
    output: Tensor
    """(batch, anchors, height, width, 5 + classes)"""
    found: Candidates
    distance: Tensor
    """(candidates,) the box loss of each, without gradient."""
    targets: Tensor
    """(batch, boxes, 5) all boxes of each image."""

    @property
    def logits(self) -> Tensor:
        """(cells,) the objectness of every cell before its sigmoid."""
        return self.output[..., 4].flatten()


class Loss(ABC):
    """The loss of a method."""

    def __init__(self, network: Detector, label_smoothing: float) -> None:
        self.classes = network.classes
        self.smoothing = label_smoothing
        self.levels = [_LevelTensors.of(level, network) for level in network.levels]

    def __call__(self, raw: Sequence[Tensor], targets: Tensor) -> LossParts:
        """The loss to train with.

        Args:
            raw: the network's outputs, (batch, anchors * (5 + classes), height, width) per level.
            targets: (batch, boxes, 5) cx cy w h class in input pixels, padding with class -1.
        """
        return self.terms(raw, targets, training=True).parts()

    def terms(self, raw: Sequence[Tensor], targets: Tensor, *, training: bool) -> Terms:
        """The loss in pieces. Without `training` no target and no weight in it moves with the model: it can be read as a trend."""
        outputs = [split_level(one.float(), len(level.anchors)) for one, level in zip(raw, self.levels, strict=True)]
        grids = [level.grid(output) for level, output in zip(self.levels, outputs, strict=True)]
        found = self.assign(targets, grids)
        pieces = [
            self._level(*one, targets, training=training)
            for one in zip(self.levels, outputs, grids, found, strict=True)
        ]
        sums, counts = (torch.stack([torch.stack(piece[i]) for piece in pieces], -1) for i in (0, 1))
        weights = [self.weights(grid) for grid in grids]
        return Terms(sums, counts, torch.tensor(weights, device=sums.device).T)

    def _level(
        self, level: _LevelTensors, output: Tensor, grid: Grid, found: Candidates, targets: Tensor, *, training: bool
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Sums and counts of box, objectness and classes of one level; `output` is (batch, anchors, height, width, 5 + classes)."""
        chosen = output.reshape(found.cells, -1)[found.cell]  # (candidates, 5 + classes)
        distance = self.box_loss(_boxes_at(chosen, found, level, grid), found.boxes)
        wanted = _class_loss(chosen[:, 5:], found, self.smoothing).mean(-1)
        positives = found.positive.sum().to(output.dtype)
        seen = Matched(level.level, output, found, distance.detach(), targets)
        objectness, ngettext = self.objectness(seen, training=training)
        return (
            (_sum_of_positives(distance, found), objectness, _sum_of_positives(wanted, found)),
            (positives, ngettext, positives),
        )

    box_loss: Callable[[Tensor, Tensor], Tensor]

    @abstractmethod
    def assign(self, targets: Tensor, grids: Sequence[Grid]) -> list[Candidates]:
        """Which cells answer for which boxes."""

    @abstractmethod
    def weights(self, grid: Grid) -> tuple[float, float, float]:
        """What the means of box, objectness and classes count at this level."""

    @abstractmethod
    def objectness(self, seen: Matched, *, training: bool) -> tuple[Tensor, Tensor]:
        """The sum of the objectness term over a level's cells, and how many of them count."""


class ModernLoss(Loss):
    """Several anchors per box, an objectness that learns the overlap, plain cross entropy over all cells.

    Per level `0.05 mean(1 - CIoU) + classes/32 mean(BCE classes) + b mean(BCE objectness)`, b doubling with each finer
    level. The objectness target is the box's IoU in training and 1 in validation.
    """

    def __init__(self, network: Detector, label_smoothing: float = 0.0) -> None:
        super().__init__(network, label_smoothing)
        self.box_loss = ciou_loss
        self.coarsest = max(level.stride for level in network.levels)

    def assign(self, targets: Tensor, grids: Sequence[Grid]) -> list[Candidates]:
        """Every anchor of a similar shape, and the best one always."""
        return assign_multi_anchor(targets, grids)

    def weights(self, grid: Grid) -> tuple[float, float, float]:
        """The finer the level, the more of its cells are empty, and the more its objectness counts."""
        return 0.05, self.coarsest / grid.stride, self.classes / 32

    def objectness(self, seen: Matched, *, training: bool) -> tuple[Tensor, Tensor]:
        """Cross entropy over all cells."""
        wanted = (1 - seen.distance).clamp(0, 1) if training else torch.ones_like(seen.distance)
        target = _spread(wanted * seen.found.positive, seen.found)
        entropy = F.binary_cross_entropy_with_logits(seen.logits, target, reduction="sum")
        return entropy, entropy.new_full((), seen.found.cells)


class TutorialLoss(Loss):
    """The tutorials' own: one anchor per box, cells that overlap any truth left out of the negatives.

    Per level `0.05 mean(1 - IoU) + classes/80 mean(BCE classes) + balance * 5 (H W / 416^2) mean(BCE objectness)`, balance
    0.4, 1, 4 at strides 32, 16, 8; focal objectness times 10. In validation no cell is left out, since which ones overlap
    hangs on the model.
    """

    def __init__(
        self,
        network: Detector,
        *,
        iou_type: str = "ciou",
        focal: tuple[float, float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        """`focal`: alpha and gamma, or None without focal loss."""
        super().__init__(network, label_smoothing)
        self.box_loss = siou_loss if iou_type == "siou" else ciou_loss
        self.focal = focal
        self.all_anchors = _anchor_tensor(network.all_anchors, network)

    def assign(self, targets: Tensor, grids: Sequence[Grid]) -> list[Candidates]:
        """The one anchor of best shape."""
        return assign_best_anchor(targets, grids, self.all_anchors)

    def weights(self, grid: Grid) -> tuple[float, float, float]:
        """Objectness counts more for larger inputs and for finer levels."""
        size = grid.stride**2 * grid.height * grid.width
        return 0.05, _TUTORIAL_BALANCE[grid.stride] * 5 * size / 416**2, self.classes / 80

    def objectness(self, seen: Matched, *, training: bool) -> tuple[Tensor, Tensor]:
        """Cross entropy over the cells that hold an object and those that overlap none."""
        objects = _spread(seen.found.positive.to(seen.output.dtype), seen.found)  # (cells,) 1 where an object belongs
        ngettext = torch.ones_like(objects)
        if training:
            overlapping = _best_overlap(seen.output.detach(), seen.targets, seen.level) > _IGNORE_IOU
            ngettext = torch.maximum(objects, 1 - overlapping.to(objects.dtype))
        entropy = F.binary_cross_entropy_with_logits(seen.logits, objects, reduction="none")
        if self.focal is not None:
            alpha, gamma = self.focal
            mistake = (seen.logits.sigmoid() - objects).abs()
            # The floor keeps the gradient of mistake ** gamma finite where gamma is below 1 and the mistake is 0.
            entropy = 10 * torch.where(objects > 0, alpha, 1 - alpha) * mistake.clamp(min=1e-9) ** gamma * entropy
        return (entropy * ngettext).sum(), ngettext.sum()


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
    def of(level: Level, network: Detector) -> _LevelTensors:
        anchors = _anchor_tensor(level.anchors, network)
        places = [network.all_anchors.index(anchor) for anchor in level.anchors]
        return _LevelTensors(level, anchors, torch.tensor(places, device=anchors.device))

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


def _sum_of_positives(values: Tensor, found: Candidates) -> Tensor:
    # where, not a product: a candidate that is not positive may be infinite, and 0 * inf is not a number.
    return torch.where(found.positive, values, 0.0).sum()


def _spread(values: Tensor, found: Candidates) -> Tensor:
    """(candidates,) -> (cells,): each cell's largest value, 0 where no candidate is."""
    return values.new_zeros(found.cells).scatter_reduce(0, found.cell, values, "amax")
