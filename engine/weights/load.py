"""Loads weights from any file: our own, Darknet's, the tutorials'. The content tells what a file is, never its name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.dataset.letterbox import Preprocessing
from engine.messages import Message, bad_input, join_phrases
from engine.network.detector import Detector, build_network
from engine.network.registry import NETWORKS, network_spec
from engine.weights.coco_names import COCO_NAMES
from engine.weights.darknet import MAX_CLASSES, layout_of, looks_like_darknet, read_darknet
from engine.weights.download.registry import KNOWN, find
from engine.weights.native import WeightsInfo, is_native, parse_native
from engine.weights.signature import read_signature
from engine.weights.torch_file import is_torch_file, plain_tensors, read_torch_file
from engine.weights.transfer import LoadReport, WeightsPart, transfer
from engine.weights.tutorial_pth import (
    SCALE_X_Y,
    count_classes,
    guess_network,
    has_most_of_backbone,
    rename_tensors,
)

_log = logging.getLogger(__name__)


def load_network(path: Path, classes: Sequence[str] | None = None) -> tuple[Detector, WeightsInfo]:
    """A network ready to detect (in eval mode, on the CPU) from weights of any of the three kinds.

    Args:
        path: our own file, a whole Darknet file, or a tutorial's `.pth`.
        classes: class names to use instead of those in the file, or if it has none.

    Raises:
        BadInput: the file cannot be read, holds no whole network, or has another number of classes.
    """
    file = _open(path)
    if file.classes is None:
        raise bad_input(
            "weights.not_whole",
            "{path}: it contains only a part of {network} ({kind}), which cannot detect; train with it first.",
            path=path,
            network=file.network,
            kind=file.kind,
        )
    _log.info("%s: %s, %s, %s classes", path, file.kind, file.network, file.classes)
    info = file.info or _assumed_info(file, file.classes)
    if classes is not None:
        info = _with_classes(path, info, classes)
    state = file.read_state()
    with torch.device("meta"):  # before anything is allocated: a file may claim more than it holds
        empty = build_network(file.network, file.classes)
    report = transfer(empty, state, path=path, kind=file.kind)
    if report.matched < report.total:
        raise bad_input(
            "weights.incomplete",
            "{path}: only {matched} of {total} convolutions are in the file. {reasons}",
            path=path,
            matched=report.matched,
            total=report.total,
            reasons=join_phrases(report.skipped, " "),
        )
    network = build_network(file.network, file.classes, anchors=info.all_anchors, scale_x_y=info.scale_x_y)
    transfer(network, state, path=path, kind=file.kind)
    return network.eval(), info


def load_weights(
    network: Detector, path: Path, *, part: WeightsPart = "whole", keep_anchors: bool = False
) -> LoadReport:
    """Load weights of any of the three kinds into `network`, to start a training from them.

    With part "whole" the network also takes the scale_x_y that belongs to the weights and, unless `keep_anchors`, their
    anchors. Files that hold a backbone alone, and part "backbone", change neither.

    Args:
        network: keeps its number of classes; if the file has another, its predicting convolutions stay as they are.
        path: our own file, a Darknet file (whole or one of its published beginnings), or a tutorial's `.pth`.
        part: "backbone" loads the backbone alone, also from a file with the whole network.
        keep_anchors: do not change the network's anchors.

    Raises:
        BadInput: the file cannot be read or is another network's.
    """
    file = _open(path)
    if file.network != network.name and file.is_certain:
        raise bad_input(
            "weights.other_network",
            "{path}: these are weights of {found}, not of {network}; set network={found}, or choose another file.",
            path=path,
            found=file.network,
            network=network.name,
        )
    report = transfer(network, file.read_state(), path=path, kind=file.kind, part=part)
    if part == "whole" and not file.backbone_only:
        anchors = file.info.all_anchors if file.info else network.spec.anchors
        network.set_levels(all_anchors=None if keep_anchors else anchors, scale_x_y=file.scale_x_y)
    return report


def check_weights(path: Path, network: str, classes: int, *, part: WeightsPart = "whole") -> LoadReport:
    """What `load_weights` would report for `network` with that number of classes, without allocating the network.

    Raises:
        BadInput: the file cannot be read or is another network's.
    """
    with torch.device("meta"):  # only the shapes are compared
        empty = build_network(network, classes)
    return load_weights(empty, path, part=part)


def require_weights_file(path: Path) -> bytes:
    """Check by its first bytes, which are returned, that a file is of a kind that can be read.

    Raises:
        BadInput: it is not, it is empty, or it cannot be opened.
    """
    signature = read_signature(path)
    if not is_torch_file(signature) and not looks_like_darknet(signature):
        raise bad_input(
            "weights.unknown",
            "{path}: this is not a weights file; Darknet's .weights and PyTorch's .pth can be loaded.",
            path=path,
        )
    return signature


@dataclass(frozen=True, slots=True)
class _WeightsFile:
    """A weights file of any kind; `read_state` returns tensors under the names of our networks."""

    kind: str
    network: str
    is_certain: bool
    """False: `network` is only the best guess."""
    classes: int | None
    """None: no heads."""
    backbone_only: bool
    scale_x_y: tuple[float, ...]
    preprocessing: Preprocessing
    read_state: Callable[[], Mapping[str, Tensor]]
    info: WeightsInfo | None = None
    """What our own files store."""


def _open(path: Path) -> _WeightsFile:
    if is_torch_file(require_weights_file(path)):
        content = read_torch_file(path)
        return _open_native(path, content) if is_native(content) else _open_tutorial(path, content)
    _check_published_content(path)
    layout = layout_of(path) or read_darknet(path).layout  # if no size fits, reading raises with the sizes that would
    return _WeightsFile(
        kind=f"Darknet, {layout.kind}",
        network=layout.network,
        is_certain=True,
        classes=layout.classes,
        backbone_only=layout.kind == "backbone",
        scale_x_y=network_spec(layout.network).scale_x_y,
        preprocessing="stretch",
        read_state=lambda: read_darknet(path).state,
    )


def _check_published_content(path: Path) -> None:
    """Refuse a file that has the name and the size of a published one, but not its content."""
    published = KNOWN.get(path.name)
    if published is not None and path.stat().st_size == published.bytes and find(published, path.parent) is None:
        raise bad_input(
            "weights.other_content",
            "{path}: it has the name and the size of the published file, but another content, as a download that was cut off "
            "leaves; delete it and download it again (freezetui weights get {name}), or rename it if it is your own.",
            path=path,
            name=path.name,
        )


def _open_native(path: Path, content: Mapping[str, Any]) -> _WeightsFile:
    info, state = parse_native(path, content)
    return _WeightsFile(
        kind="ours",
        network=info.network,
        is_certain=True,
        classes=len(info.classes),
        backbone_only=False,
        scale_x_y=info.scale_x_y,
        preprocessing=info.preprocessing,
        read_state=lambda: state,
        info=info,
    )


def _open_tutorial(path: Path, content: object) -> _WeightsFile:
    tensors = plain_tensors(content)
    network = guess_network(tensors)
    state = rename_tensors(tensors, network)
    if not state:
        raise bad_input(
            "weights.other_network",
            "{path}: these are weights of another network; none of its {count} tensors has a name that {networks} uses.",
            path=path,
            count=len(tensors),
            networks=" / ".join(NETWORKS),
        )
    backbone_only = all(name.startswith("backbone.") for name in state)
    classes = count_classes(state, network)
    if classes is not None and classes > MAX_CLASSES:
        raise bad_input(
            "weights.too_many_classes",
            "{path}: its heads are for {classes} classes; the most that can be loaded are {most}.",
            path=path,
            classes=classes,
            most=MAX_CLASSES,
        )
    return _WeightsFile(
        kind="tutorial .pth, backbone" if backbone_only else "tutorial .pth",
        network=network,
        is_certain=has_most_of_backbone(state, network),
        classes=classes,
        backbone_only=backbone_only,
        scale_x_y=(SCALE_X_Y,) * len(network_spec(network).scale_x_y),
        preprocessing="letterbox",
        read_state=lambda: state,
    )


def _assumed_info(file: _WeightsFile, classes: int) -> WeightsInfo:
    """The info for a file that does not store it."""
    spec = network_spec(file.network)
    info = WeightsInfo(
        network=file.network,
        classes=COCO_NAMES,
        all_anchors=spec.anchors,
        scale_x_y=file.scale_x_y,
        input_shape=spec.input_shape,
        preprocessing=file.preprocessing,
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
