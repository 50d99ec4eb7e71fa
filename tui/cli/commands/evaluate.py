"""`freezetui evaluate`: computes the mAP of weights on a split."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import print_error
from tui.cli.options import HERE, Classes, Data, Device, Format, Json, Mapping, Offline, WeightsFile
from tui.cli.progress import count_bar
from tui.text import N_, _, translate


def evaluate(
    weights: WeightsFile,
    data: Data,
    split: Annotated[str, typer.Option("--split", help=N_("The split: train, val or test."))] = "val",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help=N_("The number of images in a batch."))] = 8,
    device: Device = "auto",
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    offline: Offline = False,
    json: Json = False,
) -> int:
    """Print the scores of weights on a split of a data set."""
    from engine.plan import open_source
    from engine.weights.signature import read_signature
    from tui.cli.plan_request import source_from_options
    from tui.cli.weights_download import named_weights

    weights = named_weights(weights, HERE, offline=offline)
    read_signature(weights)
    dataset = open_source(source_from_options(data, HERE, format, classes, tuple(mapping or ())))
    from engine.evaluation.inference import evaluate_weights  # imports torch, which takes seconds

    with count_bar(_("evaluating")) as progress:
        evaluation = evaluate_weights(weights, dataset, split, batch_size=batch_size, device=device, progress=progress)
    for skipped in evaluation.skipped:
        print_error(translate(skipped.message))
    scores = evaluation.scores
    if json:
        print_json(scores.to_json())
        return 0
    print_line(
        _(
            "{count} images  mAP50 {map50}  mAP50-95 {map}",
            count=scores.images,
            map50=f"{scores.map50:.3f}",
            map=f"{scores.map50_95:.3f}",
        )
    )
    print_table(
        (_("class"), _("boxes"), "AP50", "AP50-95", _("precision"), _("recall"), "F1"),
        (
            # Empty where the split has no box of the class.
            (n, s.boxes, *((s.ap50, s.ap50_95, s.precision, s.recall, s.f1) if s.boxes else ("",) * 5))
            for n, s in scores.per_class.items()
        ),
    )
    print_line(
        _(
            "Precision, recall and F1 are at confidence {confidence}, where the mean F1 is highest.",
            confidence=f"{scores.threshold:.2f}",
        )
    )
    return 0
