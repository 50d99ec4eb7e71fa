"""Darknet's own weights files: whole, before the first head, or backbone only, told apart by their size.

A header (int32 major, minor, revision, then images seen as int64, before version 0.2 as int32), then float32 for each
convolution in file order: with batch norm bias, scale, running mean, running variance, kernel; without it bias, kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.messages import Message, bad_input, joined, phrase
from engine.network.yolov4 import ANCHORS_PER_LEVEL, NETWORKS, Layer, build_network, layers_before_heads

Kind = Literal["whole", "before heads", "backbone"]
_FLOAT = 4
_VERSION = 12
_MOST_CLASSES = 10_000


@dataclass(frozen=True, slots=True)
class DarknetLayout:
    """What the size of a file says: which network, which part of it, and for a whole file how many classes."""

    network: str
    kind: Kind
    classes: int | None
    header: int  # bytes


@dataclass(frozen=True, slots=True)
class DarknetFile:
    """A Darknet file's content under the names of our networks' state dicts."""

    layout: DarknetLayout
    state: dict[str, Tensor]


def looks_like_darknet(beginning: bytes) -> bool:
    """Whether a file that begins so can be a Darknet weights file: 12 bytes at least, of a version up to 99.999."""
    if len(beginning) < _VERSION:
        return False
    major, minor = (int(number) for number in np.frombuffer(beginning, "<i4", count=2))
    return 0 <= major < 100 and 0 <= minor < 1000 and (major, minor) != (0, 0)


def layout_of(path: Path) -> DarknetLayout | None:
    """What the Darknet file at `path` holds; None where its size fits neither network."""
    with path.open("rb") as file:
        beginning = file.read(_VERSION)
        size = file.seek(0, 2)
    if not looks_like_darknet(beginning):
        return None
    header = _header_bytes(beginning)
    if (size - header) % _FLOAT:
        return None
    floats = (size - header) // _FLOAT
    fitting = (_fit(name, floats, header) for name in NETWORKS)
    return next((layout for layout in fitting if layout is not None), None)


def read_darknet(path: Path) -> DarknetFile:
    """All layers of the Darknet file at `path`.

    Raises:
        BadInput: the file's size fits no network; the sentence names the sizes that would.
    """
    layout = layout_of(path)
    if layout is None:
        raise bad_input(
            "weights.size",
            "{path}: its {size} bytes fit no network that can be trained here; it is truncated or another network's. {sizes}",
            path=path,
            size=f"{path.stat().st_size:,}",
            sizes=_expected_sizes(),
        )
    floats = torch.from_numpy(np.fromfile(path, "<f4", offset=layout.header).astype(np.float32, copy=False))
    state: dict[str, Tensor] = {}
    place = 0
    for layer, shapes in _shapes(layout.network, layout.classes or 1):
        if place == floats.numel():
            break
        for name, shape in zip(layer.tensors, shapes, strict=True):
            count = prod(shape)
            state[name] = floats[place : place + count].view(shape)
            place += count
    return DarknetFile(layout, state)


def _header_bytes(beginning: bytes) -> int:
    major, minor = (int(number) for number in np.frombuffer(beginning, "<i4", count=2))
    return 20 if major * 10 + minor >= 2 else 16


@cache
def _shapes(name: str, classes: int) -> tuple[tuple[Layer, tuple[tuple[int, ...], ...]], ...]:
    """Every layer of a network in file order with the shapes of its tensors, without allocating them."""
    with torch.device("meta"):
        network = build_network(name, classes)
    state = network.state_dict()
    return tuple((layer, tuple(tuple(state[tensor].shape) for tensor in layer.tensors)) for layer in network.layers())


def _float_counts(name: str) -> tuple[int, int, int, int]:
    """Floats of the backbone, of all before the first head, of a whole file without classes, and for each class."""
    counts = [(layer, sum(prod(shape) for shape in shapes)) for layer, shapes in _shapes(name, 1)]
    backbone = sum(count for layer, count in counts if layer.part == "backbone")
    before = sum(count for _, count in counts[: layers_before_heads(name)])
    # A head's last convolution has 3 * (5 + classes) outputs, so its floats divide by 3 * 6 at one class.
    heads = sum(count for layer, count in counts if layer.norm is None)
    per_class = heads // (ANCHORS_PER_LEVEL * 6) * ANCHORS_PER_LEVEL
    return backbone, before, sum(count for _, count in counts) - per_class, per_class


def _fit(name: str, floats: int, header: int) -> DarknetLayout | None:
    backbone, before, without_classes, per_class = _float_counts(name)
    if floats == backbone:
        return DarknetLayout(name, "backbone", None, header)
    if floats == before:
        return DarknetLayout(name, "before heads", None, header)
    classes, rest = divmod(floats - without_classes, per_class)
    if rest == 0 and 1 <= classes <= _MOST_CLASSES:
        return DarknetLayout(name, "whole", classes, header)
    return None


def _expected_sizes() -> Message | str:
    sentences = []
    for name in NETWORKS:
        backbone, before, without_classes, per_class = _float_counts(name)
        backbone, before, whole = (20 + _FLOAT * n for n in (backbone, before, without_classes + 80 * per_class))
        sentences.append(
            phrase(
                "{name}: {whole} bytes whole with 80 classes ({each} for each class more or less), {before} before the first "
                "head, {backbone} backbone only.",
                name=name,
                whole=f"{whole:,}",
                each=f"{_FLOAT * per_class:,}",
                before=f"{before:,}",
                backbone=f"{backbone:,}",
            )
        )
    return joined(sentences, " ")
