"""`freezetui evaluate`: mAP of weights on a split."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import print_error
from tui.cli.options import HERE, Classes, Data, Device, Format, Json, Mapping, WeightsFile
from tui.cli.progress import count_bar


def evaluate(
    weights: WeightsFile,
    data: Data,
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "val",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at a time.")] = 8,
    device: Device = "auto",
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    json: Json = False,
) -> int:
    """Score weights on a split of a data set: mAP, and each class."""
    from engine.plan import open_source
    from engine.weights.signature import read_signature
    from tui.cli.plan_request import source_of

    read_signature(weights)
    dataset = open_source(source_of(data, HERE, format, classes, tuple(mapping or ())))
    from engine.evaluation.inference import score  # torch: seconds

    with count_bar("evaluating") as progress:
        evaluation = score(weights, dataset, split, batch_size=batch_size, device=device, progress=progress)
    for skipped in evaluation.skipped:
        print_error(str(skipped))
    scores = evaluation.scores
    if json:
        print_json(scores.to_json())
        return 0
    print_line(f"{scores.images} images  mAP50 {scores.map50:.3f}  mAP50-95 {scores.map50_95:.3f}")
    print_table(
        ("class", "boxes", "AP50", "AP50-95", "precision", "recall", "F1"),
        (
            # Blank where there was nothing to find.
            (n, s.boxes, *((s.ap50, s.ap50_95, s.precision, s.recall, s.f1) if s.boxes else ("",) * 5))
            for n, s in scores.per_class.items()
        ),
    )
    print_line(f"Precision, recall and F1 at confidence {scores.threshold:.2f}, where the mean F1 is best.")
    return 0
