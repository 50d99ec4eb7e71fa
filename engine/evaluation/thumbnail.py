"""Images with their boxes, small enough for a terminal, as plain bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.images import Pixels, UnreadableImage, load_image
from engine.dataset.index import Dataset
from engine.evaluation.box_labels import BoxLabel, draw_labels
from engine.evaluation.colours import Colour, colour_of, text_colour
from engine.messages import BadInput, printable


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """`rgb`: `height` rows of `width` pixels from the top, three bytes each."""

    width: int
    height: int
    rgb: bytes
    name: str
    objects: tuple[tuple[str, int, Colour], ...]
    """For each class in the image its name, number of objects and colour; in the order of class numbers."""
    labels: tuple[BoxLabel, ...] = ()
    """Of each box, the most important first; empty where they are drawn into the image."""


def labelled_thumbnail(dataset: Dataset, image: int, width: int, height: int) -> Thumbnail:
    """The image with the boxes of its labels, at most `width` x `height` pixels. `image` is its index.

    Raises:
        BadInput: the image cannot be read.
    """
    try:
        pixels, boxes, labels = load_image(dataset, image, min_long_side=2 * max(width, height))
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
    texts: Sequence[str] = (),
    text_size: int | None = None,
) -> Thumbnail:
    """An image with boxes, scaled to fit into `width` x `height` pixels.

    Args:
        pixels: (h, w, 3) RGB.
        boxes: (n, 4) x1 y1 x2 y2 in its pixels.
        labels: (n,) class numbers.
        classes: the names of the classes.
        width: pixels of the terminal.
        height: pixels of the terminal.
        name: the name of the image.
        texts: for each box what to write beside it, the most important first; empty for nothing.
        text_size: pixels; the texts are drawn into the image. None: they are returned, for a terminal that shows large pixels.
    """
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    small_width = min(width, max(1, round(pixels.shape[1] * scale)))
    small_height = min(height, max(1, round(pixels.shape[0] * scale)))
    small: Pixels = np.ascontiguousarray(
        cv2.resize(pixels, (small_width, small_height), interpolation=cv2.INTER_AREA)
    ).astype(np.uint8, copy=False)
    edge = np.array([small_width - 1, small_height - 1, small_width - 1, small_height - 1])
    corners = np.clip(np.rint(boxes * scale), 0, edge).astype(int)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    # Drawn after resizing, so that lines stay sharp: one pixel wide where a pixel is half a terminal cell. Small objects are
    # drawn on top of large ones.
    line_width = max(1, round(max(small_width, small_height) / 300))
    for index in np.argsort(-areas):
        x1, y1, x2, y2 = (int(corner) for corner in corners[index])
        cv2.rectangle(small, (x1, y1), (x2, y2), colour_of(int(labels[index])), line_width)
    box_labels = tuple(
        BoxLabel(int(corner[0]), int(corner[1]), printable(text), colour_of(label), text_colour(colour_of(label)))
        for corner, label, text in zip(corners, labels.tolist(), texts, strict=False)
        if text
    )
    if text_size is not None and box_labels:
        small, box_labels = draw_labels(small, tuple(reversed(box_labels)), text_size), ()
    counts = sorted(Counter(labels.tolist()).items())
    objects = tuple((classes[label], count, colour_of(label)) for label, count in counts)
    return Thumbnail(small_width, small_height, small.tobytes(), name, objects, box_labels)
