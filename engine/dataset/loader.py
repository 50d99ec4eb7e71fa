"""Batches of pixels and boxes, prepared ahead in threads.

OpenCV lets go of Python's lock while it works, so threads do, on every system; there are no worker processes to configure,
to hang or to run out of page file. What a sample looks like hangs on (seed, epoch, image) alone, never on the number of
threads or on which of them made it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.dataset.augment import LARGEST_SCALE, Augmentation, Boxes, Loaded, Sample, augmentation_of, training_sample
from engine.dataset.images import Pixels, UnreadableImage, load
from engine.dataset.index import Dataset
from engine.dataset.letterbox import Letterbox, Preprocessing, fitted
from engine.hardware.machine import read_memory
from engine.messages import bad_input
from engine.recipe import Recipe

_T = TypeVar("_T")

PREFETCHED_BATCHES = 2
CACHE_BYTES = 512 * 2**20
"""Decoded images kept in memory, at most; and at most an eighth of the memory that is free to this process."""


@dataclass(frozen=True, slots=True)
class Original:
    """What a validation image was before it became input: (width, height), boxes (n, 4), classes (n,), its letterbox."""

    size: tuple[int, int]
    boxes: Boxes
    labels: NDArray[np.int32]
    letterbox: Letterbox


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and ground truth of one batch, in memory of the host."""

    images: Tensor
    """(batch, 3, height, width) uint8 RGB."""
    targets: Tensor
    """(batch, boxes, 5) float32 cx cy w h class in input pixels; padding is 0 with class -1; boxes >= 1."""
    indices: tuple[int, ...]
    """Image numbers of the data set."""
    skipped: tuple[UnreadableImage, ...]
    """Images that could not be read; another took their place in training, none in validation."""
    originals: tuple[Original, ...] = ()
    """In validation only."""


class CachedImages:
    """Decoded images of a data set, as many of them in memory as there is room for. Safe from any thread."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._room = min(CACHE_BYTES, read_memory().available // 8)
        self._kept: dict[tuple[int, int | None], Loaded] = {}
        self._lock = threading.Lock()

    def load(self, image: int, enough: int | None = None) -> Loaded:
        """Pixels, boxes and classes of an image; the arrays must not be written to. `enough`: see `images.load`.

        Raises:
            UnreadableImage: the picture cannot be read.
        """
        # What is in stays in: with every image visited once an epoch, throwing out the oldest would always throw out
        # the one that is needed next.
        if (kept := self._kept.get((image, enough))) is not None:
            return kept
        loaded = load(self.dataset, image, enough=enough)
        with self._lock:
            if (image, enough) not in self._kept and loaded[0].nbytes <= self._room:
                self._room -= loaded[0].nbytes
                self._kept[image, enough] = loaded
        return loaded


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order in which an epoch visits `count` images."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch]))).permutation(count)


def training_batches(
    images: CachedImages, recipe: Recipe, *, epoch: int, batch_size: int, first_image: int, workers: int
) -> Generator[Batch, None, None]:
    """The whole batches of an epoch from its `first_image` on; what is left over at the end makes no batch.

    Args:
        images: the data set.
        recipe: seed, input shape and augmentation.
        epoch: counted from 0.
        batch_size: images in a batch.
        first_image: how many images of the epoch's order are done already.
        workers: threads; 0 prepares each batch when it is asked for.

    Raises:
        BadInput: none of the training images can be read.
    """
    pool = images.dataset.splits["train"]
    order = pool[epoch_order(recipe.seed, epoch, len(pool))]
    augmentation = augmentation_of(recipe, epoch)
    count = (len(order) - first_image) // batch_size

    def make(image: int) -> tuple[int, Sample, tuple[UnreadableImage, ...]]:
        return _training_sample(images, image, pool, recipe, epoch, augmentation)

    chunks = [order[first_image + i * batch_size : first_image + (i + 1) * batch_size] for i in range(count)]
    for made in _in_order(chunks, make, workers):
        yield _training_batch(made)


def validation_batches(
    images: CachedImages,
    split: str,
    shape: tuple[int, int],
    batch_size: int,
    workers: int,
    preprocessing: Preprocessing = "letterbox",
) -> Generator[Batch, None, None]:
    """Every image of a split once, in order, fitted into `shape` (height, width); the last batch may be smaller."""
    numbers = images.dataset.splits[split]

    def make(image: int) -> tuple[int, Pixels, Original] | UnreadableImage:
        try:
            pixels, boxes, labels = images.load(image)
        except UnreadableImage as error:
            return error
        inside, letterbox = fitted(pixels, shape, preprocessing)
        return image, inside, Original((pixels.shape[1], pixels.shape[0]), boxes, labels, letterbox)

    chunks = [numbers[i : i + batch_size] for i in range(0, len(numbers), batch_size)]
    for made in _in_order(chunks, make, workers):
        yield _validation_batch(made, shape)


def _training_sample(
    images: CachedImages,
    image: int,
    pool: NDArray[np.int32],
    recipe: Recipe,
    epoch: int,
    augmentation: Augmentation,
) -> tuple[int, Sample, tuple[UnreadableImage, ...]]:
    """The sample of `image`; an image that cannot be read gives way to the next one that can."""
    skipped: dict[int, UnreadableImage] = {}
    enough = round(LARGEST_SCALE * max(recipe.input_shape))

    def readable(number: int) -> Loaded:
        try:
            return images.load(number, enough)
        except UnreadableImage as error:
            skipped[number] = error
        place = int(np.flatnonzero(pool == number)[0])
        for candidate in map(int, np.roll(pool, -place - 1)):
            try:
                return images.load(candidate, enough)
            except UnreadableImage as error:
                skipped[candidate] = error
        raise bad_input(
            "dataset.no_readable_image", "{root}: none of the training images can be read.", root=images.dataset.root
        )

    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([recipe.seed, epoch], spawn_key=(image,))))
    sample = training_sample(readable, image, pool, recipe.input_shape, augmentation, rng)
    return image, sample, tuple(skipped.values())


def _training_batch(made: Sequence[tuple[int, Sample, tuple[UnreadableImage, ...]]]) -> Batch:
    return Batch(
        images=_stacked([sample[0] for _, sample, _ in made]),
        targets=_padded([sample[1] for _, sample, _ in made]),
        indices=tuple(image for image, _, _ in made),
        skipped=tuple(error for _, _, errors in made for error in errors),
    )


def _validation_batch(made: Sequence[tuple[int, Pixels, Original] | UnreadableImage], shape: tuple[int, int]) -> Batch:
    read = [one for one in made if not isinstance(one, UnreadableImage)]
    boxes = [
        np.column_stack((original.letterbox.into(original.boxes), original.labels)).astype(np.float32)
        for _, _, original in read
    ]
    return Batch(
        images=_stacked([pixels for _, pixels, _ in read]) if read else torch.empty(0, 3, *shape, dtype=torch.uint8),
        targets=_padded(boxes),
        indices=tuple(image for image, _, _ in read),
        skipped=tuple(one for one in made if isinstance(one, UnreadableImage)),
        originals=tuple(original for _, _, original in read),
    )


def _stacked(pictures: Sequence[Pixels]) -> Tensor:
    """Pictures (h, w, 3) -> (batch, 3, h, w), channels last in memory, as the convolutions like it."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def _padded(boxes: Sequence[Boxes]) -> Tensor:
    """(n, 5) x1 y1 x2 y2 class for each image -> (batch, most, 5) cx cy w h class."""
    targets = np.zeros((len(boxes), max([1, *map(len, boxes)]), 5), np.float32)
    targets[..., 4] = -1
    for row, found in zip(targets, boxes, strict=True):
        row[: len(found), :2] = (found[:, :2] + found[:, 2:4]) / 2
        row[: len(found), 2:4] = found[:, 2:4] - found[:, :2]
        row[: len(found), 4] = found[:, 4]
    return torch.from_numpy(targets)


def _in_order(
    chunks: Sequence[NDArray[np.int32]], make: Callable[[int], _T], workers: int
) -> Generator[list[_T], None, None]:
    """`make` of every number, chunk by chunk, some chunks ahead of the reader; closing the iterator ends the threads."""
    # Each thread here is one of several: OpenCV's own threads inside them would only fight over the same cores.
    cv2.setNumThreads(1)
    if workers == 0:
        for chunk in chunks:
            yield [make(int(number)) for number in chunk]
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")
    try:
        ahead: deque[list[Future[_T]]] = deque()
        waiting = iter(chunks)
        for chunk in waiting:
            ahead.append([pool.submit(make, int(number)) for number in chunk])
            if len(ahead) > PREFETCHED_BATCHES:
                yield [future.result() for future in ahead.popleft()]
        while ahead:
            yield [future.result() for future in ahead.popleft()]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
