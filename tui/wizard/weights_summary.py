"""Texts of the Weights screen about networks, starting points and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.messages import format_bytes, printable
from engine.network.registry import NETWORKS
from engine.weights.download.registry import official_file
from tui.text import N_, _, translate
from tui.wizard.weights_catalog import WeightsOption

if TYPE_CHECKING:
    from engine.weights.transfer import LoadReport

START_TEXTS = (
    (
        N_("Whole network (recommended)"),
        N_("Official COCO weights, or yours; only the layers of the classes are new."),
    ),
    (N_("Backbone only"), N_("It detects edges and shapes; neck and heads start random.")),
    (N_("From scratch"), N_("Only for ten thousand images and more; otherwise the result is poor.")),
)
"""Whole, backbone, scratch: name and description."""
KINDS = {
    "ours": N_("weights of a run"),
    "Darknet, whole": N_("Darknet, whole"),
    "Darknet, before heads": N_("Darknet, before the heads"),
    "Darknet, backbone": N_("Darknet, backbone only"),
    "tutorial .pth": N_("tutorial .pth"),
    "tutorial .pth, backbone": N_("tutorial .pth, backbone only"),
}
"""The engine's names of the kinds of files."""


def describe_networks(chosen: str) -> str:
    """One line for each network: its mark, its name, what it is good for, and the size of its official weights."""
    width = max(map(len, NETWORKS))
    lines = []
    for name, network in NETWORKS.items():
        official = official_file(name)
        size = "" if official is None else f"  {format_bytes(official.bytes)}"
        lines.append(f"{'●' if name == chosen else '○'} {name:<{width}}  {_(network.summary)}{size}")
    return "\n".join((_("Network  F2: the next one"), *lines))


def describe_option(option: WeightsOption) -> tuple[str, str]:
    """A file's name and description."""
    size = format_bytes(option.bytes)
    if option.kind == "official":
        downloaded = option.path is not None
        text = (
            _("official, {size}, downloaded", size=size)
            if downloaded
            else _("official, {size}, to download", size=size)
        )
        return option.name, text
    if option.kind == "run":
        return printable(option.name), _("best weights of this run, {size}", size=size)
    return printable(option.name), _("in model_data/, {size}", size=size)


def describe_report(report: LoadReport) -> str:
    """How many layers match, and one line for each that does not, with the reason."""
    matched = _(
        "{matched} of {total} convolutions ({kind}).",
        matched=report.matched,
        total=report.total,
        kind=_(KINDS.get(report.kind, report.kind)),
    )
    return "\n".join((matched, *(translate(message) for message in report.skipped)))


def start_help() -> str:
    """What F1 says about the three starting points."""
    return _(
        "Whole network: all weights except the last convolutions, which depend on your classes. Nearly always the best start, "
        "with the fewest epochs. Backbone only: the part that detects edges, textures and shapes; neck and heads start "
        "random and need more epochs. From scratch: random weights.\n\nF2 switches between the networks, F3 chooses a file from a tree. "
        "Enter downloads the official file if it is not there. Weights of runs are listed for the network that they belong to."
    )


def files_help() -> str:
    """What F1 says about the files."""
    return _(
        "The official weights were trained on the 80 classes of COCO and are checked against their published hash. The best "
        "weights of an earlier run continue what it learned. Any other file works too: our own .pth, Darknet's .weights, or a "
        "tutorial's .pth. The list below shows which layers match. Code inside a file is never run."
    )
