"""`freezetui predict`: what is in these pictures."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from tui.cli.console import print_line
from tui.cli.errors import print_error
from tui.cli.options import Device, Json, WeightsFile


def predict(
    weights: WeightsFile,
    sources: Annotated[list[Path], typer.Argument(help="Pictures and folders of pictures.")],
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the pictures with their boxes into this folder.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0, max=1, help="Least confidence.", show_default="the weights' own best"),
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> int:
    """Find objects in pictures and folders."""
    from engine.dataset.image_files import find_images
    from engine.weights.signature import read_signature

    pictures = find_images(sources)
    read_signature(weights)
    from engine.evaluation.inference import look  # torch: seconds

    for result in look(weights, pictures, threshold=threshold, device=device, save=save):
        if result.problem is not None:
            print_error(result.problem)
        elif json:
            print_line(json_module.dumps(result.line, ensure_ascii=False))
        else:
            print_line(result.text)
    return 0
