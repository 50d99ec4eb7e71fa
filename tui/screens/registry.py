"""The screens by their names. A screen is imported when it is first shown: importing all nine would delay the first."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tui.screens.base import WizardScreen

SCREENS: Final[Mapping[str, str]] = {
    "hardware": "tui.screens.hardware:HardwareScreen",
    "data": "tui.screens.data:DataScreen",
    "weights": "tui.screens.weights:WeightsScreen",
    "recipe": "tui.screens.recipe:RecipeScreen",
    "tune": "tui.screens.tune:TuneScreen",
    "review": "tui.screens.review:ReviewScreen",
    "train": "tui.screens.train:TrainScreen",
    "results": "tui.screens.results:ResultsScreen",
    "runs": "tui.screens.runs:RunsScreen",
}
"""Name of a screen -> module:class."""


def screen_class(name: str) -> type[WizardScreen]:
    """The class of the screen, imported now if it was not before."""
    module, _, class_name = SCREENS[name].partition(":")
    screen: type[WizardScreen] = getattr(import_module(module), class_name)
    return screen
