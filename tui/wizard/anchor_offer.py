"""Whether the wizard offers other anchors: where those at hand fit the boxes of the data set badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.network.registry import Anchors, network_spec
from engine.planning.request import PreparedPlan
from engine.recipe import Recipe

if TYPE_CHECKING:
    from engine.dataset.anchors import AnchorSuggestion

MAX_IMAGES = 1000
"""Enough to see whether anchors fit, and quick for a data set of any size."""


@dataclass(frozen=True, slots=True)
class AnchorOffer:
    """Anchors that fit better than those of `recipe`."""

    recipe: Recipe
    suggestion: AnchorSuggestion

    def is_for(self, recipe: Recipe) -> bool:
        """Whether the offer is right for `recipe` too."""
        return anchor_settings(self.recipe) == anchor_settings(recipe)


def anchor_settings(recipe: Recipe) -> tuple[object, ...]:
    """The settings that decide whether anchors fit."""
    return recipe.network, recipe.input_shape, recipe.anchors


def anchor_offer(prepared: PreparedPlan) -> AnchorOffer | None:
    """The offer for a Plan; None where its anchors fit, or its network has none.

    Raises:
        BadInput: the training images have no box.
    """
    recipe = prepared.plan.recipe
    at_hand = anchors_at_hand(recipe)
    if not at_hand:
        return None
    from engine.dataset.anchors import suggest_anchors  # imports OpenCV

    suggestion = suggest_anchors(prepared.dataset, recipe.input_shape, at_hand, max_images=MAX_IMAGES)
    return AnchorOffer(recipe, suggestion) if suggestion.fits_badly else None


def anchors_at_hand(recipe: Recipe) -> Anchors:
    """The anchors of a recipe: its own, else those of its network."""
    return network_spec(recipe.network).anchors if recipe.anchors == "network" else recipe.anchors
