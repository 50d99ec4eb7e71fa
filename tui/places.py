"""The screen of each place, imported when it is first shown: nine screens and their widgets would delay the first one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from tui.path import PLACES

if TYPE_CHECKING:
    from tui.screens.step import Step

BESIDE: Final = ("runs",)
"""Places that are no step of the path."""


class _Places(Mapping[str, type["Step"]]):
    """A place's screen is the class `<Place>Step` of `tui/screens/<place>.py`."""

    def __getitem__(self, place: str) -> type[Step]:
        if place not in tuple(self):
            raise KeyError(place)
        screen: type[Step] = getattr(import_module(f"tui.screens.{place}"), f"{place.capitalize()}Step")
        return screen

    def __iter__(self) -> Iterator[str]:
        return iter((*PLACES, *BESIDE))

    def __len__(self) -> int:
        return len(PLACES) + len(BESIDE)


STEPS: Final[Mapping[str, type[Step]]] = _Places()
