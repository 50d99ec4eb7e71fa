"""Batches of noise, for steps that are only to be measured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SyntheticBatch:
    """Images and truth as the loader's `Batch` has them."""

    images: Tensor
    targets: Tensor


def synthetic_batch(batch: int, shape: tuple[int, int], boxes: int, classes: int) -> SyntheticBatch:
    """`batch` images of noise of `shape` (height, width), each with `boxes` boxes; always the same."""
    chance = torch.Generator().manual_seed(1)
    height, width = shape
    images = torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=chance)
    targets = torch.rand(batch, boxes, 5, generator=chance)
    targets[..., :2] = targets[..., :2] * torch.tensor([width, height])
    targets[..., 2:4] = (0.05 + 0.4 * targets[..., 2:4]) * torch.tensor([width, height])
    targets[..., 4] = (targets[..., 4] * classes).floor().clamp(max=classes - 1)
    return SyntheticBatch(images.permute(0, 3, 1, 2), targets)
