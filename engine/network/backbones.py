"""CSPDarknet53 and CSPDarknet53-tiny: the part of a network that the freeze stage does not change.

Parameters and running statistics are exactly the prefix of a Darknet file that is published as backbone weights.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from engine.network.blocks import ConvBNAct, CSPStage, TinyCSPStage


class CSPDarknet53(nn.Module):
    """Bochkovskiy et al. 2020, "YOLOv4", section 3.4: 26.6 M parameters, Mish."""

    channels = (256, 512, 1024)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBNAct(3, 32, 3, activation="mish")
        self.stages = nn.ModuleList(
            [
                CSPStage(32, 64, 1, halve=False),
                CSPStage(64, 128, 2),
                CSPStage(128, 256, 8),
                CSPStage(256, 512, 8),
                CSPStage(512, 1024, 4),
            ]
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(b, 3, h, w) -> features at strides 8, 16 and 32: (b, 256, h/8, w/8), (b, 512, ...), (b, 1024, ...)."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features[2:])


class CSPDarknet53Tiny(nn.Module):
    """Wang et al. 2021, "Scaled-YOLOv4", section 4.3: 3.6 M parameters, LeakyReLU."""

    channels = (256, 512)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvBNAct(3, 32, 3, 2), ConvBNAct(32, 64, 3, 2))
        self.stages = nn.ModuleList([TinyCSPStage(64), TinyCSPStage(128), TinyCSPStage(256)])
        self.last = ConvBNAct(512, 512, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(b, 3, h, w) -> features at strides 16 and 32: (b, 256, h/16, w/16), (b, 512, h/32, w/32)."""
        x = self.stem(images)
        fine = x
        for stage in self.stages:
            x, fine = stage(x)
            x = F.max_pool2d(x, 2, stride=2)
        return fine, self.last(x)
