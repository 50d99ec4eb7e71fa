"""Whether the wizard offers other anchors: where those at hand fit the boxes of the data set badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.messages import BadInput
from engine.network.registry import Anchors, network_spec
from engine.planning.request import PreparedPlan
from engine.recipe import Recipe
from tui.text import _, translate

if TYPE_CHECKING:
    from engine.dataset.anchors import AnchorSuggestion

MAX_IMAGES = 1000
"""Enough to see whether anchors fit, and quick for a data set of any size."""


@dataclass(frozen=True, slots=True)
class AnchorCheck:
    """Whether the anchors of `recipe` fit the boxes of a data set."""

    recipe: Recipe
    suggestion: AnchorSuggestion | None
    """The best anchors that were found; None where there are no anchors or no boxes."""
    problem: str = ""
    """Why there is no suggestion."""

    def is_for(self, recipe: Recipe) -> bool:
        """Whether the check is right for `recipe` too."""
        return anchor_settings(self.recipe) == anchor_settings(recipe)

    @property
    def has_offer(self) -> bool:
        """Whether other anchors are worth using."""
        return self.suggestion is not None and self.suggestion.fits_badly

    @property
    def before(self) -> float:
        """The mean IoU of the anchors at hand."""
        return 0.0 if self.suggestion is None else self.suggestion.before.mean_iou

    @property
    def after(self) -> float:
        """The mean IoU of the best anchors that were found."""
        return 0.0 if self.suggestion is None else self.suggestion.after.mean_iou

    def no_offer_reason(self) -> str:
        """Why no other anchors are offered; empty if they are."""
        if self.suggestion is None:
            return self.problem
        if self.has_offer:
            return ""
        from engine.dataset.anchors import MIN_BOXES  # imports OpenCV

        if self.suggestion.box_count < MIN_BOXES:
            return _(
                "{count} boxes are too few to fit anchors to them; {enough} or more are needed.",
                count=self.suggestion.box_count,
                enough=MIN_BOXES,
            )
        return _(
            "The anchors fit your boxes: their mean IoU is {before}, and the best ones that were found have {after}.",
            before=f"{self.before:.2f}",
            after=f"{self.after:.2f}",
        )


def anchor_settings(recipe: Recipe) -> tuple[object, ...]:
    """The settings that decide whether anchors fit."""
    return recipe.network, recipe.input_shape, recipe.anchors


def check_anchors(prepared: PreparedPlan) -> AnchorCheck:
    """Whether the anchors of a Plan fit its training images. Slow: for a thread."""
    recipe = prepared.plan.recipe
    at_hand = anchors_at_hand(recipe)
    if not at_hand:
        return AnchorCheck(recipe, None, _("{network} has no anchors.", network=recipe.network))
    from engine.dataset.anchors import suggest_anchors  # imports OpenCV

    try:
        suggestion = suggest_anchors(prepared.dataset, recipe.input_shape, at_hand, max_images=MAX_IMAGES)
    except BadInput as error:  # the training images have no box
        return AnchorCheck(recipe, None, translate(error.messages[0]))
    return AnchorCheck(recipe, suggestion)


def anchors_at_hand(recipe: Recipe) -> Anchors:
    """The anchors of a recipe: its own, else those of its network."""
    return network_spec(recipe.network).anchors if recipe.anchors == "network" else recipe.anchors
