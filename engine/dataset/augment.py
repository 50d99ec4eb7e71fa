"""Pictures and boxes made more various: scale, aspect, place, flip, colour, mosaic, mixup; OpenCV on uint8.

All chance comes from the generator that is passed in, so that a sample is a pure function of what seeds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from engine.dataset.images import Pixels
from engine.dataset.letterbox import GREY, resized
from engine.recipe import Recipe

ASPECT_JITTER = 0.3
SINGLE_SCALES = (0.25, 2.0)
MOSAIC_SCALES = (0.4, 1.0)
LARGEST_SCALE = max(*SINGLE_SCALES, *MOSAIC_SCALES)
MOSAIC_CENTRE = (0.3, 0.7)
HUE, SATURATION, VALUE = 0.1, 0.7, 0.4
SMALLEST_SIDE = 2.0
"""A box with a shorter side, in pixels of the input, is no longer an object."""
SMALLEST_SHARE = 0.2
"""A box of which less than this is left after a cut shows too little of its object to be learned."""

Boxes = NDArray[np.float32]
Loaded = tuple[Pixels, Boxes, NDArray[np.int32]]
Sample = tuple[Pixels, Boxes]
"""Pixels (h, w, 3) and (n, 5) x1 y1 x2 y2 class in those pixels."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How often a sample is a mosaic, and a mosaic is mixed up."""

    mosaic_prob: float
    mixup_prob: float


def augmentation_of(recipe: Recipe, epoch: int) -> Augmentation:
    """What an epoch does: mosaic and mixup only in the leading part of all epochs."""
    early = epoch < recipe.unfreeze_epoch * recipe.special_aug_ratio
    mosaic = recipe.mosaic_prob if recipe.mosaic and early else 0.0
    return Augmentation(mosaic, recipe.mixup_prob if recipe.mixup else 0.0)


def training_sample(
    load: Callable[[int], Loaded],
    image: int,
    pool: NDArray[np.int32],
    shape: tuple[int, int],
    augmentation: Augmentation,
    rng: Generator,
) -> Sample:
    """One augmented sample of `shape` (height, width).

    Args:
        load: pixels, boxes (x1 y1 x2 y2) and classes of an image number.
        image: the image the sample is about.
        pool: image numbers that a mosaic's other images are drawn from.
        shape: height and width of the sample.
        augmentation: how often what happens.
        rng: the only source of chance.
    """
    if rng.random() >= augmentation.mosaic_prob:
        pixels, boxes = _single(load(image), shape, rng)
    else:
        others = rng.choice(pool, 3)
        pixels, boxes = _mosaic([load(number) for number in (image, *map(int, others))], shape, rng)
        if rng.random() < augmentation.mixup_prob:
            pixels, boxes = _mixup((pixels, boxes), _single(load(int(rng.choice(pool))), shape, rng))
    return _coloured(pixels, rng), boxes


def _single(loaded: Loaded, shape: tuple[int, int], rng: Generator) -> Sample:
    """An image at a random size, aspect and place on grey ground, perhaps flipped."""
    height, width = shape
    new_width, new_height = _random_size(loaded[0], shape, SINGLE_SCALES, rng)
    left = round(rng.uniform(min(0, width - new_width), max(0, width - new_width)))
    top = round(rng.uniform(min(0, height - new_height), max(0, height - new_height)))
    ground = np.full((height, width, 3), GREY, np.uint8)
    boxes = _place(loaded, ground, (left, top, new_width, new_height), flip=bool(rng.random() < 0.5))
    return ground, boxes


def _mosaic(four: list[Loaded], shape: tuple[int, int], rng: Generator) -> Sample:
    """Four images that meet in a random centre, each cut to its quarter (YOLOv4, section 3.3)."""
    height, width = shape
    x = round(width * rng.uniform(*MOSAIC_CENTRE))
    y = round(height * rng.uniform(*MOSAIC_CENTRE))
    ground = np.full((height, width, 3), GREY, np.uint8)
    found = []
    for number, loaded in enumerate(four):
        right, below = number % 2 == 1, number >= 2
        new_width, new_height = _random_size(loaded[0], shape, MOSAIC_SCALES, rng)
        quarter = ground[slice(y, None) if below else slice(0, y), slice(x, None) if right else slice(0, x)]
        # Each image touches the centre with its inner corner.
        left = 0 if right else x - new_width
        top = 0 if below else y - new_height
        boxes = _place(loaded, quarter, (left, top, new_width, new_height), flip=bool(rng.random() < 0.5))
        boxes[:, [0, 2]] += x if right else 0
        boxes[:, [1, 3]] += y if below else 0
        found.append(boxes)
    return ground, np.concatenate(found)


def _mixup(sample: Sample, other: Sample) -> Sample:
    """Both images at half strength, the boxes of both (Zhang et al. 2018, arXiv:1710.09412, with a ratio of 1/2)."""
    return cv2.addWeighted(sample[0], 0.5, other[0], 0.5, 0.0), np.concatenate((sample[1], other[1]))  # type: ignore[return-value]


def _random_size(
    pixels: Pixels, shape: tuple[int, int], scales: tuple[float, float], rng: Generator
) -> tuple[int, int]:
    """Width and height of an image in the sample: a share of the shape's side, the aspect a little off."""
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


def _place(loaded: Loaded, ground: Pixels, place: tuple[int, int, int, int], *, flip: bool) -> Boxes:
    """Draw an image at `place` (left, top, width, height) of `ground`, which may cut it; its boxes (n, 5) there.

    Only what will be seen is computed: the whole source pixels behind the window are stretched over it. That bends scale
    and place by less than a source pixel, and boxes follow the pixels, not the wish.
    """
    pixels, boxes, labels = loaded
    left, top, width, height = place
    across = _visible(left, width, ground.shape[1], pixels.shape[1])
    down = _visible(top, height, ground.shape[0], pixels.shape[0])
    if across is None or down is None:
        return np.zeros((0, 5), np.float32)
    (x1, x2, u1, u2), (y1, y2, v1, v2) = across, down
    if flip:
        seen = cv2.flip(resized(pixels[v1:v2, pixels.shape[1] - u2 : pixels.shape[1] - u1], x2 - x1, y2 - y1), 1)
        boxes = np.column_stack(
            (pixels.shape[1] - boxes[:, 2], boxes[:, 1], pixels.shape[1] - boxes[:, 0], boxes[:, 3])
        )
    else:
        seen = resized(pixels[v1:v2, u1:u2], x2 - x1, y2 - y1)
    ground[y1:y2, x1:x2] = seen
    scale = np.array([(x2 - x1) / (u2 - u1), (y2 - y1) / (v2 - v1)] * 2)
    return _cut((boxes - (u1, v1, u1, v1)) * scale + (x1, y1, x1, y1), labels, (x1, y1, x2, y2))


def _visible(start: int, length: int, room: int, source: int) -> tuple[int, int, int, int] | None:
    """Along one axis: the window (from, to) that an image at `start` fills, and the whole source pixels behind it."""
    low, high = max(0, start), min(room, start + length)
    if low >= high:
        return None
    scale = source / length
    return low, high, math.floor((low - start) * scale), min(source, math.ceil((high - start) * scale))


def _cut(boxes: NDArray[np.float64], labels: NDArray[np.int32], window: tuple[int, int, int, int]) -> Boxes:
    """(n, 5) boxes cut at the edges of `window` (x1 y1 x2 y2), without those of which too little is left."""
    x1, y1, x2, y2 = window
    cut = np.clip(boxes, (x1, y1, x1, y1), (x2, y2, x2, y2))
    sides = cut[:, 2:] - cut[:, :2]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    keep = (sides >= SMALLEST_SIDE).all(axis=1) & (sides.prod(axis=1) >= SMALLEST_SHARE * area)
    return np.column_stack((cut[keep], labels[keep])).astype(np.float32)


def _coloured(pixels: Pixels, rng: Generator) -> Pixels:
    """Hue, saturation and value multiplied by random factors, through tables of 256 entries."""
    hue, saturation, value = rng.uniform(-1, 1, 3) * (HUE, SATURATION, VALUE) + 1
    steps = np.arange(256)
    tables = (steps * hue % 180, np.clip(steps * saturation, 0, 255), np.clip(steps * value, 0, 255))
    lookup = np.stack(tables, axis=-1).astype(np.uint8)[None]  # (1, 256, 3)
    turned = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV), lookup)
    return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB)  # type: ignore[return-value]
