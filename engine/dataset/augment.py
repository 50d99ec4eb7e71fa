"""Augmentation of training images: scale, aspect, position, flip, colour, mosaic, mixup; OpenCV on uint8.

All random numbers come from the generator that is passed in, so that a sample is a pure function of its seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from engine.dataset.images import LabelledImage, Pixels
from engine.dataset.letterbox import GREY, resize
from engine.recipe import Recipe

ASPECT_JITTER = 0.3
SINGLE_SCALES = (0.25, 2.0)
MOSAIC_SCALES = (0.4, 1.0)
MAX_SCALE = max(*SINGLE_SCALES, *MOSAIC_SCALES)
MOSAIC_CENTRE = (0.3, 0.7)
HUE, SATURATION, VALUE = 0.1, 0.7, 0.4
MIN_SIDE = 2.0
"""A box with a shorter side, in pixels of the input, is dropped."""
MIN_VISIBLE = 0.2
"""A box of which less than this fraction remains after a cut is dropped: too little of the object is left to learn from."""

Boxes = NDArray[np.float32]


class Sample(NamedTuple):
    """One augmented training image."""

    pixels: Pixels
    """(height, width, 3) RGB."""
    boxes: Boxes
    """(n, 5) x1 y1 x2 y2 class in those pixels."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The probability that a sample is a mosaic, and that mixup is applied to a mosaic."""

    mosaic_prob: float
    mixup_prob: float


def augmentation_of(recipe: Recipe, epoch: int) -> Augmentation:
    """The augmentation of an epoch: mosaic and mixup end after `special_aug_ratio` of all epochs."""
    special = epoch < recipe.unfreeze_epoch * recipe.special_aug_ratio
    mosaic = recipe.mosaic_prob if recipe.mosaic and special else 0.0
    return Augmentation(mosaic, recipe.mixup_prob if recipe.mixup else 0.0)


def training_sample(
    load: Callable[[int], LabelledImage],
    image_index: int,
    pool: NDArray[np.int32],
    shape: tuple[int, int],
    augmentation: Augmentation,
    rng: Generator,
) -> Sample:
    """One augmented sample.

    Args:
        load: returns the image of an index.
        image_index: the image that the sample is made of.
        pool: image indices that the other images of a mosaic are drawn from.
        shape: height and width of the sample.
        augmentation: the probabilities.
        rng: the only source of randomness.
    """
    if rng.random() >= augmentation.mosaic_prob:
        sample = _single(load(image_index), shape, rng)
    else:
        others = rng.choice(pool, 3)
        sample = _mosaic([load(index) for index in (image_index, *map(int, others))], shape, rng)
        if rng.random() < augmentation.mixup_prob:
            sample = _mixup(sample, _single(load(int(rng.choice(pool))), shape, rng))
    return Sample(_jitter_colours(sample.pixels, rng), sample.boxes)


def _single(image: LabelledImage, shape: tuple[int, int], rng: Generator) -> Sample:
    """An image at a random size, aspect and position on a grey background, flipped in half of the cases."""
    height, width = shape
    new_width, new_height = _random_size(image.pixels, shape, SINGLE_SCALES, rng)
    left = round(rng.uniform(min(0, width - new_width), max(0, width - new_width)))
    top = round(rng.uniform(min(0, height - new_height), max(0, height - new_height)))
    canvas = np.full((height, width, 3), GREY, np.uint8)
    boxes = _paste(image, canvas, (left, top, new_width, new_height), flip=bool(rng.random() < 0.5))
    return Sample(canvas, boxes)


def _mosaic(four: list[LabelledImage], shape: tuple[int, int], rng: Generator) -> Sample:
    """Four images that meet in a random centre, each cut to its quarter (YOLOv4, section 3.3)."""
    height, width = shape
    x = round(width * rng.uniform(*MOSAIC_CENTRE))
    y = round(height * rng.uniform(*MOSAIC_CENTRE))
    canvas = np.full((height, width, 3), GREY, np.uint8)
    all_boxes = []
    for position, image in enumerate(four):
        right, below = position % 2 == 1, position >= 2
        new_width, new_height = _random_size(image.pixels, shape, MOSAIC_SCALES, rng)
        quarter = canvas[slice(y, None) if below else slice(0, y), slice(x, None) if right else slice(0, x)]
        # Each image touches the centre with its inner corner.
        left = 0 if right else x - new_width
        top = 0 if below else y - new_height
        boxes = _paste(image, quarter, (left, top, new_width, new_height), flip=bool(rng.random() < 0.5))
        boxes[:, [0, 2]] += x if right else 0
        boxes[:, [1, 3]] += y if below else 0
        all_boxes.append(boxes)
    return Sample(canvas, np.concatenate(all_boxes))


def _mixup(sample: Sample, other: Sample) -> Sample:
    """Both images at half strength, the boxes of both (Zhang et al. 2018, arXiv:1710.09412, with a ratio of 1/2)."""
    blended = cv2.addWeighted(sample.pixels, 0.5, other.pixels, 0.5, 0.0)
    return Sample(blended, np.concatenate((sample.boxes, other.boxes)))  # type: ignore[arg-type]


def _random_size(
    pixels: Pixels, shape: tuple[int, int], scales: tuple[float, float], rng: Generator
) -> tuple[int, int]:
    """Width and height of an image in the sample, in pixels: a random fraction of the sample's side, at a random aspect."""
    low, high = 1 - ASPECT_JITTER, 1 + ASPECT_JITTER
    aspect = pixels.shape[1] / pixels.shape[0] * rng.uniform(low, high) / rng.uniform(low, high)
    scale = rng.uniform(*scales)
    if aspect < 1:
        height = scale * shape[0]
        width = height * aspect
    else:
        width = scale * shape[1]
        height = width / aspect
    return max(1, round(width)), max(1, round(height))


def _paste(image: LabelledImage, canvas: Pixels, place: tuple[int, int, int, int], *, flip: bool) -> Boxes:
    """Draw an image at `place` (left, top, width, height) of `canvas`, which may cut it; returns its boxes (n, 5) there.

    Only the visible part is resized: the whole source pixels behind the window are stretched over it. That changes scale
    and position by less than a source pixel; boxes follow the pixels, not `place`.
    """
    pixels, boxes, labels = image
    left, top, width, height = place
    x_range = _visible_range(left, width, canvas.shape[1], pixels.shape[1])
    y_range = _visible_range(top, height, canvas.shape[0], pixels.shape[0])
    if x_range is None or y_range is None:
        return np.zeros((0, 5), np.float32)
    (x1, x2, u1, u2), (y1, y2, v1, v2) = x_range, y_range
    if flip:
        visible = cv2.flip(resize(pixels[v1:v2, pixels.shape[1] - u2 : pixels.shape[1] - u1], x2 - x1, y2 - y1), 1)
        boxes = np.column_stack(
            (pixels.shape[1] - boxes[:, 2], boxes[:, 1], pixels.shape[1] - boxes[:, 0], boxes[:, 3])
        )
    else:
        visible = resize(pixels[v1:v2, u1:u2], x2 - x1, y2 - y1)
    canvas[y1:y2, x1:x2] = visible
    scale = np.array([(x2 - x1) / (u2 - u1), (y2 - y1) / (v2 - v1)] * 2)
    return _clip_boxes((boxes - (u1, v1, u1, v1)) * scale + (x1, y1, x1, y1), labels, (x1, y1, x2, y2))


def _visible_range(start: int, length: int, canvas_length: int, source_length: int) -> tuple[int, int, int, int] | None:
    """Along one axis: from and to on the canvas, and the whole source pixels behind that; None if nothing is visible."""
    low, high = max(0, start), min(canvas_length, start + length)
    if low >= high:
        return None
    scale = source_length / length
    return low, high, math.floor((low - start) * scale), min(source_length, math.ceil((high - start) * scale))


def _clip_boxes(boxes: NDArray[np.float64], labels: NDArray[np.int32], window: tuple[int, int, int, int]) -> Boxes:
    """(n, 5) boxes clipped to `window` (x1 y1 x2 y2), without those of which too little is left."""
    x1, y1, x2, y2 = window
    clipped = np.clip(boxes, (x1, y1, x1, y1), (x2, y2, x2, y2))
    sides = clipped[:, 2:] - clipped[:, :2]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    keep = (sides >= MIN_SIDE).all(axis=1) & (sides.prod(axis=1) >= MIN_VISIBLE * area)
    return np.column_stack((clipped[keep], labels[keep])).astype(np.float32)


def _jitter_colours(pixels: Pixels, rng: Generator) -> Pixels:
    """Hue, saturation and value multiplied by random factors, through lookup tables of 256 entries."""
    hue, saturation, value = rng.uniform(-1, 1, 3) * (HUE, SATURATION, VALUE) + 1
    levels = np.arange(256)
    tables = (levels * hue % 180, np.clip(levels * saturation, 0, 255), np.clip(levels * value, 0, 255))
    lookup = np.stack(tables, axis=-1).astype(np.uint8)[None]  # (1, 256, 3)
    jittered = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV), lookup)
    return cv2.cvtColor(jittered, cv2.COLOR_HSV2RGB)  # type: ignore[return-value]
