"""A colour for every class, the same wherever its boxes are drawn."""

from __future__ import annotations

import colorsys


def colour_of(label: int) -> tuple[int, int, int]:
    """Red, green, blue from 0 to 255 for a class number; consecutive numbers have very different hues."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618034 % 1, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
