"""From an image to the input of a network, the same in validation and in prediction.

Our own weights use a letterbox: the whole image, undistorted, on a grey background. Darknet's weights were trained on
stretched images; weights carry the preprocessing that they need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.images import Pixels

GREY = 128
Preprocessing = Literal["letterbox", "stretch"]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image is inside an input: resized to `width` x `height` pixels, its corner at (`left`, `top`)."""

    scale_x: float
    scale_y: float
    left: int
    top: int
    width: int
    height: int

    def to_input(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) x1 y1 x2 y2 in the image -> in the input."""
        return (boxes * self._scale() + self._shift()).astype(np.float32)

    def to_original(self, boxes: NDArray[np.float32], image_size: tuple[int, int]) -> NDArray[np.float32]:
        """(n, 4) x1 y1 x2 y2 in the input -> in the image of `image_size` (width, height), clipped to it."""
        width, height = image_size
        original = (boxes - self._shift()) / self._scale()
        return np.clip(original, 0, np.array([width, height, width, height])).astype(np.float32)

    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y])

    def _shift(self) -> NDArray[np.float64]:
        return np.array([self.left, self.top, self.left, self.top], np.float64)


def letterbox_of(image_size: tuple[int, int], shape: tuple[int, int]) -> Letterbox:
    """The letterbox of an image of `image_size` (width, height) in an input of `shape` (height, width)."""
    image_width, image_height = image_size
    scale = min(shape[1] / image_width, shape[0] / image_height)
    width, height = max(1, round(image_width * scale)), max(1, round(image_height * scale))
    return Letterbox(
        # Rounding to pixels changes the scale slightly; boxes follow the pixels.
        scale_x=width / image_width,
        scale_y=height / image_height,
        left=(shape[1] - width) // 2,
        top=(shape[0] - height) // 2,
        width=width,
        height=height,
    )


def letterbox_image(pixels: Pixels, shape: tuple[int, int]) -> tuple[Pixels, Letterbox]:
    """(h, w, 3) -> (height, width, 3) of `shape`, and where the image is inside it."""
    box = letterbox_of((pixels.shape[1], pixels.shape[0]), shape)
    canvas = np.full((*shape, 3), GREY, np.uint8)
    canvas[box.top : box.top + box.height, box.left : box.left + box.width] = resize(pixels, box.width, box.height)
    return canvas, box


def preprocess_image(pixels: Pixels, shape: tuple[int, int], preprocessing: Preprocessing) -> tuple[Pixels, Letterbox]:
    """(h, w, 3) -> (height, width, 3) of `shape`, and where the image is inside it."""
    if preprocessing == "letterbox":
        return letterbox_image(pixels, shape)
    height, width = pixels.shape[:2]
    stretched = cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)  # as Darknet does
    return stretched, Letterbox(shape[1] / width, shape[0] / height, 0, 0, shape[1], shape[0])  # type: ignore[return-value]


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """(h, w, 3) -> (height, width, 3). Every pixel of the image counts when it shrinks, so that there is no aliasing.

    A side is halved as often as possible; there bilinear interpolation is the mean of two neighbours (nearly, where the side
    is odd), and it skips no pixel in the last step of less than a half. OpenCV's INTER_AREA, which averages over areas of
    fractional size, takes five times as long.
    """
    while pixels.shape[1] >= 2 * width or pixels.shape[0] >= 2 * height:
        half_width = pixels.shape[1] // 2 if pixels.shape[1] >= 2 * width else pixels.shape[1]
        half_height = pixels.shape[0] // 2 if pixels.shape[0] >= 2 * height else pixels.shape[0]
        pixels = cv2.resize(pixels, (half_width, half_height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
