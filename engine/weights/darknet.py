"""Darknet's weights files: the whole network, everything before the first head, or the backbone, distinguished by their size.

A header (int32 major, minor, revision, then images seen as int64, before version 0.2 as int32), then float32 for each
convolution in file order: with batch norm bias, scale, running mean, running variance, kernel; without it bias, kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.messages import Message, bad_input, join_phrases, phrase
from engine.network.detector import Detector, build_network
from engine.network.registry import NETWORKS, DarknetSizes

Kind = Literal["whole", "before heads", "backbone"]
_VERSION_BYTES = 12
_HEADER_BYTES = 20  # of the files whose sizes are published
_PUBLISHED_CLASSES = 80
_WRITTEN_VERSION = (0, 2, 5)
MAX_CLASSES = 10_000
"""No file with heads for more is read: what a network takes grows with its classes."""


@dataclass(frozen=True, slots=True)
class DarknetLayout:
    """What the size of a file says: which network, which part of it, and for a whole network how many classes."""

    network: str
    kind: Kind
    classes: int | None
    header_bytes: int


@dataclass(frozen=True, slots=True)
class DarknetFile:
    """The content of a Darknet file; `state` has the names of our network's state dict."""

    layout: DarknetLayout
    state: dict[str, Tensor]


def looks_like_darknet(signature: bytes) -> bool:
    """Whether these first bytes can be those of a Darknet file: 12 bytes at least, of a version up to 99.999."""
    if len(signature) < _VERSION_BYTES:
        return False
    major, minor = _version(signature)
    return 0 <= major < 100 and 0 <= minor < 1000 and (major, minor) != (0, 0)


def layout_of(path: Path) -> DarknetLayout | None:
    """What the Darknet file at `path` holds; None if its size fits no network."""
    with path.open("rb") as file:
        signature = file.read(_VERSION_BYTES)
        size = file.seek(0, 2)
    if not looks_like_darknet(signature):
        return None
    header_bytes = _HEADER_BYTES if _version(signature) >= (0, 2) else 16
    for spec in NETWORKS.values():
        if spec.darknet is not None:
            fit = _fit(spec.darknet, size - header_bytes + _HEADER_BYTES)
            if fit is not None:
                return DarknetLayout(spec.name, *fit, header_bytes)
    return None


def read_darknet(path: Path) -> DarknetFile:
    """All layers of the Darknet file at `path`.

    Raises:
        BadInput: the file's size fits no network; the message names the sizes that would fit.
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
    floats = torch.from_numpy(np.fromfile(path, "<f4", offset=layout.header_bytes).astype(np.float32, copy=False))
    state: dict[str, Tensor] = {}
    offset = 0
    for name, shape in _tensors_in_file_order(layout.network, layout.classes or 1):
        if offset == floats.numel():
            break
        count = prod(shape)
        state[name] = floats[offset : offset + count].view(shape)
        offset += count
    return DarknetFile(layout, state)


def write_darknet(path: Path, network: Detector) -> None:
    """Write all layers of `network` to `path`, with the header of the published files and 0 images seen.

    Raises:
        ValueError: the network has no Darknet files.
    """
    if network.spec.darknet is None:
        raise ValueError(f"{network.name} has no Darknet files")
    state = network.state_dict()
    with path.open("wb") as file:
        file.write(np.array(_WRITTEN_VERSION, "<i4").tobytes() + np.array([0], "<i8").tobytes())
        for layer in network.layers():
            for name in layer.tensors:
                file.write(state[name].detach().cpu().numpy().astype("<f4").tobytes())


def _version(signature: bytes) -> tuple[int, int]:
    major, minor = (int(number) for number in np.frombuffer(signature, "<i4", count=2))
    return major, minor


def _tensors_in_file_order(network: str, classes: int) -> Iterator[tuple[str, torch.Size]]:
    with torch.device("meta"):  # only the shapes are needed
        built = build_network(network, classes)
    state = built.state_dict()
    return ((name, state[name].shape) for layer in built.layers() for name in layer.tensors)


def _fit(sizes: DarknetSizes, size: int) -> tuple[Kind, int | None] | None:
    """What a file of `size` bytes with a header of 20 holds, and its number of classes."""
    if size == sizes.backbone:
        return "backbone", None
    if size == sizes.before_heads:
        return "before heads", None
    more_classes, remainder = divmod(size - sizes.whole, sizes.per_class)
    classes = _PUBLISHED_CLASSES + more_classes
    return ("whole", classes) if remainder == 0 and 1 <= classes <= MAX_CLASSES else None


def _expected_sizes() -> Message | str:
    sentences = [
        phrase(
            "{name}: {whole} bytes whole with 80 classes ({each} for each class more or less), {before} before the first "
            "head, {backbone} backbone only.",
            name=spec.name,
            whole=f"{spec.darknet.whole:,}",
            each=f"{spec.darknet.per_class:,}",
            before=f"{spec.darknet.before_heads:,}",
            backbone=f"{spec.darknet.backbone:,}",
        )
        for spec in NETWORKS.values()
        if spec.darknet is not None
    ]
    return join_phrases(sentences, " ")
