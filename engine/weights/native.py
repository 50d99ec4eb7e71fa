"""Our own weights file: a network's numbers, and all that detecting with them needs.

It is `torch.save` of a plain dictionary, so that it opens without running code.
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
from engine.network.yolov4 import Anchors, Detector, Level, darknet_scale_x_y, levels_of, published_anchors
from engine.weights.torch_file import plain_tensors

FORMAT = "freezetui weights"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """What belongs to weights besides the numbers.

    `all_anchors` in pixels of the input; `scale_x_y` for each level in ascending stride; `input_shape` height, width;
    `preprocessing` how an image becomes input; `threshold` the confidence of the best F1 (None: never measured);
    `notes` what a reader had to assume.
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

    @property
    def levels(self) -> tuple[Level, ...]:
        """Stride, anchors and scale of every output."""
        return levels_of(self.network, self.all_anchors, self.scale_x_y)


def info_of(
    network: Detector,
    classes: Sequence[str],
    input_shape: tuple[int, int],
    *,
    threshold: float | None = None,
    metrics: Mapping[str, float] | None = None,
) -> WeightsInfo:
    """What to save with the weights of `network`: its own anchors and scales, and what only the training knows."""
    return WeightsInfo(
        network=network.name,
        classes=tuple(classes),
        all_anchors=network.all_anchors,
        scale_x_y=tuple(level.scale_x_y for level in network.levels),
        input_shape=input_shape,
        threshold=threshold,
        metrics=dict(metrics or {}),
    )


def save_weights(path: Path, network: Detector, info: WeightsInfo) -> None:
    """Write the weights of `network` and `info` to `path`, whole or not at all.

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
    """The state dict on the CPU, every tensor laid out as any reader expects it."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def is_native(content: object) -> bool:
    """Whether what a PyTorch file holds is our own kind of weights file."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def parsed(path: Path, content: Mapping[str, Any]) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """What our own file at `path` says and its state dict, from its `content`.

    Raises:
        BadInput: something is missing or impossible.
    """
    settings = dict(content)
    state = plain_tensors(settings.pop("state", None))
    for name in ("anchors", "input_shape"):
        settings[name] = _as_tuples(settings.get(name))
    try:
        header = _Header.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise bad_input(
            "weights.damaged",
            "{path}: a weights file of ours, but damaged or of a newer version: {key} {reason}.",
            path=path,
            key=".".join(map(str, first["loc"])),
            reason=first["msg"].lower(),
        ) from error
    anchors = tuple(header.anchors)
    if (len(anchors), len(header.scale_x_y)) != _counts(header.network):
        raise bad_input(
            "weights.damaged",
            "{path}: a weights file of ours, but its anchors do not belong to {network}.",
            path=path,
            network=header.network,
        )
    info = WeightsInfo(
        network=header.network,
        classes=tuple(header.classes),
        all_anchors=anchors,
        scale_x_y=tuple(header.scale_x_y),
        input_shape=header.input_shape,
        preprocessing=header.preprocessing,
        threshold=header.threshold,
        metrics=header.metrics,
    )
    return info, state


class _Header(BaseModel):
    """What our own file says besides the state dict; nothing in it is believed unseen."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    format_version: Literal[1]
    network: Literal["yolov4", "yolov4-tiny"]
    classes: Annotated[list[str], Field(min_length=1)]
    anchors: list[tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]]
    scale_x_y: list[Annotated[float, Field(ge=1)]]
    input_shape: tuple[
        Annotated[int, Field(ge=32, multiple_of=32)],
        Annotated[int, Field(ge=32, multiple_of=32)],
    ]
    preprocessing: Preprocessing
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    metrics: dict[str, float]


def _as_tuples(value: Any) -> Any:
    """Lists as tuples, one level deep for anchors: what strict validation wants to see."""
    if not isinstance(value, list):
        return value
    return [tuple(item) for item in value] if value and isinstance(value[0], list) else tuple(value)


def _counts(network: str) -> tuple[int, int]:
    return len(published_anchors(network)), len(darknet_scale_x_y(network))
