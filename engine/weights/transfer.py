"""Copies weights into a network, layer by layer, with a report of what matched, what did not and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from engine.messages import Message, bad_input
from engine.network.detector import Detector, Layer, Part
from engine.weights.torch_file import check_tensor

WeightsPart = Literal["whole", "backbone"]
_KERNEL_DIMS = 4


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The result of loading a weights file.

    `matched` of the network's `total` convolutions (each with its batch norm) were loaded; `skipped` has a message for those
    that were not. `kind` says what the file is.
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
    network: Detector, state: Mapping[str, Tensor], *, path: Path, kind: str, part: WeightsPart = "whole"
) -> LoadReport:
    """Copy every layer of `state` that the network has with the same shapes.

    All layers are checked before the first is copied.

    Args:
        network: gets the weights, on any device and in any float type.
        state: tensors by the names in the network's state dict.
        path: the file, for messages.
        kind: what the file is, for the report.
        part: "backbone" copies the backbone alone.

    Raises:
        BadInput: fewer than half of the backbone's layers match, or a value is not finite, or a kernel has only zeros.
    """
    own = network.state_dict()
    matching: list[Layer] = []
    missing: dict[Part, list[Layer]] = {}
    mismatched: dict[Part, list[Layer]] = {}
    layers = network.layers()
    requested = [layer for layer in layers if part == "whole" or layer.part == "backbone"]
    for layer in requested:
        if not all(name in state for name in layer.tensors):
            missing.setdefault(layer.part, []).append(layer)
        elif any(state[name].shape != own[name].shape for name in layer.tensors):
            mismatched.setdefault(layer.part, []).append(layer)
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
            total=len(requested),
        )
    _check_values((name for layer in matching for name in layer.tensors), state, path)
    with torch.no_grad():
        for layer in matching:
            for name in layer.tensors:
                own[name].copy_(state[name])
    totals = {part: sum(layer.part == part for layer in layers) for part in (*missing, *mismatched)}
    skipped = [_missing(part, len(group), totals[part]) for part, group in missing.items()]
    skipped += [_mismatched(part, group, totals[part], state, network) for part, group in mismatched.items()]
    if len(requested) < len(layers):
        skipped.append(
            Message(
                "weights.not_asked",
                "neck and heads: {count} convolutions are newly initialised, since only the backbone is loaded.",
                {"count": len(layers) - len(requested)},
            )
        )
    return LoadReport(kind, len(matching), len(layers), tuple(skipped))


def _check_values(names: Iterable[str], state: Mapping[str, Tensor], path: Path) -> None:
    for name in names:
        tensor = state[name]
        check_tensor(path, name, tensor)
        if not bool(torch.isfinite(tensor).all()) or (name.endswith("running_var") and bool((tensor < 0).any())):
            raise bad_input(
                "weights.not_finite",
                "{path}: {name} has values that no trained network has (not finite, or a negative variance); "
                "download the file again.",
                path=path,
                name=name,
            )
        if tensor.ndim == _KERNEL_DIMS and not bool(tensor.any()):
            raise bad_input(
                "weights.zeros",
                "{path}: {name} has only zeros, as a download that was cut off leaves; download the file again.",
                path=path,
                name=name,
            )


def _missing(part: Part, count: int, total: int) -> Message:
    return Message(
        "weights.absent",
        "{part}: {count} of {of} convolutions are not in the file and are newly initialised.",
        {"part": part, "count": count, "of": total},
    )


def _mismatched(part: Part, layers: list[Layer], total: int, state: Mapping[str, Tensor], network: Detector) -> Message:
    classes = network.count_classes(state) if part == "heads" else None
    if classes is not None and classes != network.classes:
        return Message(
            "weights.other_classes",
            "heads: {count} of {of} convolutions are newly initialised, since the file has {file} classes and the "
            "network {network}.",
            {"count": len(layers), "of": total, "file": classes, "network": network.classes},
        )
    own = network.state_dict()
    example = next(name for name in reversed(layers[0].tensors) if state[name].shape != own[name].shape)
    return Message(
        "weights.other_shape",
        "{part}: {count} of {of} convolutions are newly initialised, since their shapes differ ({example} is {file} in "
        "the file, {here} here).",
        {
            "part": part,
            "count": len(layers),
            "of": total,
            "example": example,
            "file": "x".join(map(str, state[example].shape)),
            "here": "x".join(map(str, own[example].shape)),
        },
    )
