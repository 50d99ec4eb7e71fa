"""Full-resolution images in terminals with a graphics protocol (kitty's, sixel), through textual-image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.terminal.web import is_web

if TYPE_CHECKING:
    from textual_image.widget import AutoImage, SixelImage

    ImageWidget = type[AutoImage | SixelImage]

_TERMS = ("kitty", "ghostty", "foot", "mlterm", "contour", "wezterm")
_PROGRAMS = ("WezTerm", "iTerm.app", "ghostty", "rio", "mintty", "contour")
_VARIABLES = ("KITTY_WINDOW_ID", "KONSOLE_VERSION", "WEZTERM_PANE", "WT_SESSION")
"""How terminals with a graphics protocol identify themselves. Only these are queried: where no answer comes, a query costs
a tenth of a second, and any key that is pressed meanwhile."""
_DISABLED_BY = ("TMUX", "STY", "NO_COLOR")
"""Multiplexers do not pass images on; NO_COLOR asks for none."""


@dataclass(frozen=True, slots=True)
class Graphics:
    """The widget that shows a PIL image, and the size of a cell in pixels (width, height)."""

    widget: ImageWidget
    cell_size: tuple[int, int]


def may_show_graphics(environment: Mapping[str, str]) -> bool:
    """Whether the terminal identifies itself as one with a graphics protocol. A browser's has none."""
    if is_web(environment) or any(environment.get(name) for name in _DISABLED_BY):
        return False
    return (
        any(name in environment.get("TERM", "") for name in _TERMS)
        or environment.get("TERM_PROGRAM") in _PROGRAMS
        or any(environment.get(name) for name in _VARIABLES)
    )


def query_graphics() -> Graphics | None:
    """Query the terminal; None: show images as half blocks. Call it before Textual starts to read from the terminal."""
    if not may_show_graphics(os.environ):
        return None
    from textual_image import renderable, widget
    from textual_image.widget import get_cell_size  # type: ignore[attr-defined]  # imported there, public or not

    if renderable.Image not in (renderable.SixelImage, renderable.TGPImage):
        return None
    return Graphics(widget.Image, get_cell_size())
