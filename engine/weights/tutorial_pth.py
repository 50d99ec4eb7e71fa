"""The state dicts that the tutorials publish as `.pth`: the same networks under other names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from engine.network.yolov4 import ANCHORS_PER_LEVEL, NETWORKS, Layer, build_network

SCALE_X_Y = 1.0
"""What weights of this family were trained with, at every level."""

_NORM = ("bias", "weight", "running_mean", "running_var")


def tutorial_names(network: str) -> list[tuple[str, str | None]]:
    """Names of every convolution and its batch norm (None: none) in the order of a Darknet file."""
    return _yolov4_names() if network == "yolov4" else _tiny_names()


def _normed(*names: str) -> list[tuple[str, str | None]]:
    return [(f"{name}.conv", f"{name}.bn") for name in names]


def _head(name: str) -> list[tuple[str, str | None]]:
    return [*_normed(f"{name}.0"), (f"{name}.1", None)]


def _yolov4_names() -> list[tuple[str, str | None]]:
    names = _normed("backbone.conv1")
    for stage, residuals in enumerate((1, 2, 8, 8, 4)):
        inner = [f"blocks_conv.{block}.block.{place}" for block in range(residuals) for place in (0, 1)]
        parts = ["downsample_conv", "split_conv0", "split_conv1", *inner, f"blocks_conv.{residuals}", "concat_conv"]
        names += _normed(*(f"backbone.stages.{stage}.{part}" for part in parts))
    names += _normed(*(f"conv{group}.{place}" for group in (1, 2) for place in range(3)))
    names += _normed("upsample1.upsample.0", "conv_for_P4", *(f"make_five_conv1.{place}" for place in range(5)))
    names += _normed("upsample2.upsample.0", "conv_for_P3", *(f"make_five_conv2.{place}" for place in range(5)))
    names += _head("yolo_head3")
    names += _normed("down_sample1", *(f"make_five_conv3.{place}" for place in range(5)))
    names += _head("yolo_head2")
    names += _normed("down_sample2", *(f"make_five_conv4.{place}" for place in range(5)))
    return names + _head("yolo_head1")


def _tiny_names() -> list[tuple[str, str | None]]:
    names = _normed("backbone.conv1", "backbone.conv2")
    names += _normed(*(f"backbone.resblock_body{stage}.conv{place}" for stage in (1, 2, 3) for place in (1, 2, 3, 4)))
    names += _normed("backbone.conv3", "conv_for_P5")
    return names + _head("yolo_headP5") + _normed("upsample.upsample.0") + _head("yolo_headP4")


@cache
def _layers(network: str) -> tuple[Layer, ...]:
    with torch.device("meta"):
        return build_network(network, 1).layers()


@cache
def _own_names(network: str) -> Mapping[str, str]:
    """Their name of every tensor to ours."""
    own: dict[str, str] = {}
    for layer, (convolution, norm) in zip(_layers(network), tutorial_names(network), strict=True):
        theirs = [f"{convolution}.bias"] if norm is None else [f"{norm}.{name}" for name in _NORM]
        own.update(zip((*theirs, f"{convolution}.weight"), layer.tensors, strict=True))
    return own


def renamed(tensors: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    """The tensors that the tutorials' `network` has, under our names; a backbone's own file lacks the prefix."""
    own = _own_names(network)
    whole = {own[name]: tensor for name, tensor in tensors.items() if name in own}
    backbone = {own[f"backbone.{name}"]: t for name, t in tensors.items() if f"backbone.{name}" in own}
    return whole if len(whole) >= len(backbone) else backbone


def network_named(tensors: Mapping[str, Tensor]) -> str:
    """The network that has most of the tensors' names."""
    return max(NETWORKS, key=lambda network: len(renamed(tensors, network)))


def is_mostly(state: Mapping[str, Tensor], network: str) -> bool:
    """Whether at least half of the backbone of `network` stands in `state` (our names)."""
    backbone = [name for layer in _layers(network) if layer.part == "backbone" for name in layer.tensors]
    return 2 * sum(name in state for name in backbone) >= len(backbone)


def class_count(state: Mapping[str, Tensor], network: str) -> int | None:
    """How many classes the heads in `state` (our names) predict; None where it has none."""
    last = _layers(network)[-1]
    bias = state.get(f"{last.kernel}.bias")
    if bias is None or bias.ndim != 1 or bias.shape[0] % ANCHORS_PER_LEVEL or bias.shape[0] < ANCHORS_PER_LEVEL * 6:
        return None
    return bias.shape[0] // ANCHORS_PER_LEVEL - 5
