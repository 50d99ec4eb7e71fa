"""The losses of both methods for networks with anchors, and the interface that every loss has.

A `Loss` computes `LossParts` from the raw outputs of a network and the targets of a batch, with the same number of operations
for any number of boxes and without synchronising with the host.
"""

from __future__ import annotations

import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.network.decode import decode_boxes, split_level
from engine.network.detector import Detector, Level
from engine.recipe import Recipe
from engine.training.loss.assignment import Candidates, Grid, assign_best_anchor, assign_multi_anchor
from engine.training.loss.iou import ciou_loss, siou_loss
from engine.training.loss.terms import LossParts, StepCounts, Terms

_MAX_EXPONENT = 15.0
_IGNORE_IOU = 0.5
_TUTORIAL_BALANCE = {32: 0.4, 16: 1.0, 8: 4.0}


class Loss(ABC):
    """The loss of a network; its constants are on the network's device."""

    def __call__(self, raw: Sequence[Tensor], targets: Tensor, step: StepCounts | None = None) -> LossParts:
        """The loss to train with, or with `step` the batch's share of it; for the other arguments see `terms`."""
        return self.terms(raw, targets, training=True).parts(step)

    @abstractmethod
    def terms(self, raw: Sequence[Tensor], targets: Tensor, *, training: bool) -> Terms:
        """The loss before its means are taken.

        Args:
            raw: the network's outputs, one tensor per level.
            targets: (batch, boxes, 5) cx cy w h class in input pixels, padding with class -1.
            training: False for validation, whose trend is shown: there no target and no weight should depend on the model's
                predictions.
        """

    def target_counts(self, targets: Tensor, input_shape: tuple[int, int]) -> Tensor | None:
        """The counts that `terms` has in training, as far as targets alone determine them; see `StepCounts`.

        Args:
            targets: (batch, boxes, 5) cx cy w h class in input pixels, padding with class -1.
            input_shape: height and width in pixels.

        Returns:
            (3, groups) with NaN where they depend on the network's outputs; None where all do.
        """
        del targets, input_shape
        return None


LossFactory = Callable[[Recipe, Detector], Loss]
"""What `NetworkSpec.loss` names."""


def build_loss(recipe: Recipe, network: Detector) -> Loss:
    """The loss of `network` for the recipe, as named in the table of networks."""
    factory: LossFactory = pkgutil.resolve_name(network.spec.loss)
    return factory(recipe, network)


def yolov4_loss(recipe: Recipe, network: Detector) -> Loss:
    """The loss of the recipe's method."""
    if recipe.method == "modern":
        return ModernLoss(network, recipe.label_smoothing)
    return TutorialLoss(
        network,
        iou_type=recipe.iou_type,
        focal=(recipe.focal_alpha, recipe.focal_gamma) if recipe.focal_loss else None,
        label_smoothing=recipe.label_smoothing,
    )


@dataclass(frozen=True, slots=True)
class LevelMatches:
    """The output of one level and the boxes that its cells are assigned to."""

    level: Level
    output: Tensor
    """(batch, anchors, height, width, 5 + classes)"""
    candidates: Candidates
    box_losses: Tensor
    """(candidates,) the box loss of each, without gradient."""
    targets: Tensor
    """(batch, boxes, 5) all boxes of each image."""

    @property
    def objectness_logits(self) -> Tensor:
        """The objectness of every cell before its sigmoid: (cells,)."""
        return self.output[..., 4].flatten()


class AnchorLoss(Loss):
    """A loss whose cells and anchors are assigned to boxes by shape and position."""

    def __init__(self, network: Detector, label_smoothing: float) -> None:
        self.classes = network.classes
        self.label_smoothing = label_smoothing
        self.levels = [_LevelTensors.of(level, network) for level in network.levels]

    def terms(self, raw: Sequence[Tensor], targets: Tensor, *, training: bool) -> Terms:
        """See `Loss.terms`; `raw` is (batch, anchors * (5 + classes), height, width) per level. One group per level."""
        outputs = [
            split_level(output.float(), len(level.anchors)) for output, level in zip(raw, self.levels, strict=True)
        ]
        grids = [level.grid(output) for level, output in zip(self.levels, outputs, strict=True)]
        assigned = self.assign(targets, grids)
        per_level = [
            self._level(level, output, grid, candidates, targets, training=training)
            for level, output, grid, candidates in zip(self.levels, outputs, grids, assigned, strict=True)
        ]
        sums, counts = (torch.stack([torch.stack(pair[i]) for pair in per_level], -1) for i in (0, 1))
        weights = [self.weights(grid) for grid in grids]
        return Terms(sums, counts, torch.tensor(weights, device=sums.device).T)

    @torch.no_grad()
    def target_counts(self, targets: Tensor, input_shape: tuple[int, int]) -> Tensor:
        """See `Loss.target_counts`: the assigned cells of each level, and its objectness cells."""
        grids = [level.grid_of(input_shape) for level in self.levels]
        counts = []
        for candidates in self.assign(targets, grids):
            positives = candidates.positive.sum().to(torch.float32)
            counts.append(
                torch.stack((positives, positives.new_full((), self.objectness_cells(candidates)), positives))
            )
        return torch.stack(counts, -1)

    def _level(
        self,
        level: _LevelTensors,
        output: Tensor,
        grid: Grid,
        candidates: Candidates,
        targets: Tensor,
        *,
        training: bool,
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Sums and counts of box, objectness and classes of one level; `output` is (batch, anchors, height, width, 5 + classes)."""
        predicted = output.reshape(candidates.cells, -1)[candidates.cell]  # (candidates, 5 + classes)
        box_losses = self.box_loss(_boxes_at(predicted, candidates, level, grid), candidates.boxes)
        class_losses = _class_loss(predicted[:, 5:], candidates, self.label_smoothing).mean(-1)
        positives = candidates.positive.sum().to(output.dtype)
        matches = LevelMatches(level.level, output, candidates, box_losses.detach(), targets)
        objectness, cells = self.objectness(matches, training=training)
        return (
            (_sum_of_positives(box_losses, candidates), objectness, _sum_of_positives(class_losses, candidates)),
            (positives, cells, positives),
        )

    box_loss: Callable[[Tensor, Tensor], Tensor]

    @abstractmethod
    def assign(self, targets: Tensor, grids: Sequence[Grid]) -> list[Candidates]:
        """For each level, which cells and anchors are assigned to which boxes."""

    @abstractmethod
    def weights(self, grid: Grid) -> tuple[float, float, float]:
        """The weights of the means of box, objectness and classes of a level."""

    @abstractmethod
    def objectness(self, matches: LevelMatches, *, training: bool) -> tuple[Tensor, Tensor]:
        """The sum of the objectness loss over a level's cells, and the number of cells in it."""

    @abstractmethod
    def objectness_cells(self, candidates: Candidates) -> float:
        """The number of cells in the objectness loss of a level in training; NaN where it depends on the outputs."""


class ModernLoss(AnchorLoss):
    """Several anchors per box, objectness that learns the IoU, cross entropy over all cells.

    Per level `0.05 mean(1 - CIoU) + classes/32 mean(BCE classes) + b mean(BCE objectness)`; b doubles with each finer level.
    The objectness target is the box's IoU in training and 1 in validation.
    """

    def __init__(self, network: Detector, label_smoothing: float = 0.0) -> None:
        super().__init__(network, label_smoothing)
        self.box_loss = ciou_loss
        self.max_stride = max(level.stride for level in network.levels)

    def assign(self, targets: Tensor, grids: Sequence[Grid]) -> list[Candidates]:
        """Every anchor of a similar shape, and always the best one."""
        return assign_multi_anchor(targets, grids)

    def weights(self, grid: Grid) -> tuple[float, float, float]:
        """Objectness has a larger weight on finer levels, since more of their cells are empty."""
        return 0.05, self.max_stride / grid.stride, self.classes / 32

    def objectness(self, matches: LevelMatches, *, training: bool) -> tuple[Tensor, Tensor]:
        """Cross entropy over all cells."""
        candidates = matches.candidates
        wanted = (1 - matches.box_losses).clamp(0, 1) if training else torch.ones_like(matches.box_losses)
        target = _scatter_to_cells(wanted * candidates.positive, candidates)
        entropy = F.binary_cross_entropy_with_logits(matches.objectness_logits, target, reduction="sum")
        return entropy, entropy.new_full((), candidates.cells)

    def objectness_cells(self, candidates: Candidates) -> float:
        """All of them."""
        return float(candidates.cells)


class TutorialLoss(AnchorLoss):
    """The tutorials' loss: one anchor per box; cells that overlap any box are left out of the negatives.

    Per level `0.05 mean(1 - IoU) + classes/80 mean(BCE classes) + balance * 5 (H W / 416^2) mean(BCE objectness)`, balance
    0.4, 1, 4 at strides 32, 16, 8; focal objectness times 10. In validation no cell is left out, since which cells overlap a
    box depends on the model.
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
        """Objectness has a larger weight for larger inputs and on finer levels."""
        input_pixels = grid.stride**2 * grid.height * grid.width
        return 0.05, _TUTORIAL_BALANCE[grid.stride] * 5 * input_pixels / 416**2, self.classes / 80

    def objectness(self, matches: LevelMatches, *, training: bool) -> tuple[Tensor, Tensor]:
        """Cross entropy over the cells that are assigned to an object and those that overlap none."""
        candidates = matches.candidates
        # (cells,) 1 where a cell is assigned to an object
        target = _scatter_to_cells(candidates.positive.to(matches.output.dtype), candidates)
        mask = torch.ones_like(target)
        if training:
            overlaps = _max_iou(matches.output.detach(), matches.targets, matches.level) > _IGNORE_IOU
            mask = torch.maximum(target, 1 - overlaps.to(target.dtype))
        entropy = F.binary_cross_entropy_with_logits(matches.objectness_logits, target, reduction="none")
        if self.focal is not None:
            alpha, gamma = self.focal
            error = (matches.objectness_logits.sigmoid() - target).abs()
            # The floor keeps the gradient of error ** gamma finite where gamma is below 1 and the error is 0.
            entropy = 10 * torch.where(target > 0, alpha, 1 - alpha) * error.clamp(min=1e-9) ** gamma * entropy
        return (entropy * mask).sum(), mask.sum()

    def objectness_cells(self, candidates: Candidates) -> float:
        """Not known: which cells are left out depends on the predicted boxes."""
        del candidates
        return math.nan


@dataclass(frozen=True, slots=True)
class _LevelTensors:
    """A level's constants, copied to the device once."""

    level: Level
    anchors: Tensor
    anchor_indices: Tensor

    @staticmethod
    def of(level: Level, network: Detector) -> _LevelTensors:
        anchors = _anchor_tensor(level.anchors, network)
        indices = [network.all_anchors.index(anchor) for anchor in level.anchors]
        return _LevelTensors(level, anchors, torch.tensor(indices, device=anchors.device))

    def grid(self, output: Tensor) -> Grid:
        """The level's grid for an `output` of (batch, anchors, height, width, 5 + classes)."""
        return Grid(self.anchors, self.anchor_indices, self.level.stride, output.shape[2], output.shape[3])

    def grid_of(self, input_shape: tuple[int, int]) -> Grid:
        """The level's grid for an input of (height, width) pixels."""
        height, width = (side // self.level.stride for side in input_shape)
        return Grid(self.anchors, self.anchor_indices, self.level.stride, height, width)


def _anchor_tensor(anchors: Sequence[tuple[float, float]], network: Detector) -> Tensor:
    return torch.tensor(anchors, dtype=torch.float32, device=next(network.parameters()).device)


def _boxes_at(predicted: Tensor, candidates: Candidates, level: _LevelTensors, grid: Grid) -> Tensor:
    """(candidates, 5 + classes) raw -> (candidates, 4) cx cy w h in input pixels."""
    scale = level.level.scale_x_y
    column = candidates.cell % grid.width
    row = candidates.cell // grid.width % grid.height
    anchor = grid.anchors[candidates.cell // (grid.width * grid.height) % len(grid.anchors)]
    centre = predicted[:, :2].sigmoid() * scale - (scale - 1) / 2 + torch.stack((column, row), -1)
    # The limit is far above any real box. Without it, one diverged cell that is not positive would make the whole gradient
    # NaN (0 * inf).
    return torch.cat((centre * grid.stride, predicted[:, 2:4].clamp(max=_MAX_EXPONENT).exp() * anchor), -1)


def _max_iou(output: Tensor, targets: Tensor, level: Level) -> Tensor:
    """(cells,) the largest IoU of each cell's decoded box with any ground truth box of its image."""
    boxes = decode_boxes(output, level).flatten(1, 3)[:, :, None]  # (batch, cells of an image, 1, 4)
    truth = targets[:, None, :, :4]  # (batch, 1, boxes, 4)
    low = torch.maximum(boxes[..., :2] - boxes[..., 2:] / 2, truth[..., :2] - truth[..., 2:] / 2)
    high = torch.minimum(boxes[..., :2] + boxes[..., 2:] / 2, truth[..., :2] + truth[..., 2:] / 2)
    overlap = (high - low).clamp(min=0).prod(-1)  # (batch, cells of an image, boxes); 0 for padding, whose size is 0
    union = boxes[..., 2:].prod(-1) + truth[..., 2:].prod(-1) - overlap
    return (overlap / union.clamp(min=1e-6)).amax(-1).flatten()


def _class_loss(logits: Tensor, candidates: Candidates, label_smoothing: float) -> Tensor:
    """(candidates, classes) binary cross entropy of every class."""
    wanted = F.one_hot(candidates.classes, logits.shape[-1]).to(logits.dtype)
    if label_smoothing:
        wanted = wanted * (1 - label_smoothing) + label_smoothing / logits.shape[-1]
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def _sum_of_positives(values: Tensor, candidates: Candidates) -> Tensor:
    # where, not a product: the value of a candidate that is not positive may be infinite, and 0 * inf is NaN.
    return torch.where(candidates.positive, values, 0.0).sum()


def _scatter_to_cells(values: Tensor, candidates: Candidates) -> Tensor:
    """(candidates,) -> (cells,): the largest value of each cell's candidates, 0 without candidates."""
    return values.new_zeros(candidates.cells).scatter_reduce(0, candidates.cell, values, "amax")
