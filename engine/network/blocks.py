"""The parts both networks are built from.

Shapes are (batch, channels, height, width). A convolution keeps height and width, or halves them at stride 2.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Activation = Literal["mish", "leaky"]
LEAK = 0.1
# Darknet writes 1e-5, OpenCV's reader of its files 1e-6. On the official tiny weights, where some channels hardly vary,
# only the latter gives the published reference outputs (largest difference 6e-5; with 1e-5 it is 8e-4).
EPSILON = 1e-6


class Conv2d(nn.Conv2d):
    """A convolution's weights, drawn as He et al. (2015, section 2.2) advise: normal, variance 2 / fan-in."""

    def reset_parameters(self) -> None:
        """Draw new weights; the bias, where there is one, becomes 0. On the meta device there is nothing to draw."""
        if self.weight.is_meta:
            return
        nn.init.kaiming_normal_(self.weight, a=LEAK, mode="fan_in", nonlinearity="leaky_relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ConvBNAct(nn.Module):
    """Convolution without bias, batch norm, activation: what Darknet calls a convolutional layer."""

    def __init__(self, inside: int, outside: int, size: int, stride: int = 1, activation: Activation = "leaky") -> None:
        super().__init__()
        self.conv = Conv2d(inside, outside, size, stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outside, eps=EPSILON)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(b, inside, h, w) -> (b, outside, h / stride, w / stride)."""
        x = self.norm(self.conv(x))
        if self.activation == "leaky":
            return F.leaky_relu(x, LEAK, inplace=True)  # backward asks only for the sign, which the output has too
        return F.mish(x, inplace=not x.requires_grad)  # backward asks for the input; where there is none, overwrite


class Residual(nn.Module):
    """1x1 then 3x3 convolution, both with Mish, added to the input (Darknet53)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = ConvBNAct(channels, hidden, 1, activation="mish")
        self.expand = ConvBNAct(hidden, channels, 3, activation="mish")

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        added: Tensor = self.expand(self.reduce(x)).add_(x)  # Mish's backward does not need its output
        return added


class CSPStage(nn.Module):
    """One stage of CSPDarknet53: half the resolution, then residuals beside a path that passes them by.

    Wang et al. 2020, "CSPNet", section 3; the first stage keeps all channels in both paths, as YOLOv4 does.
    """

    def __init__(self, inside: int, outside: int, residuals: int, *, halve: bool = True) -> None:
        super().__init__()
        path = outside // 2 if halve else outside
        hidden = path if halve else path // 2
        self.downsample = ConvBNAct(inside, outside, 3, 2, "mish")
        self.bypass = ConvBNAct(outside, path, 1, activation="mish")
        self.enter = ConvBNAct(outside, path, 1, activation="mish")
        self.residuals = nn.Sequential(*(Residual(path, hidden) for _ in range(residuals)))
        self.leave = ConvBNAct(path, path, 1, activation="mish")
        self.merge = ConvBNAct(2 * path, outside, 1, activation="mish")

    def forward(self, x: Tensor) -> Tensor:
        """(b, inside, h, w) -> (b, outside, h/2, w/2)."""
        x = self.downsample(x)
        through = self.leave(self.residuals(self.enter(x)))
        merged: Tensor = self.merge(torch.cat((through, self.bypass(x)), dim=1))
        return merged


class TinyCSPStage(nn.Module):
    """One stage of CSPDarknet53-tiny: only the second half of the channels passes the inner convolutions.

    Wang et al. 2021, "Scaled-YOLOv4", section 4.3. The caller pools; `forward` also gives the features before the
    outer concatenation, which the finer head looks at.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.enter = ConvBNAct(channels, channels, 3)
        self.first = ConvBNAct(half, half, 3)
        self.second = ConvBNAct(half, half, 3)
        self.merge = ConvBNAct(channels, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, channels, h, w) -> (b, 2 * channels, h, w) and the merged features (b, channels, h, w)."""
        x = self.enter(x)
        first = self.first(x.chunk(2, dim=1)[1])
        merged = self.merge(torch.cat((self.second(first), first), dim=1))
        return torch.cat((x, merged), dim=1), merged


class SpatialPyramidPooling(nn.Module):
    """Maxima over 13x13, 9x9 and 5x5 neighbours beside the features themselves (YOLOv4, section 3.4).

    A 5x5 maximum of a 5x5 maximum is the 9x9 maximum, and one more is the 13x13: the same values for a quarter of the
    comparisons.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, 4 * c, h, w)."""
        five = F.max_pool2d(x, 5, stride=1, padding=2)
        nine = F.max_pool2d(five, 5, stride=1, padding=2)
        thirteen = F.max_pool2d(nine, 5, stride=1, padding=2)
        return torch.cat((thirteen, nine, five, x), dim=1)


def conv_stack(inside: int, channels: int, count: int) -> nn.Sequential:
    """`count` convolutions, 1x1 to `channels` and 3x3 to twice that by turns, as YOLO's necks have them."""
    layers = []
    for place in range(count):
        outside, size = (channels, 1) if place % 2 == 0 else (2 * channels, 3)
        layers.append(ConvBNAct(inside, outside, size))
        inside = outside
    return nn.Sequential(*layers)


def upsample(x: Tensor) -> Tensor:
    """Twice the height and width, each value repeated."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
