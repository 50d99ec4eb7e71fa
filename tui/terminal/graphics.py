"""Real pictures for terminals that can show them (kitty's protocol, sixel), through textual-image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual_image.widget import AutoImage, SixelImage

    PictureWidget = type[AutoImage | SixelImage]

_TERMS = ("kitty", "ghostty", "foot", "mlterm", "contour", "wezterm")
_PROGRAMS = ("WezTerm", "iTerm.app", "ghostty", "rio", "mintty", "contour")
_VARIABLES = ("KITTY_WINDOW_ID", "KONSOLE_VERSION", "WEZTERM_PANE", "WT_SESSION")
"""How terminals with graphics call themselves. Only these are asked what they can: to ask costs a tenth of a second where
nobody answers, and a key that is pressed meanwhile."""
_BETWEEN = ("TMUX", "STY", "NO_COLOR")
"""Programs between the wizard and the terminal that hand no pictures on; and the wish for none."""


@dataclass(frozen=True, slots=True)
class Graphics:
    """The widget that shows a PIL image, and the size of a cell in pixels."""

    widget: PictureWidget
    cell: tuple[int, int]


def may_show_graphics(environment: Mapping[str, str]) -> bool:
    """Whether the terminal calls itself one that shows pictures."""
    if any(environment.get(name) for name in _BETWEEN):
        return False
    return (
        any(name in environment.get("TERM", "") for name in _TERMS)
        or environment.get("TERM_PROGRAM") in _PROGRAMS
        or any(environment.get(name) for name in _VARIABLES)
    )


def graphics_of_terminal() -> Graphics | None:
    """Ask the terminal, once and before Textual reads what it answers; None where half blocks must do."""
    if not may_show_graphics(os.environ):
        return None
    from textual_image import renderable, widget
    from textual_image.widget import get_cell_size  # type: ignore[attr-defined]  # imported there, public or not

    if renderable.Image not in (renderable.SixelImage, renderable.TGPImage):
        return None
    return Graphics(widget.Image, get_cell_size())
