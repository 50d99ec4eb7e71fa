"""Draws boxes and class names onto images."""

from __future__ import annotations

from functools import lru_cache

import cv2
import matplotlib.font_manager
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.dataset.images import Pixels
from engine.evaluation.colours import colour_of
from engine.evaluation.detect import Detections
from engine.messages import printable

_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
)


def draw_detections(pixels: Pixels, detections: Detections, classes: tuple[str, ...]) -> Pixels:
    """A copy of an image (h, w, 3) with the box, name and confidence of each object."""
    height, width = pixels.shape[:2]
    line_width = max(2, round(min(height, width) / 250))
    image = pixels.copy()
    for box, label in zip(detections.boxes, detections.labels, strict=True):
        x1, y1, x2, y2 = (round(float(corner)) for corner in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour_of(int(label)), line_width, cv2.LINE_AA)
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    font = _font(max(12, round(min(height, width) / 32)), ascii_only=all(name.isascii() for name in classes))
    # The most confident is drawn last, on top.
    for box, score, label in reversed(list(zip(detections.boxes, detections.scores, detections.labels, strict=True))):
        text = f"{printable(classes[label])} {score:.2f}"
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        x = max(0.0, min(float(box[0]), width - (right - left) - 6))
        y = float(box[1]) - (bottom - top) - 6
        y = y if y >= 0 else max(0.0, float(box[1]))
        colour = colour_of(int(label))
        draw.rectangle((x, y, x + right - left + 6, y + bottom - top + 6), fill=colour)
        text_colour = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
        draw.text((x + 3 - left, y + 3 - top), text, fill=text_colour, font=font)
    return np.asarray(canvas)


@lru_cache(maxsize=8)
def _font(size: int, *, ascii_only: bool) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font; for names that are not ASCII the first installed font with Chinese characters."""
    if not ascii_only:
        installed = {font.name: font.fname for font in matplotlib.font_manager.fontManager.ttflist}
        for name in _CHINESE_FONTS:
            if name in installed:
                return ImageFont.truetype(installed[name], size)
    return ImageFont.truetype(matplotlib.font_manager.findfont("DejaVu Sans"), size)
