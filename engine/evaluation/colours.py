"""A colour for every class, the same wherever its boxes are drawn."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]
"""Red, green, blue from 0 to 255."""


def colour_of(label: int) -> Colour:
    """The colour of a class number; consecutive numbers have very different hues."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618034 % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def text_colour(background: Colour) -> Colour:
    """Black or white, whichever is easier to read on a colour (relative luminance of WCAG 2)."""
    red, green, blue = ((part / 255) ** 2.2 for part in background)
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else (255, 255, 255)
