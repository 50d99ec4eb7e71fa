"""Our own weights file: a network's state dict and everything that detecting with it needs.

It is `torch.save` of a plain dictionary, which can be loaded without running code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from engine.dataset.letterbox import Preprocessing
from engine.files import atomic_write
from engine.messages import Message, bad_input
from engine.network.detector import Detector
from engine.network.registry import Anchors, network_spec
from engine.recipe.model import Network
from engine.weights.darknet import MAX_CLASSES
from engine.weights.torch_file import plain_tensors

FORMAT = "freezetui weights"
FORMAT_VERSION = 1
MAX_INPUT_SIDE = 8192
"""Pixels. An input that a file states is allocated for each image."""
_MAX_ANCHORS = 100
_MAX_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """What belongs to weights besides the state dict.

    `all_anchors` in pixels of the input; `scale_x_y` for each level in ascending stride; both empty for a network without
    anchors. `input_shape`: height, width. `preprocessing`: how an image is resized to the input. `threshold`: the confidence of
    the best F1 (None: never measured). `notes`: what the reader of a file had to assume.
    """

    network: str
    classes: tuple[str, ...]
    all_anchors: Anchors
    scale_x_y: tuple[float, ...]
    input_shape: tuple[int, int] = (416, 416)
    preprocessing: Preprocessing = "letterbox"
    threshold: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[Message, ...] = ()


def info_of(
    network: Detector,
    classes: Sequence[str],
    input_shape: tuple[int, int],
    *,
    threshold: float | None = None,
    metrics: Mapping[str, float] | None = None,
) -> WeightsInfo:
    """What to save with the weights of `network`: its anchors and scales, and what the training knows."""
    return WeightsInfo(
        network=network.name,
        classes=tuple(classes),
        all_anchors=network.all_anchors,
        scale_x_y=network.scale_x_y,
        input_shape=input_shape,
        threshold=threshold,
        metrics=dict(metrics or {}),
    )


def save_weights(path: Path, network: Detector, info: WeightsInfo) -> None:
    """Write the weights of `network` and `info` to `path` atomically.

    Raises:
        BadInput: the disk is full or the folder cannot be written.
        ValueError: `info` belongs to another network.
    """
    if (info.network, len(info.classes)) != (network.name, network.classes):
        raise ValueError(f"{info.network} with {len(info.classes)} classes is not {network.name}, {network.classes}")
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": info.network,
        "classes": list(info.classes),
        "anchors": [list(anchor) for anchor in info.all_anchors],
        "scale_x_y": list(info.scale_x_y),
        "input_shape": list(info.input_shape),
        "preprocessing": info.preprocessing,
        "threshold": info.threshold,
        "metrics": dict(info.metrics),
        "state": plain_state(network),
    }
    atomic_write(path, lambda file: torch.save(content, file))


def plain_state(network: Detector) -> dict[str, Tensor]:
    """The state dict on the CPU, every tensor contiguous, as other readers expect."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def is_native(content: object) -> bool:
    """Whether the content of a PyTorch file is that of our own weights file."""
    name = content.get("format") if isinstance(content, dict) else None
    return isinstance(name, str) and name == FORMAT


def parse_native(path: Path, content: Mapping[str, Any]) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """The info and the state dict in the `content` of our own file at `path`.

    Raises:
        BadInput: a value is missing or not valid.
    """
    settings = {name: value for name, value in content.items() if name in {"state", *_Header.model_fields}}
    state = plain_tensors(settings.pop("state", None))
    if isinstance(anchors := settings.get("anchors"), list):
        settings["anchors"] = [_as_tuple(anchor) for anchor in anchors]
    settings["input_shape"] = _as_tuple(settings.get("input_shape"))
    try:
        header = _Header.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise bad_input(
            "weights.damaged",
            "{path}: this weights file of freezetui is damaged or of a newer version: {key} {reason}.",
            path=path,
            key=".".join(map(str, first["loc"])),
            reason=first["msg"].lower()[:_MAX_REASON_LENGTH],
        ) from error
    spec = network_spec(header.network)
    if (len(header.anchors), len(header.scale_x_y)) != (len(spec.anchors), len(spec.scale_x_y)):
        raise bad_input(
            "weights.damaged",
            "{path}: this weights file of freezetui is damaged: its anchors do not belong to {network}.",
            path=path,
            network=header.network,
        )
    info = WeightsInfo(
        network=header.network,
        classes=tuple(header.classes),
        all_anchors=tuple(header.anchors),
        scale_x_y=tuple(header.scale_x_y),
        input_shape=header.input_shape,
        preprocessing=header.preprocessing,
        threshold=header.threshold,
        metrics=header.metrics,
    )
    return info, state


_ClassName = Annotated[str, Field(max_length=1000)]
_AnchorSide = Annotated[float, Field(gt=0, le=MAX_INPUT_SIDE)]
_InputSide = Annotated[int, Field(ge=32, le=MAX_INPUT_SIDE, multiple_of=32)]


class _Header(BaseModel):
    """Everything in our own file but the state dict; every value is validated."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    format_version: Literal[1]
    network: Network
    classes: Annotated[list[_ClassName], Field(min_length=1, max_length=MAX_CLASSES)]
    anchors: Annotated[list[tuple[_AnchorSide, _AnchorSide]], Field(max_length=_MAX_ANCHORS)]
    scale_x_y: Annotated[list[Annotated[float, Field(ge=1, le=16)]], Field(max_length=_MAX_ANCHORS)]
    input_shape: tuple[_InputSide, _InputSide]
    preprocessing: Preprocessing
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    metrics: Annotated[dict[str, float], Field(max_length=100)]


def _as_tuple(value: Any) -> Any:
    """A list as a tuple, which strict validation requires."""
    return tuple(value) if isinstance(value, list) else value
