"""`freezetui predict`: detects objects in images."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from tui.cli.console import print_line
from tui.cli.errors import BAD_INPUT, print_error
from tui.cli.options import HERE, Device, Json, Offline, WeightsFile
from tui.cli.progress import counted, waiting
from tui.text import N_, _, ngettext, translate


def predict(
    weights: WeightsFile,
    sources: Annotated[list[Path], typer.Argument(metavar="IMAGE|FOLDER", help=N_("Images, and folders of images."))],
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FOLDER", help=N_("Save the images with their boxes in this folder.")),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="X",
            min=0,
            max=1,
            help=N_("The minimum confidence, from 0 to 1."),
            show_default=N_("that of the best F1, stored in the weights"),
        ),
    ] = None,
    device: Device = "auto",
    offline: Offline = False,
    json: Json = False,
) -> int:
    """Print the objects in each image."""
    from engine.dataset.image_files import find_images
    from engine.weights.signature import read_signature
    from tui.cli.weights_download import named_weights

    images = find_images(sources)
    weights = named_weights(weights, HERE, offline=offline)
    read_signature(weights)
    with waiting(_("Loading torch")):
        from engine.evaluation.inference import predict_files

    results = predict_files(
        weights,
        images,
        threshold=threshold,
        device=device,
        save=save,
        on_remark=lambda remark: print_error(translate(remark)),
    )
    saved = read = 0
    for result in counted(results, len(images), _("Detecting")):
        read += result.line is not None
        saved += result.line is not None and "saved" in result.line
        if result.line is None:
            print_error(translate(result.text))
        elif json:
            print_line(json_module.dumps(result.line, ensure_ascii=False))
        else:
            print_line(translate(result.text))
    if save is not None and not json:
        folder = save.absolute()
        print_line(
            ngettext("{count} image is saved in {folder}", "{count} images are saved in {folder}", saved, folder=folder)
        )
    return 0 if read else BAD_INPUT
