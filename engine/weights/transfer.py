"""Weights into a network, layer by layer, with a report of what matched, what did not and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from engine.messages import Message, bad_input
from engine.network.yolov4 import ANCHORS_PER_LEVEL, Detector, Layer, Part

Wanted = Literal["whole", "backbone"]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of a weights file.

    `matched` of the network's `total` convolutions (each with its batch norm) were taken over; `skipped` says in
    sentences which were not, and why. `kind` names what the file is.
    """

    kind: str
    matched: int
    total: int
    skipped: tuple[Message, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "kind": self.kind,
            "matched": self.matched,
            "total": self.total,
            "skipped": [message.to_json() for message in self.skipped],
        }


def transfer(
    network: Detector, state: Mapping[str, Tensor], *, path: Path, kind: str, part: Wanted = "whole"
) -> LoadReport:
    """Copy from `state`, which speaks the network's own names, every layer that is there with the same shapes.

    The network changes only where everything that is to be copied proved sound.

    Args:
        network: takes the weights, on any device and in any float type.
        state: tensors by the names of the network's state dict.
        path: the file, for messages.
        kind: what the file is, for the report.
        part: "backbone" copies the backbone alone.

    Raises:
        BadInput: fewer than half of the backbone's layers match, or a value is not finite.
    """
    own = network.state_dict()
    matching: list[Layer] = []
    absent: dict[Part, list[Layer]] = {}
    misshapen: dict[Part, list[Layer]] = {}
    layers = network.layers()
    wanted = [layer for layer in layers if part == "whole" or layer.part == "backbone"]
    for layer in wanted:
        if not all(name in state for name in layer.tensors):
            absent.setdefault(layer.part, []).append(layer)
        elif any(state[name].shape != own[name].shape for name in layer.tensors):
            misshapen.setdefault(layer.part, []).append(layer)
        else:
            matching.append(layer)
    backbone = [layer for layer in layers if layer.part == "backbone"]
    if 2 * sum(layer.part == "backbone" for layer in matching) < len(backbone):
        raise bad_input(
            "weights.other_network",
            "{path}: these are no {network} weights; only {matched} of {total} convolutions match by name and shape.",
            path=path,
            network=network.name,
            matched=len(matching),
            total=len(wanted),
        )
    _refuse_unsound((name for layer in matching for name in layer.tensors), state, path)
    with torch.no_grad():
        for layer in matching:
            for name in layer.tensors:
                own[name].copy_(state[name])
    skipped = [_absent(of, found, network) for of, found in absent.items()]
    skipped += [_misshapen(of, found, state, network) for of, found in misshapen.items()]
    if len(wanted) < len(layers):
        skipped.append(
            Message(
                "weights.not_asked",
                "neck and heads: {count} convolutions start fresh, since only the backbone was asked for.",
                {"count": len(layers) - len(wanted)},
            )
        )
    return LoadReport(kind, len(matching), len(layers), tuple(skipped))


def _refuse_unsound(names: Iterable[str], state: Mapping[str, Tensor], path: Path) -> None:
    for name in names:
        tensor = state[name]
        if not bool(torch.isfinite(tensor).all()) or (name.endswith("running_var") and bool((tensor < 0).any())):
            raise bad_input(
                "weights.not_finite",
                "{path}: {name} holds values that no trained network has (not finite, or a negative variance); "
                "get the file again.",
                path=path,
                name=name,
            )


def _absent(part: Part, layers: list[Layer], network: Detector) -> Message:
    return Message(
        "weights.absent",
        "{part}: {count} of {of} convolutions are not in the file and start fresh.",
        {"part": part, "count": len(layers), "of": _count(network, part)},
    )


def _count(network: Detector, part: Part) -> int:
    return sum(layer.part == part for layer in network.layers())


def _misshapen(part: Part, layers: list[Layer], state: Mapping[str, Tensor], network: Detector) -> Message:
    example = layers[0]
    if part == "heads" and example.norm is None:
        outside = state[f"{example.kernel}.bias"].shape
        return Message(
            "weights.other_classes",
            "heads: {count} of {of} convolutions start fresh, since the file has {file} classes and the network {network}.",
            {
                "count": len(layers),
                "of": _count(network, part),
                "file": outside[0] // ANCHORS_PER_LEVEL - 5 if outside else 0,
                "network": network.classes,
            },
        )
    return Message(
        "weights.other_shape",
        "{part}: {count} of {of} convolutions start fresh, since their shapes differ ({example} is {file} in the file, {here} here).",
        {
            "part": part,
            "count": len(layers),
            "of": _count(network, part),
            "example": example.kernel,
            "file": "x".join(map(str, state[f"{example.kernel}.weight"].shape)),
            "here": "x".join(map(str, network.state_dict()[f"{example.kernel}.weight"].shape)),
        },
    )
