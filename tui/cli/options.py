"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON and nothing else.")]
Workspace = Annotated[
    Path, typer.Option("--workspace", help="The folder that holds logs/ and model_data/.", show_default="this folder")
]
Data = Annotated[
    str,
    typer.Option("--data", help="The data set: a folder, data.yaml, COCO file or list; 'sample' for the drawn one."),
]
Format = Annotated[str, typer.Option("--format", help="auto, voc, yolo, coco or list.")]
Classes = Annotated[Path | None, typer.Option("--classes", help="A file of class names, one a line.")]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OLD=NEW", help="Give a class of the labels another name; repeatable."),
]
Preset = Annotated[str | None, typer.Option("--preset", help="The preset to start from; see: freezetui presets.")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe file (TOML) instead of a preset.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the recipe; repeatable.")
]
WeightsFile = Annotated[
    Path, typer.Option("--weights", help="Weights: ours, Darknet's .weights, or a tutorial's .pth.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]

OnOom = Annotated[
    str,
    typer.Option(
        "--on-oom",
        metavar="stop|retry|accumulate",
        help="When memory runs out: stop; go on with smaller batches; or with as many of them as make the old step.",
    ),
]

HERE = Path()
EMBEDDED = "sample"
"""As --data: the drawn sample set."""
