"""`freezetui data anchors`: anchors that fit the boxes of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.console import print_json, print_line, print_table
from tui.cli.options import HERE, Classes, DatasetPath, Format, Json, Mapping, Preset, RecipeFile, Settings, Workspace
from tui.cli.progress import count_bar
from tui.text import N_, _, ngettext
from tui.text.joining import join_parts

if TYPE_CHECKING:
    from engine.dataset.anchors import AnchorSuggestion


def anchors(
    path: DatasetPath,
    preset: Preset = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help=N_("The same seed finds the same anchors."))] = 0,
    format: Format = "auto",
    classes: Classes = None,
    mapping: Mapping = None,
    workspace: Workspace = HERE,
    json: Json = False,
) -> int:
    """Print how well the anchors at hand fit, and better ones."""
    from engine.dataset.anchors import suggest_anchors
    from engine.plan import open_source
    from tui.cli.plan_request import PlanOptions, recipe_from_options, source_from_options
    from tui.wizard.anchor_offer import anchors_at_hand

    pairs = tuple(mapping or ())
    chosen = recipe_from_options(PlanOptions(path, workspace, preset, recipe, tuple(settings or ())))
    source = source_from_options(path, workspace, format, classes, pairs)
    with count_bar(_("Reading labels")) as update:
        dataset = open_source(source, chosen.seed, update)
    with count_bar(_("Images")) as update:
        suggestion = suggest_anchors(dataset, chosen.input_shape, anchors_at_hand(chosen), seed=seed, progress=update)
    if json:
        found = {"before": suggestion.before.to_json(), "after": suggestion.after.to_json()}
        print_json(
            {
                "network": chosen.network,
                "input_shape": list(chosen.input_shape),
                "boxes": suggestion.box_count,
                "enough_boxes": suggestion.has_enough_boxes,
                "fits_badly": suggestion.fits_badly,
                **found,
            }
        )
    else:
        height, width = chosen.input_shape
        print_line(join_parts(chosen.network, f"{width}x{height}"))
        print_suggestion(suggestion)
    return 0


def print_suggestion(suggestion: AnchorSuggestion) -> None:
    """Print both sets of anchors, how well they fit, what to do, and the line for a recipe."""
    from engine.dataset.anchors import MIN_BOXES, SHAPE_IOU
    from engine.recipe import to_plain_value

    count = suggestion.box_count
    print_line(ngettext("{count} box in the training images", "{count} boxes in the training images", count))
    rows = (
        (name, f"{fit.mean_iou:.3f}", f"{100 * fit.recall:.1f} %", " ".join(f"{w:g}x{h:g}" for w, h in fit.anchors))
        for name, fit in ((_("present"), suggestion.before), (_("fitted"), suggestion.after))
    )
    print_table(("", _("mean IoU"), _("recall at {iou}", iou=SHAPE_IOU), _("anchors")), rows)
    print_line(
        _(
            "mean IoU: how alike a box and its best anchor are in size and shape, 1 is the same. recall: the boxes for which that is "
            "above {iou}, so that several anchors learn them.",
            iou=SHAPE_IOU,
        )
    )
    print_line()
    if not suggestion.has_enough_boxes:
        print_line(
            ngettext(
                "{count} box does not tell what sizes your objects have ({least} do): keep the anchors of the network.",
                "{count} boxes do not tell what sizes your objects have ({least} do): keep the anchors of the network.",
                count,
                least=MIN_BOXES,
            )
        )
        return
    if suggestion.fits_badly:
        print_line(
            _("The present anchors fit these boxes badly. Write this line into the recipe, or give it with --set:")
        )
    else:
        print_line(
            _(
                "The present anchors fit these boxes well: keep them. To use the others, write this line into the recipe:"
            )
        )
    print_line(f"anchors = {to_plain_value(suggestion.after.anchors)}")
