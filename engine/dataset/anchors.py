"""Anchors for a data set: k-means over the sizes of its boxes with the distance 1 - IoU (YOLOv2, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dataset.image_pool import image_pool
from engine.dataset.image_size import read_image_size
from engine.dataset.images import UnreadableImage, clipped_boxes
from engine.dataset.index import Dataset
from engine.dataset.letterbox import letterbox_of
from engine.messages import bad_input
from engine.network.registry import Anchors

SHAPE_IOU = 0.213
"""A box whose IoU with every anchor is smaller has only its best anchor to learn from; see engine/training/loss/assignment.py."""
GOOD_RECALL = 0.98
GOOD_IOU = 0.6
"""About the mean IoU that the published anchors have on COCO, for which they were made."""
WORTHWHILE_GAIN = 0.1
"""Weights are trained with their anchors: a smaller gain of the mean IoU is not worth changing them."""
MIN_BOXES = 100
"""Fewer boxes do not tell what sizes the objects have."""

_RESTARTS = 8
_ITERATIONS = 100
_MAX_BOXES = 10_000
"""So many boxes, drawn at random, decide where the anchors are; they are judged by all boxes."""

Sizes = NDArray[np.float64]
"""(n, 2) width and height in pixels of the input."""


@dataclass(frozen=True, slots=True)
class AnchorFit:
    """How well anchors fit the boxes of a data set."""

    anchors: Anchors
    mean_iou: float
    """Mean over all boxes of the IoU with the most similar anchor, both with the same centre."""
    recall: float
    """Fraction of the boxes for which that IoU is larger than SHAPE_IOU."""

    def to_json(self) -> dict[str, Any]:
        """The form in `data anchors --json`."""
        return {"anchors": [list(anchor) for anchor in self.anchors], "mean_iou": self.mean_iou, "recall": self.recall}


@dataclass(frozen=True, slots=True)
class AnchorSuggestion:
    """The anchors at hand, and the best ones that were found."""

    box_count: int
    before: AnchorFit
    after: AnchorFit

    @property
    def has_enough_boxes(self) -> bool:
        """Whether the boxes tell what sizes the objects have."""
        return self.box_count >= MIN_BOXES

    @property
    def fits_badly(self) -> bool:
        """Whether the anchors at hand should be replaced."""
        gain = self.after.mean_iou - self.before.mean_iou
        is_bad = self.before.recall < GOOD_RECALL or self.before.mean_iou < GOOD_IOU
        return (
            self.has_enough_boxes
            and is_bad
            and (gain >= WORTHWHILE_GAIN or self.after.recall - self.before.recall >= 1 - GOOD_RECALL)
        )


def suggest_anchors(
    dataset: Dataset,
    input_shape: tuple[int, int],
    anchors: Anchors,
    *,
    seed: int = 0,
    max_images: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AnchorSuggestion:
    """As many anchors as `anchors` that fit the training images of `dataset`; never worse than `anchors`.

    Args:
        dataset: its images are only looked at for their size.
        input_shape: height and width of the input, into which images are letterboxed.
        anchors: the anchors at hand.
        seed: the same seed finds the same anchors.
        max_images: so many training images, drawn by `seed`, are enough; None: all.
        progress: called after each image with the number of images done and of all; may raise to cancel.

    Raises:
        BadInput: the network has no anchors, or the training images have no box.
    """
    if not anchors:
        raise bad_input("anchors.none", "This network has no anchors.")
    rng = np.random.Generator(np.random.PCG64(seed))
    images = dataset.splits["train"]
    if max_images is not None and len(images) > max_images:
        images = np.sort(rng.choice(images, max_images, replace=False))
    sizes = box_sizes(dataset, images, input_shape, progress)
    if not len(sizes):
        raise bad_input("anchors.no_box", "{path}: its training images have no box.", path=dataset.root)
    sample = sizes if len(sizes) <= _MAX_BOXES else rng.choice(sizes, _MAX_BOXES, replace=False)
    fits = [anchor_fit(sizes, anchors)]
    starts = [np.array(anchors, np.float64), *(_spread_out(sample, len(anchors), rng) for _ in range(_RESTARTS))]
    fits += [anchor_fit(sizes, _rounded(k_means(sample, start), anchors)) for start in starts]
    return AnchorSuggestion(len(sizes), fits[0], max(fits, key=lambda fit: fit.mean_iou))


def box_sizes(
    dataset: Dataset,
    images: NDArray[np.int32],
    input_shape: tuple[int, int],
    progress: Callable[[int, int], None] | None = None,
) -> Sizes:
    """The sizes of the boxes of `images` (indices) in an input of `input_shape`; unreadable images are skipped."""
    parts: list[Sizes] = []
    with image_pool() as pool:
        for done, part in enumerate(pool.map(lambda index: _sizes_of(dataset, int(index), input_shape), images), 1):
            parts.append(part)
            if progress is not None:
                progress(done, len(images))
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def anchor_fit(sizes: Sizes, anchors: Anchors) -> AnchorFit:
    """How well `anchors` fit boxes of `sizes`."""
    best = shape_iou(sizes, np.array(anchors, np.float64)).max(axis=1)
    return AnchorFit(anchors, float(best.mean()), float((best > SHAPE_IOU).mean()))


def shape_iou(sizes: Sizes, anchors: Sizes) -> NDArray[np.float64]:
    """IoU of boxes and anchors with the same centre: (n, 2) and (k, 2) -> (n, k)."""
    overlap = np.minimum(sizes[:, None], anchors).prod(axis=-1)
    return np.asarray(overlap / (sizes.prod(axis=-1)[:, None] + anchors.prod(axis=-1) - overlap))


def k_means(sizes: Sizes, start: Sizes) -> Sizes:
    """The (k, 2) cluster centres that k-means with the distance 1 - IoU reaches from `start`.

    A cluster's centre is the mean of its boxes; one without boxes stays where it is.
    """
    centres = start.copy()
    nearest = np.full(len(sizes), -1)
    for _ in range(_ITERATIONS):
        previous, nearest = nearest, shape_iou(sizes, centres).argmax(axis=1)
        if (nearest == previous).all():
            break
        counts = np.bincount(nearest, minlength=len(centres))
        filled = counts > 0
        sums = np.stack([np.bincount(nearest, sizes[:, side], len(centres)) for side in (0, 1)], axis=1)
        centres[filled] = sums[filled] / counts[filled, None]
    return centres


def _sizes_of(dataset: Dataset, index: int, input_shape: tuple[int, int]) -> Sizes:
    try:
        stated_width, stated_height = dataset.sizes[index].tolist()
        width, height, _ = read_image_size(dataset.image_path(index), (stated_width, stated_height))
    except UnreadableImage:
        return np.zeros((0, 2))
    boxes, _labels = clipped_boxes(dataset, index, (width, height))
    in_input = letterbox_of((width, height), input_shape).to_input(boxes).astype(np.float64)
    return np.asarray(in_input[:, 2:] - in_input[:, :2])


def _spread_out(sizes: Sizes, count: int, rng: np.random.Generator) -> Sizes:
    """`count` of the sizes, each drawn with the square of its distance to those drawn before (k-means++)."""
    chosen: Sizes = sizes[rng.integers(len(sizes))][None]
    while len(chosen) < count:
        weights = (1 - shape_iou(sizes, chosen).max(axis=1)) ** 2
        total = weights.sum()
        index = rng.choice(len(sizes), p=weights / total) if total > 0 else rng.integers(len(sizes))
        chosen = np.concatenate((chosen, sizes[index][None]))
    return chosen


def _rounded(centres: Sizes, own: Anchors) -> Anchors:
    """Whole pixels, smallest area first. Centres that coincide are replaced by anchors of `own`: a network needs them distinct."""
    whole = [(max(1, round(width)), max(1, round(height))) for width, height in centres.tolist()]
    distinct: dict[tuple[float, float], None] = dict.fromkeys(whole)
    spare = (anchor for anchor in own if anchor not in distinct)
    while len(distinct) < len(own):
        distinct[next(spare)] = None
    return tuple(sorted(distinct, key=lambda anchor: (anchor[0] * anchor[1], anchor)))
