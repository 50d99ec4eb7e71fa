"""The state dicts that the tutorials publish as `.pth`: the same networks with other names."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor

from engine.network.detector import Detector, build_network
from engine.network.registry import NETWORKS, network_spec

SCALE_X_Y = 1.0
"""What these weights were trained with, at every level."""

Names = list[tuple[str, str | None]]
"""The names of every convolution and of its batch norm (None: it has none) in the order of `Detector.layers`."""

_NORM_TENSORS = ("bias", "weight", "running_mean", "running_var")


def tutorial_names(network: str) -> Names:
    """The names in the tutorials' files of `network`; empty if there are no such files."""
    names = network_spec(network).tutorial_names
    if names is None:
        return []
    names_function: Callable[[], Names] = pkgutil.resolve_name(names)
    return names_function()


def _normed(*names: str) -> Names:
    return [(f"{name}.conv", f"{name}.bn") for name in names]


def _head(name: str) -> Names:
    return [*_normed(f"{name}.0"), (f"{name}.1", None)]


def yolov4_names() -> Names:
    """YOLOv4's names."""
    names = _normed("backbone.conv1")
    for stage, residuals in enumerate((1, 2, 8, 8, 4)):
        inner = [f"blocks_conv.{block}.block.{i}" for block in range(residuals) for i in (0, 1)]
        parts = ["downsample_conv", "split_conv0", "split_conv1", *inner, f"blocks_conv.{residuals}", "concat_conv"]
        names += _normed(*(f"backbone.stages.{stage}.{part}" for part in parts))
    names += _normed(*(f"conv{group}.{i}" for group in (1, 2) for i in range(3)))
    names += _normed("upsample1.upsample.0", "conv_for_P4", *(f"make_five_conv1.{i}" for i in range(5)))
    names += _normed("upsample2.upsample.0", "conv_for_P3", *(f"make_five_conv2.{i}" for i in range(5)))
    names += _head("yolo_head3")
    names += _normed("down_sample1", *(f"make_five_conv3.{i}" for i in range(5)))
    names += _head("yolo_head2")
    names += _normed("down_sample2", *(f"make_five_conv4.{i}" for i in range(5)))
    return names + _head("yolo_head1")


def yolov4_tiny_names() -> Names:
    """YOLOv4-tiny's names."""
    names = _normed("backbone.conv1", "backbone.conv2")
    names += _normed(*(f"backbone.resblock_body{stage}.conv{i}" for stage in (1, 2, 3) for i in (1, 2, 3, 4)))
    names += _normed("backbone.conv3", "conv_for_P5")
    return names + _head("yolo_headP5") + _normed("upsample.upsample.0") + _head("yolo_headP4")


@cache
def _on_meta(network: str) -> Detector:
    with torch.device("meta"):  # only names are needed
        return build_network(network, 1)


@cache
def _to_own_names(network: str) -> Mapping[str, str]:
    """Our name of every tensor by the tutorials' name."""
    own_names: dict[str, str] = {}
    names = tutorial_names(network)
    for layer, (convolution, norm) in zip(_on_meta(network).layers() if names else (), names, strict=True):
        theirs = [f"{convolution}.bias"] if norm is None else [f"{norm}.{name}" for name in _NORM_TENSORS]
        own_names.update(zip((*theirs, f"{convolution}.weight"), layer.tensors, strict=True))
    return own_names


def rename_tensors(tensors: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    """The tensors of the tutorials' `network` under our names. Names in a backbone's own file lack the prefix `backbone.`."""
    own_names = _to_own_names(network)
    whole = {own_names[name]: tensor for name, tensor in tensors.items() if name in own_names}
    backbone = {own_names[f"backbone.{name}"]: t for name, t in tensors.items() if f"backbone.{name}" in own_names}
    return whole if len(whole) >= len(backbone) else backbone


def to_tutorial_names(network: Detector) -> dict[str, Tensor]:
    """The state dict of `network` under the tutorials' names, every tensor contiguous on the CPU; empty if there are no such files."""
    state = network.state_dict()
    own_names = _to_own_names(network.name)
    return {name: state[own].detach().cpu().contiguous() for name, own in own_names.items()}


def guess_network(tensors: Mapping[str, Tensor]) -> str:
    """The network that has most of the tensors' names."""
    return max(NETWORKS, key=lambda network: len(rename_tensors(tensors, network)))


def has_most_of_backbone(state: Mapping[str, Tensor], network: str) -> bool:
    """Whether `state` (our names) has at least half of the backbone of `network`."""
    backbone = [name for layer in _on_meta(network).layers() if layer.part == "backbone" for name in layer.tensors]
    return 2 * sum(name in state for name in backbone) >= len(backbone)


def count_classes(state: Mapping[str, Tensor], network: str) -> int | None:
    """The number of classes that the heads in `state` (our names) predict; None without heads."""
    return _on_meta(network).count_classes(state)
