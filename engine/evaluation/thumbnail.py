"""A picture with its boxes, small enough for a terminal, as plain bytes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.images import Pixels, UnreadableImage, load
from engine.dataset.index import Dataset
from engine.evaluation.colours import colour_of
from engine.messages import BadInput

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """`rgb` holds `height` rows of `width` pixels from the top, three bytes each."""

    width: int
    height: int
    rgb: bytes
    name: str
    objects: tuple[tuple[str, int, Colour], ...]
    """Class name, how many of it, and the colour of their boxes; by class number."""


def labelled_thumbnail(dataset: Dataset, image: int, width: int, height: int) -> Thumbnail:
    """Image number `image` with the boxes of its labels, no larger than `width` x `height` pixels.

    Raises:
        BadInput: the picture cannot be read.
    """
    try:
        pixels, boxes, labels = load(dataset, image, enough=2 * max(width, height))
    except UnreadableImage as error:
        raise BadInput(error.message) from error
    return thumbnail(pixels, boxes, labels, dataset.classes, width, height, name=dataset.images[image])


def thumbnail(
    pixels: Pixels,
    boxes: NDArray[np.float32],
    labels: NDArray[np.int32],
    classes: tuple[str, ...],
    width: int,
    height: int,
    *,
    name: str = "",
) -> Thumbnail:
    """(h, w, 3) RGB with (n, 4) boxes x1 y1 x2 y2 of classes (n,), shrunk into `width` x `height`, its shape kept."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    small_width = min(width, max(1, round(pixels.shape[1] * scale)))
    small_height = min(height, max(1, round(pixels.shape[0] * scale)))
    small = np.ascontiguousarray(cv2.resize(pixels, (small_width, small_height), interpolation=cv2.INTER_AREA))
    edge = np.array([small_width - 1, small_height - 1, small_width - 1, small_height - 1])
    corners = np.clip(np.rint(boxes * scale), 0, edge).astype(int)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    # Drawn after shrinking, so that lines stay crisp: one pixel wide where pixels are as coarse as half a cell. Small
    # objects on top of large ones.
    line = max(1, round(max(small_width, small_height) / 300))
    for number in np.argsort(-areas):
        x1, y1, x2, y2 = (int(corner) for corner in corners[number])
        cv2.rectangle(small, (x1, y1), (x2, y2), colour_of(int(labels[number])), line)
    counts = sorted(Counter(labels.tolist()).items())
    objects = tuple((classes[label], count, colour_of(label)) for label, count in counts)
    return Thumbnail(small_width, small_height, small.tobytes(), name, objects)
