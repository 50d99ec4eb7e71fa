"""What training, weights and evaluation need of a network, and how one is built from its entry in the table."""

from __future__ import annotations

import copy
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import torch
from torch import Tensor, nn

from engine.messages import bad_input
from engine.network.blocks import ConvBNAct, CSPStage, TinyCSPStage
from engine.network.registry import Anchors, NetworkSpec, network_spec

Part = Literal["backbone", "neck", "heads"]
_NORM_TENSORS = ("bias", "weight", "running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Level:
    """One output of a network: pixels per cell, anchors (width, height in pixels of the input), range of a box centre.

    `scale_x_y` stretches a centre's range beyond its cell (YOLOv4, section 3.2: "eliminate grid sensitivity"). It belongs to
    the weights.
    """

    stride: int
    anchors: Anchors = ()
    scale_x_y: float = 1.0


@dataclass(frozen=True, slots=True)
class Layer:
    """Tensors that a weights file holds together: a convolution with its batch norm, or another module's own tensors.

    `tensors` are names in the network's state dict, in the order of a Darknet file: bias, scale, running mean, running
    variance, kernel; or bias, kernel.
    """

    part: Part
    module: str
    tensors: tuple[str, ...]


class Detector(nn.Module, ABC):
    """A network that detects. A subclass makes its parameters in `__init__`, the part that the freeze stage freezes in `backbone`.

    `all_anchors` and `scale_x_y` belong to the weights and are saved with them; both are empty in a network without anchors.
    """

    backbone: nn.Module

    def __init__(self, spec: NetworkSpec, classes: int, all_anchors: Anchors, scale_x_y: tuple[float, ...]) -> None:
        super().__init__()
        self.spec = spec
        self.classes = classes
        self.all_anchors = all_anchors
        self.scale_x_y = scale_x_y
        self.frozen_backbone: tuple[nn.Module, ...] = ()  # in a tuple, so that its tensors are none of the network's

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the backbone computes; in training mode by the copy that `use_frozen_backbone` was given."""
        if self.training and self.frozen_backbone:
            (backbone,) = self.frozen_backbone
            with torch.no_grad():
                frozen: tuple[Tensor, ...] = backbone(images.to(next(backbone.parameters()).dtype))
            return frozen
        features: tuple[Tensor, ...] = self.backbone(images)
        return features

    def use_frozen_backbone(self, backbone: nn.Module | None) -> None:
        """While the backbone is frozen: a copy of it that computes its features faster. It is not saved, nor used in eval mode."""
        self.frozen_backbone = () if backbone is None else (backbone,)

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs of every level, in the order of `levels`.

        Args:
            images: (batch, 3, height, width) RGB from 0 to 1; height and width multiples of the largest stride.
        """

    @abstractmethod
    def decode(self, raw: Sequence[Tensor], input_shape: tuple[int, int]) -> Tensor:
        """The boxes of a batch in float32.

        Args:
            raw: what `forward` returned.
            input_shape: height and width of the input in pixels.

        Returns:
            (batch, rows, 5 + classes): cx cy w h in pixels of the input, objectness, class probabilities.

        Raises:
            ValueError: `raw` does not belong to an input of that shape.
        """

    @abstractmethod
    def count_classes(self, state: Mapping[str, Tensor]) -> int | None:
        """The number of classes that the heads in `state`, a state dict of this network, predict; None without heads."""

    @property
    def name(self) -> str:
        """The network's name in the table."""
        return self.spec.name

    @property
    def levels(self) -> tuple[Level, ...]:
        """Stride, anchors and scale of every output, in ascending stride."""
        spec = self.spec
        if not spec.anchors:
            return tuple(Level(stride) for stride in spec.strides)
        return tuple(
            Level(stride, tuple(self.all_anchors[index] for index in mask), scale)
            for stride, mask, scale in zip(spec.strides, spec.anchor_masks, self.scale_x_y, strict=True)
        )

    def set_levels(self, *, all_anchors: Anchors | None = None, scale_x_y: Sequence[float] | None = None) -> None:
        """Use the anchors or the scale_x_y (one for each level) of weights; None leaves them as they are."""
        if all_anchors is not None:
            self.all_anchors = all_anchors
        if scale_x_y is not None:
            self.scale_x_y = tuple(map(float, scale_x_y))

    def set_activation_checkpointing(self, enabled: bool) -> None:
        """Keep less for the backward pass, and compute it again there; the gradients are the same (engine/network/recompute.py)."""
        for module in self.modules():
            if isinstance(module, ConvBNAct | CSPStage | TinyCSPStage):
                module.checkpointing = enabled

    def layers(self) -> tuple[Layer, ...]:
        """All tensors of the network in groups; for a network with Darknet files, in their order."""
        return tuple(layer for name, child in self.named_children() for layer in layers_of(name, child))

    def clone(self) -> Self:
        """A copy with the same weights in the same memory format; draws no random numbers."""
        return copy.deepcopy(self)

    def move_to(self, device: torch.device) -> Self:
        """Move the network to `device`, its kernels in channels_last. Returns the network itself."""
        return self.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def layers_of(name: str, module: nn.Module) -> Iterator[Layer]:
    """The layers of the submodule `name` of a network, in the order in which its modules were registered."""
    root = name.partition(".")[0]
    part: Part = "backbone" if root == "backbone" else "heads" if root == "heads" else "neck"
    saved = set(module.state_dict(prefix=f"{name}."))
    grouped: set[nn.Module] = set()
    for path, child in module.named_modules(prefix=name):
        if isinstance(child, ConvBNAct):
            grouped |= {child.conv, child.norm}
            norm = tuple(f"{path}.norm.{tensor}" for tensor in _NORM_TENSORS)
            yield Layer(part, f"{path}.conv", (*norm, f"{path}.conv.weight"))
        elif child not in grouped:
            own = (*child.named_parameters(recurse=False), *child.named_buffers(recurse=False))
            tensors = {f"{path}.{tensor}" for tensor, _ in own if tensor != "num_batches_tracked"} & saved
            if tensors:
                yield Layer(part, path, tuple(sorted(tensors)))


class DetectorFactory(Protocol):
    """What `NetworkSpec.detector` names."""

    def __call__(self, spec: NetworkSpec, classes: int, all_anchors: Anchors, scale_x_y: tuple[float, ...]) -> Detector:
        """A network with newly initialised weights."""
        ...


def build_network(
    name: str,
    classes: int,
    *,
    anchors: Literal["network"] | Sequence[Sequence[float]] = "network",
    scale_x_y: float | Sequence[float] | None = None,
) -> Detector:
    """A network with newly initialised weights (torch's global random generator).

    Args:
        name: a name in the table of networks.
        classes: number of classes, at least 1.
        anchors: all anchors (width, height in pixels), smallest first; "network": the published ones.
        scale_x_y: one for all levels or one for each, ascending stride; None: those of Darknet's own weights.

    Raises:
        BadInput: there is no such network, or the number of anchors is wrong.
    """
    spec = network_spec(name)
    if classes < 1:
        raise bad_input("network.classes", "classes: {classes} is not possible; the smallest is 1.", classes=classes)
    all_anchors = spec.anchors if anchors == "network" else tuple((float(w), float(h)) for w, h in anchors)
    if len(all_anchors) != len(spec.anchors):
        raise bad_input(
            "network.anchors",
            "anchors: {name} takes {wanted} of them, not {found}.",
            name=name,
            wanted=len(spec.anchors),
            found=len(all_anchors),
        )
    if scale_x_y is None:
        scale_x_y = spec.scale_x_y
    elif isinstance(scale_x_y, int | float):
        scale_x_y = (scale_x_y,) * len(spec.scale_x_y)
    factory: DetectorFactory = pkgutil.resolve_name(spec.detector)
    return factory(spec, classes, all_anchors, tuple(float(scale) for scale in scale_x_y))
