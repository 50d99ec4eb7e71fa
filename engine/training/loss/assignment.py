"""Which cells and anchors are assigned to which ground truth boxes.

Everything here has a fixed number of operations and fixed shapes, whatever the boxes: every (image, box, anchor) is a
candidate, and a mask says which are positive. Nothing synchronises with the host, so the code runs on the `meta` device too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

SHAPE_IOU = 0.213
"""An anchor whose shape has a larger IoU with a box is assigned to it too (YOLOv4, section 3.4, several anchors per truth)."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One level for the assignment: `anchors` (anchors, 2) in input pixels; `anchor_indices` (anchors,) int64, their indices
    among all the network's anchors; `stride` in pixels; `height` and `width` in cells.
    """

    anchors: Tensor
    anchor_indices: Tensor
    stride: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """The (image, box, anchor) combinations of one level, flattened; n = batch * boxes * anchors of the level."""

    cell: Tensor
    """(n,) int64: index into the level's flattened (batch, anchors, height, width) grid."""
    positive: Tensor
    """(n,) bool: whether this anchor at this cell is assigned to this box."""
    boxes: Tensor
    """(n, 4) ground truth cx cy w h in input pixels."""
    classes: Tensor
    """(n,) int64; 0 where the candidate is padding."""
    cells: int
    """Number of cells in that grid."""


def shape_iou(sizes: Tensor, anchors: Tensor) -> Tensor:
    """IoU of boxes and anchors with the same centre: (..., 2) and (anchors, 2) in pixels -> (..., anchors)."""
    overlap = torch.minimum(sizes[..., None, :], anchors).prod(-1)
    union = sizes.prod(-1)[..., None] + anchors.prod(-1) - overlap
    return overlap / union.clamp(min=1e-9)


def assign_multi_anchor(targets: Tensor, grids: Sequence[Grid]) -> list[Candidates]:
    """Every anchor of a similar shape is positive, and always the best one, at the cell of the box's centre.

    Args:
        targets: (batch, boxes, 5) cx cy w h class in input pixels, padding with class -1.
        grids: the network's levels.
    """
    per_level = [shape_iou(targets[..., 2:4], grid.anchors) for grid in grids]  # (batch, boxes, anchors)
    best = torch.cat(per_level, -1).amax(-1, keepdim=True)
    return [
        _candidates(targets, grid, (iou > SHAPE_IOU) | (iou == best))
        for grid, iou in zip(grids, per_level, strict=True)
    ]


def assign_best_anchor(targets: Tensor, grids: Sequence[Grid], all_anchors: Tensor) -> list[Candidates]:
    """The tutorials' rule: only the anchor of best shape, among all the network's anchors, is positive.

    If no level has that anchor (tiny's first), the box is assigned nowhere; if two levels have it (tiny's fourth), on both.
    Where two boxes fall on the same cell and anchor, the later one gets it. `all_anchors` is (anchors, 2) in input pixels.
    """
    best_anchor = shape_iou(targets[..., 2:4], all_anchors).argmax(-1, keepdim=True)  # (batch, boxes, 1)
    return [_keep_last_per_cell(_candidates(targets, grid, best_anchor == grid.anchor_indices)) for grid in grids]


def _candidates(targets: Tensor, grid: Grid, matches: Tensor) -> Candidates:
    """`matches`: (batch, boxes, anchors of the level) bool."""
    batch, _, anchors = matches.shape
    column = (targets[..., 0] / grid.stride).long().clamp(0, grid.width - 1)[..., None]  # (batch, boxes, 1)
    row = (targets[..., 1] / grid.stride).long().clamp(0, grid.height - 1)[..., None]
    image = torch.arange(batch, device=targets.device)[:, None, None]
    anchor = torch.arange(anchors, device=targets.device)
    cell = ((image * anchors + anchor) * grid.height + row) * grid.width + column
    is_box = targets[..., 4:5] >= 0
    return Candidates(
        cell=cell.flatten(),
        positive=(matches & is_box).flatten(),
        boxes=targets[..., None, :4].expand(-1, -1, anchors, -1).reshape(-1, 4),
        classes=targets[..., 4:5].long().clamp(min=0).expand(-1, -1, anchors).flatten(),
        cells=batch * anchors * grid.height * grid.width,
    )


def _keep_last_per_cell(candidates: Candidates) -> Candidates:
    order = torch.arange(1, candidates.cell.numel() + 1, device=candidates.cell.device)
    last = order.new_zeros(candidates.cells).scatter_reduce(0, candidates.cell, order * candidates.positive, "amax")
    return replace(candidates, positive=candidates.positive & (last[candidates.cell] == order))
