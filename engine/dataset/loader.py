"""Batches of pixels and boxes, prepared ahead in threads.

OpenCV releases the GIL, so threads run in parallel on every system; there are no worker processes to configure, to hang or to
run out of page file. A sample depends on (seed, epoch, position of the image in its split) alone, never on the number of
threads or their order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.dataset.augment import MAX_SCALE, Augmentation, Boxes, Sample, augmentation_of, training_sample
from engine.dataset.images import LabelledImage, Pixels, UnreadableImage, load_image
from engine.dataset.index import Dataset
from engine.dataset.letterbox import Letterbox, Preprocessing, preprocess_image
from engine.hardware.machine import read_memory
from engine.messages import bad_input
from engine.recipe import Recipe

_T = TypeVar("_T")

PREFETCHED_BATCHES = 2
MAX_CACHE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The labels of a validation image in pixels of the original image, and where it is inside the input."""

    size: tuple[int, int]
    """(width, height) of the original image."""
    boxes: Boxes
    """(n, 4) x1 y1 x2 y2."""
    labels: NDArray[np.int32]
    """(n,) class ids."""
    letterbox: Letterbox


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and ground truth of one batch, in host memory."""

    images: Tensor
    """(batch, 3, height, width) uint8 RGB, channels last in memory, which convolutions are fastest with."""
    targets: Tensor
    """(batch, boxes, 5) float32 cx cy w h class in input pixels; padding is 0 with class -1; boxes >= 1."""
    indices: tuple[int, ...]
    """Image indices of the data set."""
    skipped: tuple[UnreadableImage, ...]
    """Images that could not be read; in training another image replaces each, in validation none does."""
    ground_truth: tuple[GroundTruth, ...] = ()
    """Of each image, in validation only."""


class CachedImages:
    """The images of a data set; those that fit in memory are decoded once. Thread-safe."""

    def __init__(self, dataset: Dataset, max_bytes: int = MAX_CACHE_BYTES) -> None:
        """`max_bytes` limits the memory of the cache, which is also at most an eighth of what is free to this process."""
        self.dataset = dataset
        self._free_bytes = min(max_bytes, read_memory().available // 8)
        self._cache: dict[tuple[int, int | None], LabelledImage] = {}
        self._lock = threading.Lock()

    def load(self, image_index: int, min_long_side: int | None = None) -> LabelledImage:
        """See `load_image`; the arrays must not be written to.

        Raises:
            UnreadableImage: the image cannot be read.
        """
        # Nothing is evicted: every image is visited once an epoch, so evicting the oldest would always evict the one
        # that is needed next.
        key = image_index, min_long_side
        if (cached := self._cache.get(key)) is not None:
            return cached
        image = load_image(self.dataset, image_index, min_long_side=min_long_side)
        with self._lock:
            if key not in self._cache and image.pixels.nbytes <= self._free_bytes:
                self._free_bytes -= image.pixels.nbytes
                self._cache[key] = image
        return image


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order in which an epoch visits `count` images."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch]))).permutation(count)


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of each batch is prepared here, where several processes train: part `index` of `count` equal ones."""

    index: int = 0
    count: int = 1


def training_batches(
    images: CachedImages,
    recipe: Recipe,
    *,
    epoch: int,
    batch_size: int,
    start: int,
    workers: int,
    share: Share = Share(),
    pinned: bool = False,
) -> Generator[Batch, None, None]:
    """The full batches of an epoch, or a share of each; images that are left over at its end make no batch.

    Args:
        images: the data set.
        recipe: seed, input shape and augmentation.
        epoch: counted from 0.
        batch_size: images in a batch, all shares together.
        start: position in the epoch's order to start at: the number of images that were visited already.
        workers: threads; 0 prepares each batch when it is requested.
        share: of each batch.
        pinned: put batches into page-locked memory, from which CUDA copies while it computes.

    Raises:
        BadInput: none of the training images can be read.
    """
    pool = images.dataset.splits["train"]
    order = epoch_order(recipe.seed, epoch, len(pool))
    augmentation = augmentation_of(recipe, epoch)
    count = (len(order) - start) // batch_size

    def make(position: int, row: Pixels) -> _TrainingItem:
        item = _training_item(images, position, pool, recipe, epoch, augmentation)
        row[:] = item.sample.pixels
        return item

    own = batch_size // share.count
    firsts = [start + i * batch_size + share.index * own for i in range(count)]
    chunks = [order[first : first + own] for first in firsts]
    for pixels, items in _map_in_order(chunks, make, recipe.input_shape, workers, pinned=pinned):
        yield Batch(
            images=pixels,
            targets=_pad([item.sample.boxes for item in items], pinned=pinned),
            indices=tuple(item.image_index for item in items),
            skipped=tuple(error for item in items for error in item.skipped),
        )


def validation_batches(
    images: CachedImages,
    split: str,
    shape: tuple[int, int],
    batch_size: int,
    workers: int,
    preprocessing: Preprocessing = "letterbox",
    share: Share = Share(),
    *,
    pinned: bool = False,
) -> Generator[Batch, None, None]:
    """Every image of a split once, in order, as input of `shape` (height, width); the last batch may be smaller.

    Of the batches, `share` takes every `count`th, beginning with number `index`. `pinned`: see `training_batches`.
    """
    indices = images.dataset.splits[split]

    def make(image_index: int, row: Pixels) -> _ValidationItem | UnreadableImage:
        try:
            pixels, boxes, labels = images.load(image_index)
        except UnreadableImage as error:
            return error
        network_input, letterbox = preprocess_image(pixels, shape, preprocessing)
        row[:] = network_input
        size = pixels.shape[1], pixels.shape[0]
        return _ValidationItem(image_index, GroundTruth(size, boxes, labels, letterbox))

    chunks = [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
    for pixels, results in _map_in_order(chunks[share.index :: share.count], make, shape, workers, pinned=pinned):
        items = [result for result in results if isinstance(result, _ValidationItem)]
        read = [isinstance(result, _ValidationItem) for result in results]
        yield Batch(
            images=pixels if all(read) else pixels[torch.tensor(read)].contiguous(memory_format=torch.channels_last),
            targets=_pad([_boxes_in_input(item.ground_truth) for item in items], pinned=pinned),
            indices=tuple(item.image_index for item in items),
            skipped=tuple(result for result in results if isinstance(result, UnreadableImage)),
            ground_truth=tuple(item.ground_truth for item in items),
        )


@dataclass(frozen=True, slots=True)
class _TrainingItem:
    image_index: int
    sample: Sample
    skipped: tuple[UnreadableImage, ...]


@dataclass(frozen=True, slots=True)
class _ValidationItem:
    image_index: int
    ground_truth: GroundTruth


def _training_item(
    images: CachedImages,
    position: int,
    pool: NDArray[np.int32],
    recipe: Recipe,
    epoch: int,
    augmentation: Augmentation,
) -> _TrainingItem:
    """The sample of the image pool[position]; an image that cannot be read is replaced by the next readable one."""
    skipped: dict[int, UnreadableImage] = {}
    min_long_side = round(MAX_SCALE * max(recipe.input_shape))

    def load_readable(index: int) -> LabelledImage:
        try:
            return images.load(index, min_long_side)
        except UnreadableImage as error:
            skipped[index] = error
        position = int(np.flatnonzero(pool == index)[0])
        for candidate in map(int, np.roll(pool, -position - 1)):
            try:
                return images.load(candidate, min_long_side)
            except UnreadableImage as error:
                skipped[candidate] = error
        raise bad_input(
            "dataset.no_readable_image", "{root}: none of the training images can be read.", root=images.dataset.root
        )

    # The position, not the index in the data set: another format may list the splits in another order.
    seed = np.random.SeedSequence([recipe.seed, epoch], spawn_key=(position,))
    image_index = int(pool[position])
    rng = np.random.Generator(np.random.PCG64(seed))
    sample = training_sample(load_readable, image_index, pool, recipe.input_shape, augmentation, rng)
    return _TrainingItem(image_index, sample, tuple(skipped.values()))


def _boxes_in_input(truth: GroundTruth) -> Boxes:
    """(n, 5) x1 y1 x2 y2 class in input pixels."""
    return np.column_stack((truth.letterbox.to_input(truth.boxes), truth.labels)).astype(np.float32)


def _pad(boxes: Sequence[Boxes], *, pinned: bool) -> Tensor:
    """(n, 5) x1 y1 x2 y2 class for each image -> (batch, max n, 5) cx cy w h class."""
    targets = torch.zeros((len(boxes), max([1, *map(len, boxes)]), 5), pin_memory=pinned)
    targets[..., 4] = -1
    for row, corners in zip(targets.numpy(), boxes, strict=True):
        row[: len(corners), :2] = (corners[:, :2] + corners[:, 2:4]) / 2
        row[: len(corners), 2:4] = corners[:, 2:4] - corners[:, :2]
        row[: len(corners), 4] = corners[:, 4]
    return targets


def _map_in_order(
    chunks: Sequence[NDArray[np.integer[Any]]],
    make: Callable[[int, Pixels], _T],
    shape: tuple[int, int],
    workers: int,
    *,
    pinned: bool,
) -> Generator[tuple[Tensor, list[_T]], None, None]:
    """`make` of every index, chunk by chunk, some chunks ahead of the reader; closing the generator ends the threads.

    `make` writes its pixels (height, width, 3) of `shape` into a row of the chunk's memory: in the threads, so that the reader copies
    nothing. Yields that memory as (chunk, 3, height, width), and the results.
    """
    # Threads of OpenCV inside each of ours would only compete for the same cores.
    cv2.setNumThreads(1)

    def allocate(count: int) -> Tensor:
        return torch.empty((count, *shape, 3), dtype=torch.uint8, pin_memory=pinned)

    if workers == 0:
        for chunk in chunks:
            memory = allocate(len(chunk))
            results = [make(int(index), row) for index, row in zip(chunk, memory.numpy(), strict=True)]
            yield memory.permute(0, 3, 1, 2), results
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
    ahead: deque[tuple[Tensor, list[Future[_T]]]] = deque()

    def first() -> tuple[Tensor, list[_T]]:
        memory, futures = ahead.popleft()
        return memory.permute(0, 3, 1, 2), [future.result() for future in futures]

    try:
        for chunk in chunks:
            memory = allocate(len(chunk))
            rows = zip(chunk, memory.numpy(), strict=True)
            ahead.append((memory, [pool.submit(make, int(index), row) for index, row in rows]))
            if len(ahead) > PREFETCHED_BATCHES:
                yield first()
        while ahead:
            yield first()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
