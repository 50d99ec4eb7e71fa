"""Which screen belongs to which name. Each is imported when it is first shown: nine screens would delay the first one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tui.screens.base import WizardScreen

_TABLE: Final[Mapping[str, str]] = {
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


class _Screens(Mapping[str, type["WizardScreen"]]):
    """`_TABLE` with the classes themselves."""

    def __getitem__(self, name: str) -> type[WizardScreen]:
        module, _, class_name = _TABLE[name].partition(":")
        screen: type[WizardScreen] = getattr(import_module(module), class_name)
        return screen

    def __iter__(self) -> Iterator[str]:
        return iter(_TABLE)

    def __len__(self) -> int:
        return len(_TABLE)


SCREENS: Final[Mapping[str, type[WizardScreen]]] = _Screens()
