"""The palette: two themes of ours, the series colours for every theme, and readable versions of Textual's themes.

What a colour means: `$train`, `$val` and `$map` are the series of a plot, `$stage` is the border between two stages, `$success`,
`$warning` and `$error` are states, `$primary` is the focus and what the user can act on. Colours of one plot, and states,
differ in lightness too, so that they can be told apart with any colour vision, and map to different ones of the 16 colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from textual.color import Color
from textual.theme import Theme

MIN_CONTRAST: Final = 4.5
"""Of text to its background, as WCAG 2 (level AA) requires."""
_AIM: Final = MIN_CONTRAST + 0.1
"""Textual converts colours of a theme between colour spaces, which rounds them."""

DARK: Final = Theme(
    name="freezetui-dark",
    primary="#7b9bff",
    secondary="#7b9bff",
    accent="#7b9bff",
    success="#34d058",
    warning="#fff3a0",
    error="#f07a80",
    foreground="#e4e4e6",
    background="#121212",
    surface="#1b1b1d",
    panel="#252528",
    variables={
        "train": "#66d3ff",
        "val": "#e08210",
        "map": "#e070b8",
        "stage": "#d6d3cc",
        "text-muted": "#a8a8ae",
        "text-disabled": "#929298",
        "primary-muted": "#515c8c",
        "block-cursor-background": "#1f2a48",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-blurred-background": "#2c2c30",
    },
)

LIGHT: Final = Theme(
    name="freezetui-light",
    primary="#2430b8",
    secondary="#2430b8",
    accent="#2430b8",
    success="#006638",
    warning="#645000",
    error="#640008",
    foreground="#0c0c0e",
    background="#fafafa",
    surface="#f2f2f3",
    panel="#e9e9eb",
    dark=False,
    variables={
        "train": "#015e99",
        "val": "#8e5d0d",
        "map": "#5e005d",
        "stage": "#595364",
        "text-muted": "#4c4c52",
        "text-disabled": "#56565c",
        "primary-muted": "#7b85c8",
        "block-cursor-background": "#c4cdf0",
        "block-cursor-foreground": "#000000",
        "block-cursor-blurred-background": "#dcdce0",
    },
)

SERIES: Final = ("train", "val", "map", "stage")
"""The variables that Textual's own themes lack."""

_ANSI_SERIES: Final[Mapping[str, str]] = {
    "train": "ansi_cyan",
    "val": "ansi_yellow",
    "map": "ansi_magenta",
    "stage": "ansi_default",
}
"""For themes that use the colours of the terminal."""

_MUTED: Final = {"text-muted": 0.25, "text-disabled": 0.35}
"""Shares of the background in these variants of the foreground."""


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two opaque colours after WCAG 2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable(theme: Theme) -> Theme:
    """`theme` with the series colours, and with text colours that have enough contrast to its backgrounds.

    Hues are kept; a colour becomes lighter in a dark theme and darker in a light one, as far as is needed.
    """
    if theme.name in (DARK.name, LIGHT.name):
        return theme
    if theme.ansi:
        return replace(theme, variables={**_ANSI_SERIES, **theme.variables})
    generated = theme.to_color_system().generate()
    background, surface, panel = (Color.parse(generated[name]) for name in ("background", "surface", "panel"))
    cursor = background.blend(Color.parse(generated["primary"]), 0.2, alpha=1)

    def legible(color: Color) -> str:
        return _legible(color, (background, surface, panel, cursor), dark=theme.dark).hex

    foreground, primary = legible(Color.parse(generated["foreground"])), legible(Color.parse(generated["primary"]))
    series = (DARK if theme.dark else LIGHT).variables
    variables = {
        **theme.variables,
        **{name: legible(Color.parse(series[name])) for name in SERIES},
        **{name: legible(Color.parse(foreground).blend(background, share)) for name, share in _MUTED.items()},
        "footer-key-foreground": primary,
        "block-cursor-background": cursor.hex,
        "block-cursor-foreground": foreground,
    }
    return replace(
        theme,
        primary=primary,
        secondary=legible(Color.parse(generated["secondary"])),
        accent=legible(Color.parse(generated["accent"])),
        success=legible(Color.parse(generated["success"])),
        warning=legible(Color.parse(generated["warning"])),
        error=legible(Color.parse(generated["error"])),
        foreground=foreground,
        panel=panel.hex,
        variables=variables,
    )


def _legible(color: Color, backgrounds: Sequence[Color], *, dark: bool) -> Color:
    """`color`, moved towards white (dark) or black until its contrast to all `backgrounds` is enough."""
    end = Color(255, 255, 255) if dark else Color(0, 0, 0)
    for share in range(21):
        moved = color.blend(end, share / 20, alpha=1)
        if all(contrast(moved, background) >= _AIM for background in backgrounds):
            return moved
    return end


def _luminance(color: Color) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
