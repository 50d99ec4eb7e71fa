"""Batches of random images and boxes, for steps whose result does not matter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SyntheticBatch:
    """Images and targets in the form of the loader's `Batch`."""

    images: Tensor
    """(batch, 3, height, width) uint8."""
    targets: Tensor
    """(batch, boxes, 5) float32 cx cy w h class in pixels."""


def synthetic_batch(batch_size: int, shape: tuple[int, int], boxes: int, classes: int) -> SyntheticBatch:
    """`batch_size` images of `shape` (height, width) with `boxes` boxes each; the same ones on every call."""
    generator = torch.Generator().manual_seed(1)
    height, width = shape
    images = torch.randint(0, 256, (batch_size, height, width, 3), dtype=torch.uint8, generator=generator)
    targets = torch.rand(batch_size, boxes, 5, generator=generator)
    targets[..., :2] = targets[..., :2] * torch.tensor([width, height])
    targets[..., 2:4] = (0.05 + 0.4 * targets[..., 2:4]) * torch.tensor([width, height])
    targets[..., 4] = (targets[..., 4] * classes).floor().clamp(max=classes - 1)
    return SyntheticBatch(images.permute(0, 3, 1, 2), targets)
