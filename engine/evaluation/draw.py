"""Boxes and names drawn onto pictures."""

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

_CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
)


def drawn(pixels: Pixels, found: Detections, classes: tuple[str, ...]) -> Pixels:
    """A copy of a picture (h, w, 3) with each object's box, name and confidence."""
    height, width = pixels.shape[:2]
    line = max(2, round(min(height, width) / 250))
    picture = pixels.copy()
    for box, label in zip(found.boxes, found.labels, strict=True):
        x1, y1, x2, y2 = (round(float(corner)) for corner in box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour_of(int(label)), line, cv2.LINE_AA)
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    font = _font(max(12, round(min(height, width) / 32)), ascii_only=all(name.isascii() for name in classes))
    # The most confident is drawn last, on top.
    for box, score, label in reversed(list(zip(found.boxes, found.scores, found.labels, strict=True))):
        text = f"{printable(classes[label])} {score:.2f}"
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        x = max(0.0, min(float(box[0]), width - (right - left) - 6))
        y = float(box[1]) - (bottom - top) - 6
        y = y if y >= 0 else max(0.0, float(box[1]))
        colour = colour_of(int(label))
        pen.rectangle((x, y, x + right - left + 6, y + bottom - top + 6), fill=colour)
        ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
        pen.text((x + 3 - left, y + 3 - top), text, fill=ink, font=font)
    return np.asarray(canvas)


@lru_cache(maxsize=8)
def _font(size: int, *, ascii_only: bool) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font; for names beyond it, the first font of the system that knows Chinese."""
    if not ascii_only:
        known = {font.name: font.fname for font in matplotlib.font_manager.fontManager.ttflist}
        for name in _CHINESE:
            if name in known:
                return ImageFont.truetype(known[name], size)
    return ImageFont.truetype(matplotlib.font_manager.findfont("DejaVu Sans"), size)
