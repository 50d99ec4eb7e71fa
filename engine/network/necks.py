"""What mixes a backbone's features between levels, and what predicts from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.network.blocks import Conv2d, ConvBNAct, SpatialPyramidPooling, conv_stack, upsample


class PathAggregation(nn.Module):
    """YOLOv4's neck: pooling at the coarsest level, features mixed downwards, then upwards (PANet, section 3)."""

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
    """Coarser features, enlarged, beside the backbone's own at this level; five convolutions mix them."""

    def __init__(self, inside: int, channels: int) -> None:
        super().__init__()
        self.reduce = ConvBNAct(inside, channels, 1)
        self.lateral = ConvBNAct(inside, channels, 1)
        self.mix = conv_stack(2 * channels, channels, 5)

    def forward(self, own: Tensor, coarser: Tensor) -> Tensor:
        """(b, inside, h, w) and (b, inside, h/2, w/2) -> (b, channels, h, w)."""
        enlarged = upsample(self.reduce(coarser))
        mixed: Tensor = self.mix(torch.cat((self.lateral(own), enlarged), dim=1))
        return mixed


class _BottomUp(nn.Module):
    """Finer features, halved in size, beside this level's own; five convolutions mix them."""

    def __init__(self, inside: int, channels: int) -> None:
        super().__init__()
        self.downsample = ConvBNAct(inside, channels, 3, 2)
        self.mix = conv_stack(2 * channels, channels, 5)

    def forward(self, finer: Tensor, own: Tensor) -> Tensor:
        """(b, inside, 2h, 2w) and (b, channels, h, w) -> (b, channels, h, w)."""
        mixed: Tensor = self.mix(torch.cat((self.downsample(finer), own), dim=1))
        return mixed


class TinyNeck(nn.Module):
    """YOLOv4-tiny's neck: coarse features, and the same enlarged beside the fine ones."""

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

    def __init__(self, inside: int, hidden: int, outside: int) -> None:
        super().__init__()
        self.spread = ConvBNAct(inside, hidden, 3)
        self.predict = Conv2d(hidden, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inside, h, w) -> (b, outside, h, w), no activation."""
        raw: Tensor = self.predict(self.spread(x))
        return raw
