"""The texts beside boxes, and how they are drawn into an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.dataset.images import Pixels
from engine.evaluation.colours import Colour

_PADDING = 3
"""Pixels between a text and the edge of its background."""


@dataclass(frozen=True, slots=True)
class BoxLabel:
    """A text at the left upper corner of a box, in pixels of the image."""

    x: int
    y: int
    text: str
    colour: Colour
    text_colour: Colour


def draw_labels(image: Pixels, labels: Iterable[BoxLabel], text_size: int) -> Pixels:
    """A copy of an image with the texts of boxes, each above its box where there is room; the last one is on top."""
    # Imported here: thumbnails of half blocks need neither Pillow nor fonts.
    from PIL import Image, ImageDraw, ImageFont

    from engine.evaluation.fonts import font_for

    height, width = image.shape[:2]
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    for label in labels:
        font = font_for(label.text, text_size) or ImageFont.load_default(text_size)
        left, top, right, bottom = draw.textbbox((0, 0), label.text, font=font)
        text_width, text_height = right - left + 2 * _PADDING, bottom - top + 2 * _PADDING
        x = max(0.0, min(label.x, width - text_width))
        y = label.y - text_height if label.y >= text_height else max(0.0, min(label.y, height - text_height))
        draw.rectangle((x, y, x + text_width, y + text_height), fill=label.colour)
        draw.text((x + _PADDING - left, y + _PADDING - top), label.text, fill=label.text_colour, font=font)
    return np.asarray(canvas)
