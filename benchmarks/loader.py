"""Samples per second of the loader, and as a ratio to the plainest way of making them.

    python benchmarks/loader.py [FOLDER] [--shape 416 416] [--epochs 3]

FOLDER is any data set; without one, 640x480 pictures are drawn. The plain way decodes every picture each time it is
needed, shrinks it whole by area averages, then cuts: same choices, same mix of mosaics and mixups, one thread. Ratios are
taken in one run, in turns, from the processor time of the thread; they hold on a busy machine too, unlike the rates.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine.dataset.augment import MOSAIC_SCALES, SINGLE_SCALES
from engine.dataset.formats import open_dataset
from engine.dataset.images import encode_image, read_image
from engine.dataset.index import Dataset
from engine.dataset.loader import CachedImages, training_batches
from engine.dataset.sample import draw_sample
from engine.recipe import Recipe, make_recipe

BATCH = 8


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", nargs="?", type=Path, help="a data set; without it one is drawn")
    arguments.add_argument("--shape", nargs=2, type=int, default=(416, 416), metavar=("HEIGHT", "WIDTH"))
    arguments.add_argument("--epochs", type=int, default=3)
    given = arguments.parse_args()
    recipe = make_recipe({"input_shape": list(given.shape)})
    with tempfile.TemporaryDirectory() as made:
        dataset = open_dataset(given.folder or drawn(Path(made)))
        measure(dataset, recipe, given.epochs)


def drawn(folder: Path) -> Path:
    """The sample set, enlarged to 640x480."""
    root = draw_sample(folder, 160)
    for path in (root / "JPEGImages").iterdir():
        encode_image(path, cv2.resize(read_image(path), (640, 480), interpolation=cv2.INTER_CUBIC))  # type: ignore[arg-type]
    return root


def measure(dataset: Dataset, recipe: Recipe, epochs: int) -> None:
    """Print rates and ratios; each way takes its turn in every epoch."""
    count = len(dataset.splits["train"]) // BATCH * BATCH
    warm = CachedImages(dataset)
    loaded(warm, recipe, epoch=epochs, workers=0)
    ways: dict[str, Callable[[int], object]] = {
        "plain": lambda epoch: plain(dataset, recipe, epoch, count),
        "loader, first epoch": lambda epoch: loaded(CachedImages(dataset), recipe, epoch=epoch, workers=0),
        "loader, later epochs": lambda epoch: loaded(warm, recipe, epoch=epoch, workers=0),
        "later epochs, 1 worker": lambda epoch: loaded(warm, recipe, epoch=epoch, workers=1),
        "later epochs, 2 workers": lambda epoch: loaded(warm, recipe, epoch=epoch, workers=2),
    }
    wall: dict[str, list[float]] = {name: [] for name in ways}
    thread: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(epochs):
        for name, way in ways.items():
            began, began_thread = time.perf_counter(), time.thread_time()
            way(epoch)
            wall[name].append(count / (time.perf_counter() - began))
            thread[name].append(count / (time.thread_time() - began_thread))
    height, width = recipe.input_shape
    print(f"{count} samples of {width}x{height} an epoch, median of {epochs} epochs")
    print(f"{'':26}{'samples/s':>10}{'per CPU s':>11}{'ratio':>7}")
    for name in ways:
        own = "worker" not in name  # a thread's own clock sees nothing of the workers
        rates, base = (thread, thread["plain"]) if own else (wall, wall["plain"])
        ratio = statistics.median(a / b for a, b in zip(rates[name], base, strict=True))
        cpu = f"{statistics.median(thread[name]):.0f}" if own else "-"
        print(f"{name:26}{statistics.median(wall[name]):10.0f}{cpu:>11}{ratio:7.1f}")


def loaded(images: CachedImages, recipe: Recipe, *, epoch: int, workers: int) -> None:
    """One epoch of the loader."""
    for _ in training_batches(images, recipe, epoch=epoch, batch_size=BATCH, first_image=0, workers=workers):
        pass


def plain(dataset: Dataset, recipe: Recipe, epoch: int, count: int) -> None:
    """As many samples as the plain way makes them."""
    cv2.setNumThreads(1)
    pool = dataset.splits["train"]
    for start in range(0, count, BATCH):
        batch = [plain_sample(dataset, int(i), recipe, epoch) for i in pool[start : start + BATCH]]
        np.stack(batch).transpose(0, 3, 1, 2)


def plain_sample(dataset: Dataset, image: int, recipe: Recipe, epoch: int) -> np.ndarray:
    """Pixels only: its boxes come for nothing."""
    rng = Generator(PCG64(SeedSequence([recipe.seed, epoch], spawn_key=(image,))))
    height, width = recipe.input_shape
    pool = dataset.splits["train"]
    if rng.random() >= recipe.mosaic_prob:
        sample = plain_place(dataset, image, (height, width), SINGLE_SCALES, rng)
    else:
        x, y = round(width * rng.uniform(0.3, 0.7)), round(height * rng.uniform(0.3, 0.7))
        quarters = [
            plain_place(dataset, int(number), (height, width), MOSAIC_SCALES, rng)
            for number in (image, *rng.choice(pool, 3))
        ]
        sample = quarters[0]
        sample[:y, x:], sample[y:, :x], sample[y:, x:] = quarters[1][:y, x:], quarters[2][y:, :x], quarters[3][y:, x:]
        if rng.random() < recipe.mixup_prob:
            other = plain_place(dataset, int(rng.choice(pool)), (height, width), SINGLE_SCALES, rng)
            sample = cv2.addWeighted(sample, 0.5, other, 0.5, 0)  # type: ignore[assignment]
    hsv = cv2.cvtColor(sample, cv2.COLOR_RGB2HSV)
    table = np.stack([np.arange(256) * f % m for f, m in zip(rng.uniform(0.6, 1.4, 3), (180, 256, 256), strict=True)])
    return cv2.cvtColor(cv2.LUT(hsv, table.T.astype(np.uint8)[None]), cv2.COLOR_HSV2RGB)  # type: ignore[return-value]


def plain_place(
    dataset: Dataset, image: int, shape: tuple[int, int], scales: tuple[float, float], rng: Generator
) -> np.ndarray:
    """Decode, resize the whole, flip, put on grey ground."""
    pixels = read_image(dataset.path(image))
    height, width = shape
    aspect = pixels.shape[1] / pixels.shape[0] * rng.uniform(0.7, 1.3) / rng.uniform(0.7, 1.3)
    scale = rng.uniform(*scales)
    size = (scale * height * aspect, scale * height) if aspect < 1 else (scale * width, scale * width / aspect)
    w, h = max(1, round(size[0])), max(1, round(size[1]))
    whole = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        whole = cv2.flip(whole, 1)
    ground = np.full((height, width, 3), 128, np.uint8)
    left = round(rng.uniform(min(0, width - w), max(0, width - w)))
    top = round(rng.uniform(min(0, height - h), max(0, height - h)))
    x1, y1, x2, y2 = max(0, left), max(0, top), min(width, left + w), min(height, top + h)
    ground[y1:y2, x1:x2] = whole[y1 - top : y2 - top, x1 - left : x2 - left]
    return ground


if __name__ == "__main__":
    main()
