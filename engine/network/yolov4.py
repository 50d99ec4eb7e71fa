"""YOLOv4 and YOLOv4-tiny: backbone, neck, one head for each level.

Bochkovskiy, Wang, Liao 2020, "YOLOv4"; Wang, Bochkovskiy, Liao 2021, "Scaled-YOLOv4". Levels are always in ascending stride,
whatever their order in a Darknet file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from engine.network.backbones import CSPDarknet53, CSPDarknet53Tiny
from engine.network.decode import decode
from engine.network.detector import Detector, Layer, layers_of
from engine.network.necks import Head, PathAggregation, TinyNeck
from engine.network.registry import Anchors, NetworkSpec

_ANCHORS_PER_LEVEL = 3


class YoloV4(Detector):
    """YOLOv4. `backbone`, `neck` and `heads` hold all parameters."""

    backbone_type: ClassVar[type[nn.Module]] = CSPDarknet53
    neck_type: ClassVar[type[nn.Module]] = PathAggregation
    head_channels: ClassVar[tuple[tuple[int, int], ...]] = ((128, 256), (256, 512), (512, 1024))
    """For each level, channels of the input and of the 3x3 convolution."""
    darknet_order: ClassVar[tuple[str, ...]] = (
        *("backbone", "neck.before_pool", "neck.after_pool", "neck.middle", "neck.fine"),
        *("heads.0", "neck.to_middle", "heads.1", "neck.to_coarse", "heads.2"),
    )
    """Submodules in the order of a Darknet file."""

    def __init__(self, spec: NetworkSpec, classes: int, all_anchors: Anchors, scale_x_y: tuple[float, ...]) -> None:
        super().__init__(spec, classes, all_anchors, scale_x_y)
        self.backbone = self.backbone_type()
        self.neck = self.neck_type()
        out_channels = _ANCHORS_PER_LEVEL * (5 + classes)
        self.heads = nn.ModuleList(
            [Head(in_channels, hidden, out_channels) for in_channels, hidden in self.head_channels]
        )
        initialise_heads(self)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """For each level (batch, 3 * (5 + classes), height / stride, width / stride).

        For each anchor x, y, w, h, objectness, classes, before any sigmoid. `images`: (batch, 3, height, width) RGB from 0 to 1;
        height and width multiples of 32.
        """
        features = self.neck(self.features(images))
        return tuple(head(feature) for head, feature in zip(self.heads, features, strict=True))

    def decode(self, raw: Sequence[Tensor], input_shape: tuple[int, int]) -> Tensor:
        """See `Detector.decode`; rows run over levels, then y, x, anchor."""
        return decode(raw, self.levels, input_shape)

    def count_classes(self, state: Mapping[str, Tensor]) -> int | None:
        """See `Detector.count_classes`."""
        bias = state.get(f"{self.layers()[-1].module}.bias")
        if bias is None or bias.ndim != 1:
            return None
        outputs, remainder = divmod(bias.shape[0], _ANCHORS_PER_LEVEL)
        return outputs - 5 if remainder == 0 and outputs >= 6 else None

    def layers(self) -> tuple[Layer, ...]:
        """Every convolution in the order of a Darknet file."""
        return tuple(layer for name in self.darknet_order for layer in layers_of(name, self.get_submodule(name)))

    @property
    def head_convolutions(self) -> tuple[nn.Conv2d, ...]:
        """The last convolution of each level: the only ones whose shape depends on the number of classes."""
        return tuple(head.predict for head in self.heads if isinstance(head, Head))


class YoloV4Tiny(YoloV4):
    """YOLOv4-tiny."""

    backbone_type = CSPDarknet53Tiny
    neck_type = TinyNeck
    head_channels = ((384, 256), (256, 512))
    darknet_order = ("backbone", "neck.coarse", "heads.1", "neck.reduce", "heads.0")


def initialise_heads(network: YoloV4, *, std: float = 0.02, objectness: float = -4.0) -> None:
    """Initialise the predicting convolutions: weights normal(0, `std`), bias 0, and `objectness` as the bias of objectness.

    Nearly all cells hold no object; starting from that prior saves the first steps (Lin et al. 2017, "Focal Loss",
    section 3.3).
    """
    for convolution in network.head_convolutions:
        if convolution.weight.is_meta:
            continue
        nn.init.normal_(convolution.weight, std=std)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
            with torch.no_grad():
                # seen as (anchors, 5 + classes)
                convolution.bias.view(_ANCHORS_PER_LEVEL, -1)[:, 4] = objectness
