"""`freezetui evaluate`: computes the mAP of weights on a split."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import print_error
from tui.cli.options import (
    HERE,
    MACHINE_SECTION,
    Classes,
    Data,
    Device,
    Format,
    Json,
    Mapping,
    Offline,
    Split,
    WeightsFile,
)
from tui.cli.progress import count_bar
from tui.text import N_, _, ngettext, translate


def evaluate(
    weights: WeightsFile,
    data: Data,
    split: Split = "val",
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            metavar="N",
            min=1,
            help=N_("The number of images in a batch."),
            rich_help_panel=MACHINE_SECTION,
        ),
    ] = 8,
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
    source = source_from_options(data, HERE, format, classes, tuple(mapping or ()))
    with count_bar(_("Reading labels")) as progress:
        dataset = open_source(source, progress=progress)
    with count_bar(_("Evaluating")) as progress:
        from engine.evaluation.inference import evaluate_weights  # imports torch, which takes seconds

        evaluation = evaluate_weights(weights, dataset, split, batch_size=batch_size, device=device, progress=progress)
    for skipped in evaluation.skipped:
        print_error(translate(skipped.message))
    scores = evaluation.scores
    if json:
        print_json({"split": split, **scores.to_json()})
        return 0
    print_line(
        ngettext(
            "{count} image ({split})  mAP50 {map50}  mAP50-95 {map}",
            "{count} images ({split})  mAP50 {map50}  mAP50-95 {map}",
            scores.images,
            split=split,
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
