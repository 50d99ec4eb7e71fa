"""Boxes in pixels from the raw outputs of an anchor-based network. Runs on any device, the meta device included."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.network.detector import Level


def split_level(raw: Tensor, anchors: int) -> Tensor:
    """A view (batch, anchors, height, width, 5 + classes) of one level's output (batch, anchors * (5 + classes), h, w)."""
    batch, _, height, width = raw.shape
    return raw.view(batch, anchors, -1, height, width).permute(0, 1, 3, 4, 2)


def decode_boxes(predicted: Tensor, level: Level) -> Tensor:
    """The boxes of one level: cx cy w h in pixels of the input.

    centre = sigmoid(t) * s - (s - 1) / 2 + cell; size = anchor * exp(t). YOLOv3 (Redmon, Farhadi 2018), section 2.1, with
    YOLOv4's scale s (section 3.2).

    Args:
        predicted: (batch, anchors, height, width, 4 or more), as `split_level` returns it.
        level: stride, anchors and scale of that level.

    Returns:
        (batch, anchors, height, width, 4)
    """
    height, width = predicted.shape[2:4]
    rows = torch.arange(height, dtype=predicted.dtype, device=predicted.device).view(height, 1)
    columns = torch.arange(width, dtype=predicted.dtype, device=predicted.device).view(1, width)
    # x and y of every cell: (height, width, 2)
    cells = torch.stack((columns.expand(height, width), rows.expand(height, width)), dim=-1)
    scale = level.scale_x_y
    centres = (predicted[..., 0:2].sigmoid() * scale - (scale - 1) / 2 + cells) * level.stride
    anchors = torch.tensor(level.anchors, dtype=predicted.dtype, device=predicted.device)
    sizes = predicted[..., 2:4].exp() * anchors.view(-1, 1, 1, 2)
    return torch.cat((centres, sizes), dim=-1)


def decode(raw: Sequence[Tensor], levels: Sequence[Level], input_shape: tuple[int, int]) -> Tensor:
    """All predictions of a batch in float32.

    Args:
        raw: for each level (batch, anchors * (5 + classes), height, width).
        levels: the network's levels, in the same order.
        input_shape: height and width of the input in pixels.

    Returns:
        (batch, rows, 5 + classes): cx cy w h in pixels of the input, objectness, class probabilities. Rows run over
        levels, then y, x, anchor.

    Raises:
        ValueError: the output of a level does not belong to an input of that shape.
    """
    rows = []
    for output, level in zip(raw, levels, strict=True):
        grid_shape = tuple(output.shape[2:])
        if grid_shape != (input_shape[0] // level.stride, input_shape[1] // level.stride):
            raise ValueError(f"predictions of {grid_shape} cells at stride {level.stride} for input {input_shape}")
        predicted = split_level(output.float(), len(level.anchors))
        boxes = decode_boxes(predicted, level)
        decoded = torch.cat((boxes, predicted[..., 4:].sigmoid()), dim=-1)
        # (batch, anchors, height, width, 5 + classes) -> (batch, height * width * anchors, 5 + classes)
        rows.append(decoded.permute(0, 2, 3, 1, 4).flatten(1, 3))
    return torch.cat(rows, dim=1)
