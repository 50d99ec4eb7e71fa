"""The building blocks of the networks.

Shapes are (batch, channels, height, width). A convolution keeps height and width, or halves them at stride 2.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.network.mish import mish
from engine.network.recompute import recomputed, recomputed_norm_mish

Activation = Literal["mish", "leaky"]
LEAK = 0.1
# Darknet uses 1e-5, OpenCV's reader of its files 1e-6. With the official tiny weights, some of whose channels have a tiny
# variance, only the latter gives the published reference outputs (largest difference 6e-5; with 1e-5 it is 8e-4).
EPSILON = 1e-6


class Conv2d(nn.Conv2d):
    """A convolution with the initialisation of He et al. (2015, section 2.2): normal, variance 2 / fan-in."""

    def reset_parameters(self) -> None:
        """Draw new weights and set the bias, if there is one, to 0. Does nothing on the meta device."""
        if self.weight.is_meta:
            return
        nn.init.kaiming_normal_(self.weight, a=LEAK, mode="fan_in", nonlinearity="leaky_relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ConvBNAct(nn.Module):
    """Convolution without bias, batch norm, activation: what Darknet calls a convolutional layer."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, activation: Activation = "leaky"
    ) -> None:
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=EPSILON)
        self.activation = activation
        self.checkpointing = False
        """Compute batch norm again in the backward pass, see `recomputed_norm_mish`. Leaky ReLU works in place anyway."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h / stride, w / stride)."""
        x = self.conv(x)
        if self.activation == "leaky":
            # In place: backward needs only the sign, which the output has too.
            return F.leaky_relu(self.norm(x), LEAK, inplace=True)
        if self.checkpointing and x.requires_grad and torch.is_grad_enabled():
            return recomputed_norm_mish(x, self.norm)
        return mish(self.norm(x))


class Residual(nn.Module):
    """1x1 then 3x3 convolution, both with Mish, added to the input (Darknet53)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = ConvBNAct(channels, hidden, 1, activation="mish")
        self.expand = ConvBNAct(hidden, channels, 3, activation="mish")

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, h, w) -> the same shape."""
        added: Tensor = self.expand(self.reduce(x)).add_(x)  # in place: Mish's backward does not need its output
        return added


class CSPStage(nn.Module):
    """One stage of CSPDarknet53: downsampling, then two parallel paths, one with residual blocks and one without.

    Wang et al. 2020, "CSPNet", section 3. With `halve` each path has half of the channels; in YOLOv4's first stage both have
    all of them.
    """

    def __init__(self, in_channels: int, out_channels: int, residuals: int, *, halve: bool = True) -> None:
        super().__init__()
        path = out_channels // 2 if halve else out_channels
        hidden = path if halve else path // 2
        self.downsample = ConvBNAct(in_channels, out_channels, 3, 2, "mish")
        self.bypass = ConvBNAct(out_channels, path, 1, activation="mish")
        self.enter = ConvBNAct(out_channels, path, 1, activation="mish")
        self.residuals = nn.Sequential(*(Residual(path, hidden) for _ in range(residuals)))
        self.leave = ConvBNAct(path, path, 1, activation="mish")
        self.merge = ConvBNAct(2 * path, out_channels, 1, activation="mish")
        self.checkpointing = False
        """Keep only the input for the backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h/2, w/2)."""
        return recomputed(self, self._forward, x) if self.checkpointing else self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        x = self.downsample(x)
        residual_path = self.leave(self.residuals(self.enter(x)))
        merged: Tensor = self.merge(torch.cat((residual_path, self.bypass(x)), dim=1))
        return merged


class TinyCSPStage(nn.Module):
    """One stage of CSPDarknet53-tiny: the inner convolutions see only the second half of the channels.

    Wang et al. 2021, "Scaled-YOLOv4", section 4.3. The caller does the pooling. `forward` also returns the features before the
    outer concatenation, which the finer head uses.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.enter = ConvBNAct(channels, channels, 3)
        self.first = ConvBNAct(half, half, 3)
        self.second = ConvBNAct(half, half, 3)
        self.merge = ConvBNAct(channels, channels, 1)
        self.checkpointing = False
        """Keep only the input for the backward pass."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, channels, h, w) -> (b, 2 * channels, h, w) and the merged features (b, channels, h, w)."""
        return recomputed(self, self._forward, x) if self.checkpointing else self._forward(x)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.enter(x)
        first = self.first(x.chunk(2, dim=1)[1])
        merged = self.merge(torch.cat((self.second(first), first), dim=1))
        return torch.cat((x, merged), dim=1), merged


class SpatialPyramidPooling(nn.Module):
    """Max pooling over 13x13, 9x9 and 5x5 windows, concatenated with the input (YOLOv4, section 3.4).

    Two 5x5 poolings in a row equal one of 9x9, three equal one of 13x13: the same values for a quarter of the comparisons.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, 4 * c, h, w)."""
        pool5 = F.max_pool2d(x, 5, stride=1, padding=2)
        pool9 = F.max_pool2d(pool5, 5, stride=1, padding=2)
        pool13 = F.max_pool2d(pool9, 5, stride=1, padding=2)
        return torch.cat((pool13, pool9, pool5, x), dim=1)


def conv_stack(in_channels: int, channels: int, count: int) -> nn.Sequential:
    """`count` convolutions, alternately 1x1 to `channels` and 3x3 to twice as many, as in YOLO's necks."""
    layers = []
    for index in range(count):
        out_channels, kernel_size = (channels, 1) if index % 2 == 0 else (2 * channels, 3)
        layers.append(ConvBNAct(in_channels, out_channels, kernel_size))
        in_channels = out_channels
    return nn.Sequential(*layers)


def upsample(x: Tensor) -> Tensor:
    """Double height and width, nearest neighbour."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
