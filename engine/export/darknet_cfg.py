"""The `.cfg` of a network: its layers as Darknet and OpenCV read them.

Layer by layer it follows the modules in engine/network, in the order of `Detector.layers`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from typing import Any

from engine.evaluation.predict import default_threshold
from engine.network.backbones import CSPDarknet53, CSPDarknet53Tiny
from engine.network.blocks import Activation, ConvBNAct, CSPStage
from engine.network.detector import Detector
from engine.network.registry import network_spec
from engine.weights.native import WeightsInfo

_OPENCV_THRESHOLD = 0.2
"""OpenCV gives 0 for scores below it, unless the file names a lower one."""


class CfgBuilder:
    """Collects sections. Layers are numbered from 0, as `[route]` and `[shortcut]` count them."""

    def __init__(self, network: Detector, info: WeightsInfo) -> None:
        height, width = info.input_shape
        self._network = network
        self._threshold = default_threshold(info)
        self._sections: list[str] = []
        self._layers = 0
        net = {"batch": 1, "subdivisions": 1, "width": width, "height": height, "channels": 3}
        if info.preprocessing == "letterbox":
            net["letter_box"] = 1
        self._add("net", net)
        self._layers = 0  # [net] is no layer

    def text(self) -> str:
        """The file."""
        return "\n\n".join(self._sections) + "\n"

    @property
    def last(self) -> int:
        """The number of the layer added last."""
        return self._layers - 1

    def convolution(
        self, filters: int, size: int, stride: int = 1, activation: Activation = "leaky", *, batch_norm: bool = True
    ) -> int:
        """A convolution; without batch norm it has a bias and no activation."""
        settings: dict[str, Any] = {"batch_normalize": 1} if batch_norm else {}
        settings |= {"filters": filters, "size": size, "stride": stride, "pad": 1}
        return self._add("convolutional", settings | {"activation": activation if batch_norm else "linear"})

    def module(self, module: ConvBNAct) -> int:
        """The convolution of a module of ours."""
        conv = module.conv
        return self.convolution(conv.out_channels, conv.kernel_size[0], conv.stride[0], module.activation)

    def stack(self, modules: Sequence[ConvBNAct]) -> int:
        """Several of them, one after the other."""
        for module in modules:
            self.module(module)
        return self.last

    def route(self, *layers: int) -> int:
        """The outputs of `layers`, concatenated."""
        return self._add("route", {"layers": ",".join(map(str, layers))})

    def second_half(self, layer: int) -> int:
        """The second half of the channels of `layer`."""
        return self._add("route", {"layers": layer, "groups": 2, "group_id": 1})

    def shortcut(self, layer: int) -> int:
        """The output of the last layer, added to that of `layer`."""
        return self._add("shortcut", {"from": layer - self._layers, "activation": "linear"})

    def max_pool(self, size: int, stride: int) -> int:
        """The largest value in each window."""
        return self._add("maxpool", {"size": size, "stride": stride})

    def upsample(self) -> int:
        """Twice the height and width."""
        return self._add("upsample", {"stride": 2})

    def head(self, level: int, hidden: int) -> int:
        """The two convolutions of a head and its `[yolo]`. Returns the layer before the head."""
        before = self.last
        spec, classes = self._network.spec, self._network.classes
        mask = spec.anchor_masks[level]
        self.convolution(hidden, 3)
        self.convolution(len(mask) * (5 + classes), 1, batch_norm=False)
        settings = {
            "mask": ",".join(map(str, mask)),
            "anchors": ", ".join(f"{width:g},{height:g}" for width, height in self._network.all_anchors),
            "classes": classes,
            "num": len(self._network.all_anchors),
            "scale_x_y": f"{self._network.scale_x_y[level]:g}",
        }
        if self._threshold < _OPENCV_THRESHOLD:
            settings["thresh"] = f"{self._threshold:g}"  # only OpenCV reads it
        self._add("yolo", settings)
        return before

    def _add(self, section: str, settings: dict[str, Any]) -> int:
        lines = [f"[{section}]", *(f"{key}={value}" for key, value in settings.items())]
        self._sections.append("\n".join(lines))
        self._layers += 1
        return self.last


def darknet_cfg(network: Detector, info: WeightsInfo) -> str | None:
    """The `.cfg` of `network`; None if it has none."""
    name = network_spec(network.name).darknet_cfg
    if name is None:
        return None
    add_layers: Callable[[CfgBuilder, Any], None] = pkgutil.resolve_name(name)
    builder = CfgBuilder(network, info)
    add_layers(builder, network)
    return builder.text()


def yolov4_layers(cfg: CfgBuilder, network: Any) -> None:
    """The layers of `YoloV4`."""
    backbone, neck = network.backbone, network.neck
    fine, middle, _coarse = _csp_darknet53(cfg, backbone)
    # Spatial pyramid pooling.
    entry = cfg.stack(neck.before_pool)
    pools = []
    for size in (5, 9, 13):
        pools.append(cfg.max_pool(size, 1))
        if size < 13:
            cfg.route(entry)
    cfg.route(*reversed(pools), entry)
    coarse = cfg.stack(neck.after_pool)
    middle = _top_down(cfg, neck.middle, middle)
    fine = _top_down(cfg, neck.fine, fine)
    widths = [head.spread.conv.out_channels for head in network.heads]
    cfg.route(cfg.head(0, widths[0]))
    middle = _bottom_up(cfg, neck.to_middle, middle)
    cfg.head(1, widths[1])
    cfg.route(middle)
    _bottom_up(cfg, neck.to_coarse, coarse)
    cfg.head(2, widths[2])


def yolov4_tiny_layers(cfg: CfgBuilder, network: Any) -> None:
    """The layers of `YoloV4Tiny`."""
    backbone: CSPDarknet53Tiny = network.backbone
    neck = network.neck
    fine = cfg.stack(list(backbone.stem))  # type: ignore[arg-type]
    for stage in backbone.stages:
        enter = cfg.module(stage.enter)  # type: ignore[arg-type]
        cfg.second_half(enter)
        first = cfg.module(stage.first)  # type: ignore[arg-type]
        second = cfg.module(stage.second)  # type: ignore[arg-type]
        cfg.route(second, first)
        fine = cfg.module(stage.merge)  # type: ignore[arg-type]
        cfg.route(enter, fine)
        cfg.max_pool(2, 2)
    cfg.module(backbone.last)
    cfg.module(neck.coarse)
    coarse = cfg.head(1, network.heads[1].spread.conv.out_channels)
    cfg.route(coarse)
    cfg.module(neck.reduce)
    cfg.route(cfg.upsample(), fine)
    cfg.head(0, network.heads[0].spread.conv.out_channels)


def _csp_darknet53(cfg: CfgBuilder, backbone: CSPDarknet53) -> tuple[int, int, int]:
    """The backbone. Returns the layers of its last three stages."""
    cfg.module(backbone.stem)
    outputs = [_csp_stage(cfg, stage) for stage in backbone.stages]  # type: ignore[arg-type]
    return outputs[-3], outputs[-2], outputs[-1]


def _csp_stage(cfg: CfgBuilder, stage: CSPStage) -> int:
    downsample = cfg.module(stage.downsample)
    bypass = cfg.module(stage.bypass)
    cfg.route(downsample)
    entry = cfg.module(stage.enter)
    for residual in stage.residuals:
        cfg.module(residual.reduce)  # type: ignore[arg-type]
        cfg.module(residual.expand)  # type: ignore[arg-type]
        entry = cfg.shortcut(entry)
    leave = cfg.module(stage.leave)
    cfg.route(leave, bypass)
    return cfg.module(stage.merge)


def _top_down(cfg: CfgBuilder, block: Any, features: int) -> int:
    cfg.module(block.reduce)
    upsampled = cfg.upsample()
    cfg.route(features)
    cfg.route(cfg.module(block.lateral), upsampled)
    return cfg.stack(block.mix)


def _bottom_up(cfg: CfgBuilder, block: Any, features: int) -> int:
    cfg.route(cfg.module(block.downsample), features)
    return cfg.stack(block.mix)
