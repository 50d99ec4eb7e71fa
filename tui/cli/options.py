"""Options that several commands share. Help texts are translated when they are shown, see `typer_translation`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.text import N_

Json = Annotated[bool, typer.Option("--json", help=N_("Print JSON for programs, and nothing else."))]
Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace", help=N_("The folder that contains logs/ and model_data/."), show_default=N_("this folder")
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data", help=N_("The data set: a folder, data.yaml, .json, .csv or list; 'sample' for the drawn sample set.")
    ),
]
Format = Annotated[
    str, typer.Option("--format", help=N_("The format of the labels: auto, voc, yolo, coco, labelme, csv or list."))
]
Classes = Annotated[Path | None, typer.Option("--classes", help=N_("A file with one class name per line."))]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OLD=NEW", help=N_("Rename a class of the labels; repeatable.")),
]
Preset = Annotated[str | None, typer.Option("--preset", help=N_("The preset to start from; see: freezetui presets."))]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help=N_("A recipe file (TOML) instead of a preset."))]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help=N_("Change one setting of the recipe; repeatable.")),
]
WeightsFile = Annotated[
    Path, typer.Option("--weights", help=N_("Weights: of freezetui, Darknet's .weights, or a tutorial's .pth."))
]
Offline = Annotated[
    bool, typer.Option("--offline", help=N_("Download nothing: weights must be in model_data/ already."))
]
Device = Annotated[str, typer.Option("--device", help=N_("The device: auto, cpu, cuda or mps."))]

OnOom = Annotated[
    str,
    typer.Option(
        "--on-oom",
        metavar="stop|retry|accumulate",
        help=N_(
            "When memory runs out: stop; retry with smaller batches; or accumulate as many of them as make the old step."
        ),
    ),
]

HERE = Path()
