"""`freezetui evaluate`: the scores and the mistakes of weights on a split."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.messages import bad_input
from tui.cli import completion
from tui.cli.console import print_json, print_line, print_table
from tui.cli.errors import print_error
from tui.cli.options import (
    HERE,
    MACHINE_SECTION,
    OUTPUT_SECTION,
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
from tui.cli.progress import count_bar, waiting
from tui.text import N_, _, ngettext, translate
from tui.text.datasets import split_name
from tui.text.mistake_kinds import KIND_EXPLANATIONS, KIND_NAMES

if TYPE_CHECKING:
    from engine.evaluation.analysis import Analysis

AUTO = "auto"
MIN_THRESHOLD = 0.01
"""Weaker detections are not kept."""


def evaluate(
    weights: WeightsFile,
    data: Data,
    split: Split = "val",
    threshold: Annotated[
        str,
        typer.Option(
            "--threshold",
            metavar="auto|NUMBER",
            help=N_(
                "The confidence from which a detection counts in precision, recall, F1 and mistakes; auto: that of the best F1."
            ),
            autocompletion=completion.one_of(AUTO),
        ),
    ] = AUTO,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FOLDER",
            help=N_("Write figures, the worst images and evaluation.json into a new folder."),
            rich_help_panel=OUTPUT_SECTION,
        ),
    ] = None,
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
    """Print the scores and the mistakes of weights on a split of a data set."""
    from engine.plan import open_source
    from engine.weights.signature import read_signature
    from tui.cli.plan_request import source_from_options
    from tui.cli.weights_download import named_weights

    chosen_threshold = _parse_threshold(threshold)
    weights = named_weights(weights, HERE, offline=offline)
    read_signature(weights)
    source = source_from_options(data, HERE, format, classes, tuple(mapping or ()))
    with count_bar(_("Reading labels")) as progress:
        dataset = open_source(source, progress=progress)
    with waiting(_("Starting")):
        # These import torch and matplotlib, which takes seconds.
        from engine.evaluation.analysis import analyse_weights
        from engine.evaluation.analysis_folder import new_folder, save_analysis
        from engine.evaluation.figure_text import FigureTexts

    texts = FigureTexts(translate)
    with nullcontext() if save is None else new_folder(save):
        with count_bar(_("Evaluating")) as progress:
            analysis = analyse_weights(
                weights,
                dataset,
                split,
                batch_size=batch_size,
                device=device,
                threshold=chosen_threshold,
                class_names=None if classes is None else dataset.classes,
                progress=progress,
            )
        if save is not None:
            with waiting(_("Drawing figures")):
                save_analysis(save, analysis, texts)
    if texts.lacks_font:
        print_error(
            _(
                "The figures are in English: no font on this system has the letters of your language, such as Noto Sans CJK."
            )
        )
    for skipped in analysis.skipped:
        print_error(translate(skipped.message))
    if json:
        print_json({**analysis.to_json(), **({} if save is None else {"saved": str(save)})})
        return 0
    _print_analysis(analysis, is_auto=chosen_threshold is None)
    if save is not None:
        print_line(_("{folder} has the figures, the worst images and evaluation.json.", folder=save))
    return 0


def _parse_threshold(text: str) -> float | None:
    """The confidence; None for auto.

    Raises:
        BadInput: it is neither auto nor a number from MIN_THRESHOLD to 1.
    """
    if text == AUTO:
        return None
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if not MIN_THRESHOLD <= threshold <= 1:
        nearest = AUTO if math.isnan(threshold) else min(max(threshold, MIN_THRESHOLD), 1)
        raise bad_input(
            "evaluate.threshold",
            "--threshold {threshold}: this is not auto or a number from {least} to 1; did you mean {nearest}?",
            threshold=text,
            least=MIN_THRESHOLD,
            nearest=nearest,
        )
    return threshold


def _print_analysis(analysis: Analysis, *, is_auto: bool) -> None:
    scores, details = analysis.scores, analysis.details
    print_line(
        ngettext(
            "{count} image ({split})  mAP50 {map50}  mAP50-95 {map}",
            "{count} images ({split})  mAP50 {map50}  mAP50-95 {map}",
            scores.images,
            split=split_name(analysis.split),
            map50=f"{scores.map50:.3f}",
            map=f"{scores.map50_95:.3f}",
        )
    )
    print_table(
        (_("class"), _("boxes"), "AP50", "AP50-95", _("precision"), _("recall"), "F1", _("best threshold")),
        (
            # Empty where the split has no box of the class.
            (
                name,
                score.boxes,
                *((score.ap50, score.ap50_95, score.precision, score.recall, score.f1) if score.boxes else ("",) * 5),
                _two_digits(details.per_class[name].best_threshold),
            )
            for name, score in scores.per_class.items()
        ),
    )
    threshold = f"{scores.threshold:.2f}" if is_auto else f"{scores.threshold:g}"
    if is_auto:
        print_line(
            _(
                "Precision, recall and F1 are at confidence {confidence}, where the mean F1 is highest.",
                confidence=threshold,
            )
        )
    else:
        print_line(
            _(
                "Precision, recall and F1 are at confidence {confidence}; the mean F1 is highest at {best}.",
                confidence=threshold,
                best=f"{details.best_threshold:.2f}",
            )
        )
    print_line()
    print_table(
        (_("size of the objects"), _("boxes"), "AP50", "AP50-95"),
        (
            (_(_SIZE_NAMES[size]), score.boxes, *("" if ap is None else ap for ap in (score.ap50, score.ap50_95)))
            for size, score in details.sizes.items()
        ),
    )
    print_line()
    _print_mistakes(analysis, threshold)


def _print_mistakes(analysis: Analysis, threshold: str) -> None:
    objects = analysis.mistakes.found + analysis.mistakes.missed
    print_line(
        ngettext(
            "{found} of {count} object found at confidence {threshold}, {wrong} wrong detections.",
            "{found} of {count} objects found at confidence {threshold}, {wrong} wrong detections.",
            objects,
            found=analysis.mistakes.found,
            wrong=analysis.mistakes.wrong,
            threshold=threshold,
        )
    )
    print_table(
        (_("mistake"), _("number"), _("meaning")),
        (
            (_(KIND_NAMES[kind]), count, _(KIND_EXPLANATIONS[kind]))
            for kind, count in analysis.to_json()["mistakes"].items()
        ),
    )
    if not analysis.worst_images:
        return
    print_line()
    print_table(
        (_("worst images"), _("objects"), _("found"), _("wrong"), _("mistakes")),
        (
            (
                image.path,
                image.mistakes.found + image.mistakes.missed,
                image.mistakes.found,
                image.mistakes.wrong,
                ", ".join(
                    f"{_(KIND_NAMES[kind])} {image.kinds[kind]}" for kind in sorted(image.kinds, key=_kind_order)
                ),
            )
            for image in analysis.worst_images
        ),
    )


_SIZE_NAMES = {
    "small": N_("small, to 32 x 32 pixels"),
    "medium": N_("medium, to 96 x 96 pixels"),
    "large": N_("large"),
}


def _kind_order(kind: str) -> int:
    return list(KIND_NAMES).index(kind)


def _two_digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
