"""Necks, which mix a backbone's features between levels, and the head of a level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.network.blocks import Conv2d, ConvBNAct, SpatialPyramidPooling, conv_stack, upsample


class PathAggregation(nn.Module):
    """YOLOv4's neck: pooling at the coarsest level, features mixed top-down, then bottom-up (PANet, section 3)."""

    channels = (128, 256, 512)

    def __init__(self) -> None:
        super().__init__()
        self.before_pool = conv_stack(1024, 512, 3)
        self.pool = SpatialPyramidPooling()
        self.after_pool = conv_stack(2048, 512, 3)
        self.middle = _TopDown(512, 256)
        self.fine = _TopDown(256, 128)
        self.to_middle = _BottomUp(128, 256)
        self.to_coarse = _BottomUp(256, 512)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Features at strides 8, 16, 32 -> (b, 128, h/8, w/8), (b, 256, h/16, w/16), (b, 512, h/32, w/32)."""
        fine, middle, coarse = features
        coarse = self.after_pool(self.pool(self.before_pool(coarse)))
        middle = self.middle(middle, coarse)
        fine = self.fine(fine, middle)
        middle = self.to_middle(fine, middle)
        return fine, middle, self.to_coarse(middle, coarse)


class _TopDown(nn.Module):
    """Upsampled coarser features, concatenated with the backbone's features of this level, then five convolutions."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.reduce = ConvBNAct(in_channels, channels, 1)
        self.lateral = ConvBNAct(in_channels, channels, 1)
        self.mix = conv_stack(2 * channels, channels, 5)

    def forward(self, features: Tensor, coarser: Tensor) -> Tensor:
        """(b, in_channels, h, w) and (b, in_channels, h/2, w/2) -> (b, channels, h, w)."""
        upsampled = upsample(self.reduce(coarser))
        mixed: Tensor = self.mix(torch.cat((self.lateral(features), upsampled), dim=1))
        return mixed


class _BottomUp(nn.Module):
    """Downsampled finer features, concatenated with the features of this level, then five convolutions."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.downsample = ConvBNAct(in_channels, channels, 3, 2)
        self.mix = conv_stack(2 * channels, channels, 5)

    def forward(self, finer: Tensor, features: Tensor) -> Tensor:
        """(b, in_channels, 2h, 2w) and (b, channels, h, w) -> (b, channels, h, w)."""
        mixed: Tensor = self.mix(torch.cat((self.downsample(finer), features), dim=1))
        return mixed


class TinyNeck(nn.Module):
    """YOLOv4-tiny's neck: the coarse features, and the same upsampled and concatenated with the fine ones."""

    channels = (384, 256)

    def __init__(self) -> None:
        super().__init__()
        self.coarse = ConvBNAct(512, 256, 1)
        self.reduce = ConvBNAct(256, 128, 1)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Features at strides 16, 32 -> (b, 384, h/16, w/16), (b, 256, h/32, w/32)."""
        fine, coarse = features
        coarse = self.coarse(coarse)
        return torch.cat((upsample(self.reduce(coarse)), fine), dim=1), coarse


class Head(nn.Module):
    """A 3x3 convolution, and the 1x1 convolution that predicts."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.spread = ConvBNAct(in_channels, hidden, 3)
        self.predict = Conv2d(hidden, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h, w), no activation."""
        raw: Tensor = self.predict(self.spread(x))
        return raw
