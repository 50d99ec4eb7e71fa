"""YOLOv4 and YOLOv4-tiny: backbone, neck, one head for each level.

Bochkovskiy, Wang, Liao 2020, "YOLOv4"; Wang, Bochkovskiy, Liao 2021, "Scaled-YOLOv4". Levels always come in ascending
stride, whatever their order in a Darknet file.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from engine.messages import bad_input, nearest
from engine.network.backbones import CSPDarknet53, CSPDarknet53Tiny
from engine.network.blocks import Conv2d, ConvBNAct
from engine.network.necks import Head, PathAggregation, TinyNeck

Anchors = tuple[tuple[float, float], ...]
Part = Literal["backbone", "neck", "heads"]
ANCHORS_PER_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Level:
    """One output of a network: pixels per cell, anchors (width, height in pixels of the input), reach of a cell.

    `scale_x_y` stretches a centre's range over the borders of its cell (YOLOv4, section 3.2: "eliminate grid
    sensitivity"); it belongs to the weights.
    """

    stride: int
    anchors: Anchors
    scale_x_y: float


@dataclass(frozen=True, slots=True)
class Layer:
    """The names under which one convolution and its batch norm stand in a network's state dict."""

    part: Part
    kernel: str
    norm: str | None

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names in the order of a Darknet file: bias, scale, mean, variance, kernel; or bias, kernel."""
        if self.norm is None:
            return (f"{self.kernel}.bias", f"{self.kernel}.weight")
        norm = tuple(f"{self.norm}.{name}" for name in ("bias", "weight", "running_mean", "running_var"))
        return (*norm, f"{self.kernel}.weight")


@dataclass(frozen=True, slots=True)
class _Architecture:
    """What distinguishes one network from the other."""

    backbone: Callable[[], nn.Module]
    neck: Callable[[], nn.Module]
    heads: tuple[tuple[int, int], ...]  # (channels in, channels of the 3x3) for each level
    strides: tuple[int, ...]
    masks: tuple[tuple[int, ...], ...]  # which of all anchors each level has
    anchors: Anchors
    scale_x_y: tuple[float, ...]  # of Darknet's own weights
    file_order: tuple[str, ...]  # modules in the order of a Darknet file
    layers_before_heads: int  # convolutions in the published file that ends before the first head


_ARCHITECTURES: Mapping[str, _Architecture] = {
    "yolov4": _Architecture(
        backbone=CSPDarknet53,
        neck=PathAggregation,
        heads=((128, 256), (256, 512), (512, 1024)),
        strides=(8, 16, 32),
        masks=((0, 1, 2), (3, 4, 5), (6, 7, 8)),
        anchors=((12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)),
        scale_x_y=(1.2, 1.1, 1.05),
        file_order=(
            *("backbone", "neck.before_pool", "neck.after_pool", "neck.middle", "neck.fine"),
            *("heads.0", "neck.to_middle", "heads.1", "neck.to_coarse", "heads.2"),
        ),
        layers_before_heads=92,
    ),
    "yolov4-tiny": _Architecture(
        backbone=CSPDarknet53Tiny,
        neck=TinyNeck,
        heads=((384, 256), (256, 512)),
        strides=(16, 32),
        masks=((1, 2, 3), (3, 4, 5)),
        anchors=((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)),
        scale_x_y=(1.05, 1.05),
        file_order=("backbone", "neck.coarse", "heads.1", "neck.reduce", "heads.0"),
        layers_before_heads=17,
    ),
}
NETWORKS: tuple[str, ...] = tuple(_ARCHITECTURES)


class Detector(nn.Module):
    """A network with its class count and levels. Build one with `build_network`.

    `backbone`, `neck` and `heads` hold all parameters; `levels` and `all_anchors` belong to the weights and can be set.
    """

    def __init__(self, name: str, classes: int, all_anchors: Anchors, scale_x_y: tuple[float, ...]) -> None:
        super().__init__()
        architecture = _ARCHITECTURES[name]
        self.name = name
        self.classes = classes
        self.backbone = architecture.backbone()
        self.neck = architecture.neck()
        outside = ANCHORS_PER_LEVEL * (5 + classes)
        self.heads = nn.ModuleList([Head(inside, hidden, outside) for inside, hidden in architecture.heads])
        self.all_anchors = all_anchors
        self.levels = levels_of(name, all_anchors, scale_x_y)
        initialise_heads(self)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw predictions of every level, in the order of `levels`.

        Args:
            images: (batch, 3, height, width) RGB from 0 to 1; height and width multiples of 32.

        Returns:
            For each level (batch, 3 * (5 + classes), height / stride, width / stride): for each anchor x, y, w, h,
            objectness, classes, before any sigmoid.
        """
        features = self.neck(self.backbone(images))
        return tuple(head(feature) for head, feature in zip(self.heads, features, strict=True))

    @property
    def head_convolutions(self) -> tuple[nn.Conv2d, ...]:
        """The last convolution of each level: all that hangs on the number of classes."""
        return tuple(head.predict for head in self.heads if isinstance(head, Head))

    def set_levels(self, *, all_anchors: Anchors | None = None, scale_x_y: Sequence[float] | None = None) -> None:
        """Take over anchors or scale_x_y (one for each level) that belong to weights or to a recipe."""
        if all_anchors is not None:
            self.all_anchors = all_anchors
        scales = scale_x_y if scale_x_y is not None else [level.scale_x_y for level in self.levels]
        self.levels = levels_of(self.name, self.all_anchors, scales)

    def clone(self) -> Detector:
        """Another network with copies of these weights, in the same memory format; draws no random numbers."""
        return copy.deepcopy(self)

    def layers(self) -> tuple[Layer, ...]:
        """Every convolution in the order of a Darknet file."""
        return tuple(
            layer for name in _ARCHITECTURES[self.name].file_order for layer in _layers(name, self.get_submodule(name))
        )


def _layers(name: str, module: nn.Module) -> list[Layer]:
    part: Part = "backbone" if name == "backbone" else "heads" if name.startswith("heads") else "neck"
    found = []
    for inner, child in module.named_modules(prefix=name):
        if isinstance(child, ConvBNAct):
            found.append(Layer(part, f"{inner}.conv", f"{inner}.norm"))
        elif isinstance(child, Conv2d) and child.bias is not None:
            found.append(Layer(part, inner, None))
    return found


def build_network(
    name: str,
    classes: int,
    *,
    anchors: Literal["network"] | Sequence[Sequence[float]] = "network",
    scale_x_y: float | Sequence[float] | None = None,
) -> Detector:
    """A network with freshly drawn weights (torch's global generator).

    Args:
        name: "yolov4" or "yolov4-tiny".
        classes: number of classes, at least 1.
        anchors: all anchors (width, height in pixels), smallest first, 9 or 6 of them; "network": the published ones.
        scale_x_y: one for all levels or one for each, ascending stride; None: those of Darknet's own weights.

    Raises:
        BadInput: there is no such network, or the number of anchors is wrong.
    """
    if name not in _ARCHITECTURES:
        raise bad_input(
            "network.unknown",
            "network: there is no {name}; did you mean {nearest}?",
            name=name,
            nearest=nearest(name, NETWORKS) or NETWORKS[0],
        )
    if classes < 1:
        raise bad_input("network.classes", "classes: {classes} is not possible; the smallest is 1.", classes=classes)
    architecture = _ARCHITECTURES[name]
    chosen = architecture.anchors if anchors == "network" else tuple((float(w), float(h)) for w, h in anchors)
    if len(chosen) != len(architecture.anchors):
        raise bad_input(
            "network.anchors",
            "anchors: {name} takes {wanted} of them, not {found}.",
            name=name,
            wanted=len(architecture.anchors),
            found=len(chosen),
        )
    if scale_x_y is None:
        scale_x_y = architecture.scale_x_y
    elif isinstance(scale_x_y, int | float):
        scale_x_y = (float(scale_x_y),) * len(architecture.strides)
    return Detector(name, classes, chosen, tuple(scale_x_y))


def levels_of(name: str, all_anchors: Anchors, scale_x_y: Sequence[float]) -> tuple[Level, ...]:
    """The levels of the network `name` in ascending stride; `scale_x_y` has one value for each."""
    architecture = _ARCHITECTURES[name]
    return tuple(
        Level(stride, tuple(all_anchors[k] for k in mask), float(scale))
        for stride, mask, scale in zip(architecture.strides, architecture.masks, scale_x_y, strict=True)
    )


def published_anchors(name: str) -> Anchors:
    """All anchors that the network `name` was published with."""
    return _ARCHITECTURES[name].anchors


def darknet_scale_x_y(name: str) -> tuple[float, ...]:
    """scale_x_y of Darknet's own weights of the network `name`, for each level in ascending stride."""
    return _ARCHITECTURES[name].scale_x_y


def layers_before_heads(name: str) -> int:
    """How many convolutions the published Darknet file that ends before the first head holds."""
    return _ARCHITECTURES[name].layers_before_heads


def initialise_heads(network: Detector, *, spread: float = 0.02, objectness: float = -4.0) -> None:
    """New predicting convolutions: weights normal(0, `spread`), bias 0, and `objectness` where it says "an object here".

    Nearly all cells hold no object; starting from that belief spares the first steps (Lin et al. 2017, "Focal Loss",
    section 3.3).
    """
    for convolution in network.head_convolutions:
        if convolution.weight.is_meta:
            continue
        nn.init.normal_(convolution.weight, std=spread)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
            with torch.no_grad():
                # seen as (anchors, 5 + classes)
                convolution.bias.view(ANCHORS_PER_LEVEL, -1)[:, 4] = objectness
