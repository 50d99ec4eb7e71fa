"""What the Weights screen says about networks, starts and files, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.messages import printable
from tui.text import N_, _, translate
from tui.text.sizes import megabytes
from tui.wizard.weights_catalog import WeightsOption

if TYPE_CHECKING:
    from engine.weights.transfer import LoadReport

NETWORKS = {
    "yolov4-tiny": N_("small and quick; right for most machines"),
    "yolov4": N_("finds more, needs ten times the time and a card with memory"),
}
STARTS = (
    (N_("Whole network (recommended)"), N_("Official COCO weights, or yours: all is known but your classes.")),
    (N_("Backbone only"), N_("It knows edges and shapes; finding objects is learned anew.")),
    (N_("From scratch"), N_("For ten thousand pictures and more; otherwise it detects badly.")),
)
"""Whole, backbone, scratch: what each is called, and what it means."""
KINDS = {
    "ours": N_("weights of a run"),
    "Darknet, whole": N_("Darknet, whole"),
    "Darknet, before heads": N_("Darknet, before the heads"),
    "Darknet, backbone": N_("Darknet, backbone only"),
    "tutorial .pth": N_("tutorial .pth"),
    "tutorial .pth, backbone": N_("tutorial .pth, backbone only"),
}
"""What the engine calls the kinds of files."""


def offered(offer: WeightsOption) -> tuple[str, str]:
    """A file's name, and what there is to say about it."""
    size = megabytes(offer.bytes)
    if offer.kind == "official":
        here = _("official, {size}, here", size=size)
        return offer.name, here if offer.path is not None else _("official, {size}, will be fetched", size=size)
    if offer.kind == "run":
        return printable(offer.name), _("best weights of this run, {size}", size=size)
    return printable(offer.name), _("in model_data/, {size}", size=size)


def reported(report: LoadReport) -> str:
    """What matched, and in a line each what did not and why."""
    matched = _(
        "{matched} of {total} convolutions ({kind}).",
        matched=report.matched,
        total=report.total,
        kind=_(KINDS.get(report.kind, report.kind)),
    )
    return "\n".join((matched, *(translate(message) for message in report.skipped)))


def start_help() -> str:
    """What F1 says about the three starts."""
    return _(
        "Whole network: all weights but the last convolutions, which depend on your classes. Nearly always the best start, "
        "and the fewest epochs. Backbone only: the part that sees edges, textures and shapes; neck and heads begin anew and "
        "need longer. From scratch: nothing is known. F2 changes between YOLOv4-tiny and YOLOv4."
    )


def files_help() -> str:
    """What F1 says about the files."""
    return _(
        "The official weights know the 80 classes of COCO and are checked against their published hash. The best weights of an "
        "earlier run go on from what it learned. Any other file: our own .pth, Darknet's .weights, or a tutorial's .pth; what "
        "in it fits is said below, and code in it is never run."
    )
