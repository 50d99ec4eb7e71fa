"""`freezetui export`: writes weights in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli import completion
from tui.cli.console import print_json, print_line
from tui.cli.options import HERE, Json, Offline, WeightsFile
from tui.cli.progress import waiting
from tui.text import N_, _, translate

FORMATS = ("onnx", "torchscript", "darknet", "tutorial")


def export(
    weights: WeightsFile,
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            "--to",
            metavar="FORMAT",
            help=N_("The format to write: onnx, torchscript, darknet or tutorial."),
            autocompletion=completion.one_of(*FORMATS),
        ),
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=N_("The file to write."), show_default=N_("beside the weights")),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--images",
            metavar="IMAGE|FOLDER",
            help=N_("Images to check the exported file on; repeatable."),
            show_default=N_("those of the weights' run, or drawn ones"),
        ),
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help=N_("ONNX: accept any batch size, and any height and width."))
    ] = False,
    nms: Annotated[bool, typer.Option("--nms", help=N_("ONNX: put non-maximum suppression into the file."))] = False,
    offline: Offline = False,
    json: Json = False,
) -> int:
    """Write the file, run it, and compare the results with those of the network."""
    from engine.dataset.image_files import find_images
    from engine.weights.signature import read_signature
    from tui.cli.weights_download import named_weights

    found = find_images(images or [])
    weights = named_weights(weights, HERE, offline=offline)
    read_signature(weights)
    with waiting(_("Writing and checking {file}", file=out or weights)):
        from engine.export.export import export_weights

        exported = export_weights(weights, file_format, out, images=found, dynamic=dynamic, nms=nms)
    if json:
        print_json(
            {
                "files": [str(path) for path in exported.files],
                "check": str(exported.check),
                "notes": [str(note) for note in exported.notes],
            }
        )
        return 0
    for path in exported.files:
        print_line(_("{path} is written.", path=path))
    print_line(translate(exported.check))
    for note in exported.notes:
        print_line(_("Note: {warning}", warning=translate(note)))
    return 0
