"""Weights from any file: our own, Darknet's, the tutorials'. What kind a file is, its content says, never its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.messages import Message, bad_input, joined
from engine.network.yolov4 import (
    Detector,
    build_network,
    darknet_scale_x_y,
    published_anchors,
)
from engine.weights.coco_names import COCO_NAMES
from engine.weights.darknet import layout_of, looks_like_darknet, read_darknet
from engine.weights.native import WeightsInfo, info_of, is_native, parsed, save_weights
from engine.weights.signature import read_signature
from engine.weights.torch_file import is_torch_file, plain_tensors, read_torch_file
from engine.weights.transfer import LoadReport, Wanted, transfer
from engine.weights.tutorial_pth import SCALE_X_Y, class_count, is_mostly, network_named, renamed

__all__ = ["LoadReport", "WeightsInfo", "info_of", "load_into", "network_of_weights", "read_weights", "save_weights"]


def read_weights(path: Path) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """What stands in one of our own weights files, and the state dict of its network.

    Raises:
        BadInput: the file cannot be read, or is no weights file of ours.
    """
    content = read_torch_file(path) if is_torch_file(read_signature(path)) else None
    if not isinstance(content, dict) or not is_native(content):
        raise bad_input(
            "weights.foreign",
            "{path}: this is no weights file of ours; convert it with: freezetui weights import {path}",
            path=path,
        )
    return parsed(path, content)


def network_of_weights(path: Path, classes: Sequence[str] | None = None) -> tuple[Detector, WeightsInfo]:
    """A network ready to detect (in eval mode, on the CPU) from weights of any of the three kinds.

    Args:
        path: our own file, a whole Darknet file, or a tutorial's `.pth`.
        classes: names to use instead of those that the file has, or where it has none.

    Raises:
        BadInput: the file cannot be read, holds no whole network, or has another number of classes.
    """
    found = _open(path)
    if found.classes is None:
        raise bad_input(
            "weights.not_whole",
            "{path}: it holds a part of {network} only ({kind}), which cannot detect; train with it first.",
            path=path,
            network=found.network,
            kind=found.kind,
        )
    info = found.info or _assumed(found)
    if classes is not None:
        info = _with_classes(path, info, classes)
    network = build_network(found.network, found.classes, anchors=info.all_anchors, scale_x_y=info.scale_x_y)
    report = transfer(network, found.state(), path=path, kind=found.kind)
    if report.matched < report.total:
        raise bad_input(
            "weights.incomplete",
            "{path}: only {matched} of {total} convolutions are there. {reasons}",
            path=path,
            matched=report.matched,
            total=report.total,
            reasons=joined(report.skipped, " "),
        )
    return network.eval(), info


def load_into(network: Detector, path: Path, *, part: Wanted = "whole", keep_anchors: bool = False) -> LoadReport:
    """Start `network` from weights of any of the three kinds.

    With part "whole" the network also takes the scale_x_y that belongs to the weights and, unless `keep_anchors`, their
    anchors. Files that hold a backbone alone, and part "backbone", change neither.

    Args:
        network: keeps its number of classes; where the file has another, its predicting convolutions stay as they are.
        path: our own file, a Darknet file (whole or one of its published beginnings), or a tutorial's `.pth`.
        part: "backbone" takes the backbone alone, also out of a whole file.
        keep_anchors: leave the network's anchors as they are.

    Raises:
        BadInput: the file cannot be read or is another network's.
    """
    found = _open(path)
    if found.network != network.name and found.certain:
        raise bad_input(
            "weights.other_network",
            "{path}: these are weights of {found}, not of {network}; set network={found}, or choose another file.",
            path=path,
            found=found.network,
            network=network.name,
        )
    report = transfer(network, found.state(), path=path, kind=found.kind, part=part)
    if part == "whole" and not found.backbone_only:
        anchors = found.info.all_anchors if found.info else published_anchors(network.name)
        network.set_levels(all_anchors=None if keep_anchors else anchors, scale_x_y=found.scale_x_y)
    return report


@dataclass(frozen=True, slots=True)
class _Found:
    """A weights file of any kind, opened; `state` speaks the names of our networks."""

    kind: str
    network: str
    certain: bool  # whether the network is more than the best guess
    classes: int | None  # None: no heads
    backbone_only: bool
    scale_x_y: tuple[float, ...]
    state: Callable[[], Mapping[str, Tensor]]
    info: WeightsInfo | None = None


def require_weights(path: Path) -> bytes:
    """The first bytes of a file that looks like weights of a kind that can be read; a look, no reading.

    Raises:
        BadInput: it does not, it is empty, or it cannot be opened.
    """
    beginning = read_signature(path)
    if not is_torch_file(beginning) and not looks_like_darknet(beginning):
        raise bad_input(
            "weights.unknown",
            "{path}: this is no weights file; Darknet's .weights and PyTorch's .pth can be read.",
            path=path,
        )
    return beginning


def _open(path: Path) -> _Found:
    if is_torch_file(require_weights(path)):
        content = read_torch_file(path)
        return _open_ours(path, content) if is_native(content) else _open_tutorial(path, content)
    layout = layout_of(path) or read_darknet(path).layout  # where no size fits, reading says which would
    return _Found(
        kind=f"Darknet, {layout.kind}",
        network=layout.network,
        certain=True,
        classes=layout.classes,
        backbone_only=layout.kind == "backbone",
        scale_x_y=darknet_scale_x_y(layout.network),
        state=lambda: read_darknet(path).state,
    )


def _open_ours(path: Path, content: Mapping[str, Any]) -> _Found:
    info, state = parsed(path, content)
    return _Found("ours", info.network, True, len(info.classes), False, info.scale_x_y, lambda: state, info)


def _open_tutorial(path: Path, content: object) -> _Found:
    tensors = plain_tensors(content)
    network = network_named(tensors)
    state = renamed(tensors, network)
    if not state:
        raise bad_input(
            "weights.other_network",
            "{path}: these are weights of no network that can be trained here; none of its {count} tensors "
            "has a name that YOLOv4 or YOLOv4-tiny uses.",
            path=path,
            count=len(tensors),
        )
    backbone_only = all(name.startswith("backbone.") for name in state)
    return _Found(
        kind="tutorial .pth, backbone" if backbone_only else "tutorial .pth",
        network=network,
        certain=is_mostly(state, network),
        classes=class_count(state, network),
        backbone_only=backbone_only,
        scale_x_y=(SCALE_X_Y,) * len(darknet_scale_x_y(network)),
        state=lambda: state,
    )


def _assumed(found: _Found) -> WeightsInfo:
    """What foreign weights leave unsaid. Darknet stretches its pictures, the tutorials letterbox them."""
    anchors, classes = published_anchors(found.network), found.classes or 0
    info = WeightsInfo(
        found.network,
        COCO_NAMES,
        anchors,
        found.scale_x_y,
        preprocessing="stretch" if found.kind.startswith("Darknet") else "letterbox",
    )
    if classes == len(COCO_NAMES):
        return info
    numbered = tuple(f"class {number}" for number in range(classes))
    note = Message(
        "weights.no_names",
        "The file does not name its {count} classes; they are called 'class 0' to 'class {last}'.",
        {"count": classes, "last": classes - 1},
    )
    return replace(info, classes=numbered, notes=(note,))


def _with_classes(path: Path, info: WeightsInfo, classes: Sequence[str]) -> WeightsInfo:
    if len(classes) != len(info.classes):
        raise bad_input(
            "weights.class_names",
            "{path}: it detects {wanted} classes, but {found} names were given.",
            path=path,
            wanted=len(info.classes),
            found=len(classes),
        )
    return replace(info, classes=tuple(classes), notes=())
