"""From a picture to the input of a network, the same way in validation and in prediction.

Ours is the letterbox: the whole picture, undistorted, on grey ground. Darknet's own weights were trained on stretched
pictures; which of the two it is belongs to the weights.
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
    """How an image of one size lies inside an input: enlarged by `scale`, its corner at (`left`, `top`), in pixels."""

    scale_x: float
    scale_y: float
    left: int
    top: int
    width: int
    height: int

    def into(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) x1 y1 x2 y2 of the image -> of the input."""
        return (boxes * self._scale() + self._shift()).astype(np.float32)

    def back(self, boxes: NDArray[np.float32], image_size: tuple[int, int]) -> NDArray[np.float32]:
        """(n, 4) x1 y1 x2 y2 of the input -> of the image of `image_size` (width, height), clipped."""
        width, height = image_size
        there = (boxes - self._shift()) / self._scale()
        return np.clip(there, 0, np.array([width, height, width, height])).astype(np.float32)

    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y])

    def _shift(self) -> NDArray[np.float64]:
        return np.array([self.left, self.top, self.left, self.top], np.float64)


def letterbox_of(image_size: tuple[int, int], shape: tuple[int, int]) -> Letterbox:
    """How an image of `image_size` (width, height) lies in an input of `shape` (height, width)."""
    width, height = image_size
    scale = min(shape[1] / width, shape[0] / height)
    inside_width, inside_height = max(1, round(width * scale)), max(1, round(height * scale))
    return Letterbox(
        # Whole pixels round the scale a little; boxes follow the pixels.
        scale_x=inside_width / width,
        scale_y=inside_height / height,
        left=(shape[1] - inside_width) // 2,
        top=(shape[0] - inside_height) // 2,
        width=inside_width,
        height=inside_height,
    )


def letterboxed(pixels: Pixels, shape: tuple[int, int]) -> tuple[Pixels, Letterbox]:
    """(h, w, 3) -> (height, width, 3) of `shape`, and how it lies in there."""
    box = letterbox_of((pixels.shape[1], pixels.shape[0]), shape)
    ground = np.full((*shape, 3), GREY, np.uint8)
    ground[box.top : box.top + box.height, box.left : box.left + box.width] = resized(pixels, box.width, box.height)
    return ground, box


def fitted(pixels: Pixels, shape: tuple[int, int], preprocessing: Preprocessing) -> tuple[Pixels, Letterbox]:
    """(h, w, 3) -> (height, width, 3) of `shape` by `preprocessing`, and how the picture lies in there."""
    if preprocessing == "letterbox":
        return letterboxed(pixels, shape)
    height, width = pixels.shape[:2]
    stretched = cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)  # as Darknet does
    return stretched, Letterbox(shape[1] / width, shape[0] / height, 0, 0, shape[1], shape[0])  # type: ignore[return-value]


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """(h, w, 3) -> (height, width, 3), every pixel of the picture counting where it shrinks, so that nothing flickers.

    A side is halved as often as it goes; bilinear between two neighbours is their mean then (nearly, where the side is
    odd), and leaves out nothing in a last step of less than a half. Averages over areas of broken size (OpenCV's INTER_AREA) take five times as long.
    """
    while pixels.shape[1] >= 2 * width or pixels.shape[0] >= 2 * height:
        half_width = pixels.shape[1] // 2 if pixels.shape[1] >= 2 * width else pixels.shape[1]
        half_height = pixels.shape[0] // 2 if pixels.shape[0] >= 2 * height else pixels.shape[0]
        pixels = cv2.resize(pixels, (half_width, half_height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
