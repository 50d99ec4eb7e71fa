"""Which images of a data set can be read: every one is decoded, so that one that is damaged in the middle is found too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.dataset.image_pool import image_pool
from engine.dataset.image_size import SizeAsRead, read_image_size
from engine.dataset.images import UnreadableImage
from engine.dataset.index import Dataset, Finding


@dataclass(frozen=True, slots=True)
class ReadableImages:
    """The part of a data set that can be used."""

    dataset: Dataset
    """Without the images that cannot be read; where its splits were drawn, they are drawn from the others."""
    sizes: tuple[SizeAsRead, ...]
    """The size of each image of `dataset`."""
    findings: tuple[Finding, ...]
    """One for each image that cannot be read."""


def readable_images(dataset: Dataset, seed: int, progress: Callable[[int, int], None] | None = None) -> ReadableImages:
    """The images of `dataset` that can be read.

    Args:
        dataset: the data set.
        seed: draws the splits again where they were drawn.
        progress: called after each image with the number of images done and of all; may raise to cancel.
    """
    sizes: list[SizeAsRead] = []
    kept: list[int] = []
    findings: list[Finding] = []
    with image_pool() as pool:
        results = pool.map(lambda index: _read_size(dataset, index), range(len(dataset.images)))
        for index, result in enumerate(results):
            if isinstance(result, Finding):
                findings.append(result)
            else:
                kept.append(index)
                sizes.append(result)
            if progress is not None:
                progress(index + 1, len(dataset.images))
    remaining = dataset if not findings else dataset.with_images(kept, seed)
    return ReadableImages(remaining, tuple(sizes), tuple(findings))


def _read_size(dataset: Dataset, index: int) -> SizeAsRead | Finding:
    width, height = dataset.sizes[index].tolist()
    try:
        return read_image_size(dataset.image_path(index), (width, height), decode=True)
    except UnreadableImage as error:
        return Finding("warning", dataset.images[index], error.message)
