"""Samples per second of the loader, and the ratio to a simple implementation.

    python benchmarks/loader.py [FOLDER] [--shape 416 416] [--epochs 3]

FOLDER is any data set; without one, 640x480 images are drawn. The simple implementation decodes every image each time it is
needed, resizes all of it by area averages, then crops: same random choices, same mix of mosaic and mixup, one thread. All are
measured alternately in one run. Ratios without workers are of the thread's processor time; unlike the rates, they are valid on a
busy machine too.

"data wait" is the share of the time that a consumer of --consumer images a second, such as a graphics card, waits for its batches. It is
simulated from the processor time of each sample, as on --cores cores that do nothing else, so that it does not depend on what else the
machine does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine.dataset.augment import MOSAIC_SCALES, SINGLE_SCALES
from engine.dataset.formats import open_dataset
from engine.dataset.images import encode_image, read_image
from engine.dataset.index import Dataset
from engine.dataset.loader import PREFETCHED_BATCHES, CachedImages, training_batches
from engine.dataset.sample_dataset import draw_sample_dataset
from engine.recipe import Recipe, make_recipe

BATCH = 8


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", nargs="?", type=Path, help="a data set; without it one is drawn")
    arguments.add_argument("--shape", nargs=2, type=int, default=(416, 416), metavar=("HEIGHT", "WIDTH"))
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--consumer", type=float, default=300, metavar="IMAGES", help="images per second")
    arguments.add_argument("--cores", type=int, default=2, help="for the consumer's images")
    options = arguments.parse_args()
    recipe = make_recipe({"input_shape": list(options.shape)})
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(options.folder or draw_images(Path(folder)))
        measure(dataset, recipe, options.epochs)
        measure_wait(dataset, recipe, options.epochs, options.consumer, options.cores)


def draw_images(folder: Path) -> Path:
    """The sample set, enlarged to 640x480."""
    root = draw_sample_dataset(folder, 160)
    for path in (root / "JPEGImages").iterdir():
        encode_image(path, cv2.resize(read_image(path), (640, 480), interpolation=cv2.INTER_CUBIC))  # type: ignore[arg-type]
    return root


def measure(dataset: Dataset, recipe: Recipe, epochs: int) -> None:
    """Print rates and ratios; every epoch measures each implementation once."""
    count = len(dataset.splits["train"]) // BATCH * BATCH
    cached = CachedImages(dataset)
    run_loader(cached, recipe, epoch=epochs, workers=0)
    implementations: dict[str, Callable[[int], object]] = {
        "simple": lambda epoch: run_simple(dataset, recipe, epoch, count),
        "loader, first epoch": lambda epoch: run_loader(CachedImages(dataset), recipe, epoch=epoch, workers=0),
        "loader, later epochs": lambda epoch: run_loader(cached, recipe, epoch=epoch, workers=0),
        "later epochs, 1 worker": lambda epoch: run_loader(cached, recipe, epoch=epoch, workers=1),
        "later epochs, 2 workers": lambda epoch: run_loader(cached, recipe, epoch=epoch, workers=2),
    }
    wall: dict[str, list[float]] = {name: [] for name in implementations}
    thread: dict[str, list[float]] = {name: [] for name in implementations}
    for epoch in range(epochs):
        for name, run in implementations.items():
            start, thread_start = time.perf_counter(), time.thread_time()
            run(epoch)
            wall[name].append(count / (time.perf_counter() - start))
            thread[name].append(count / (time.thread_time() - thread_start))
    height, width = recipe.input_shape
    print(f"{count} samples of {width}x{height} an epoch, median of {epochs} epochs")
    print(f"{'':26}{'samples/s':>10}{'per CPU s':>11}{'ratio':>7}")
    for name in implementations:
        one_thread = "worker" not in name  # the thread's processor time does not include workers
        rates, base = (thread, thread["simple"]) if one_thread else (wall, wall["simple"])
        ratio = statistics.median(a / b for a, b in zip(rates[name], base, strict=True))
        cpu = f"{statistics.median(thread[name]):.0f}" if one_thread else "-"
        print(f"{name:26}{statistics.median(wall[name]):10.0f}{cpu:>11}{ratio:7.1f}")


def measure_wait(dataset: Dataset, recipe: Recipe, epochs: int, rate: float, cores: int) -> None:
    """Print how long a consumer of `rate` images a second would wait in the first epoch and in later ones."""
    images = CachedImages(dataset)
    print(f"a consumer of {rate:.0f} images/s, batches of {BATCH}, {cores} cores for the loader alone, simulated")
    print(f"{'':26}{'samples/CPU s':>14}{'data wait':>11}{'of it the first batch':>23}")
    for epoch in range(epochs + 1):
        costs = sample_costs(images, recipe, epoch)
        waits = simulated_waits(costs, BATCH / rate, cores)
        total = sum(waits) + len(waits) * BATCH / rate
        name = "first epoch" if epoch == 0 else f"epoch {epoch + 1}"
        print(f"{name:26}{len(costs) / sum(costs):14.0f}{sum(waits) / total:11.1%}{waits[0] / total:23.1%}")


def sample_costs(images: CachedImages, recipe: Recipe, epoch: int) -> list[float]:
    """Seconds of processor time of each sample of an epoch, in their order."""
    costs = []
    batches = training_batches(images, recipe, epoch=epoch, batch_size=1, start=0, workers=0)
    start = time.thread_time()
    for _ in batches:
        costs.append(time.thread_time() - start)
        start = time.thread_time()
    return costs


def simulated_waits(costs: Sequence[float], step_seconds: float, cores: int) -> list[float]:
    """How long the consumer waits for each batch, where samples take `costs` seconds on one of `cores`, and a step `step_seconds`."""
    free = [0.0] * cores
    asked: list[float] = [0.0]
    waits: list[float] = []
    for batch in range(len(costs) // BATCH):
        # The loader begins a batch when the consumer asks for the one that is so many batches ahead of it.
        begun = asked[max(0, batch - PREFETCHED_BATCHES)]
        ready = 0.0
        for cost in costs[batch * BATCH : (batch + 1) * BATCH]:
            core = min(range(cores), key=free.__getitem__)
            free[core] = max(free[core], begun) + cost
            ready = max(ready, free[core])
        waits.append(max(0.0, ready - asked[batch]))
        asked.append(asked[batch] + waits[-1] + step_seconds)
    return waits


def run_loader(images: CachedImages, recipe: Recipe, *, epoch: int, workers: int) -> None:
    """One epoch of the loader."""
    for _ in training_batches(images, recipe, epoch=epoch, batch_size=BATCH, start=0, workers=workers):
        pass


def run_simple(dataset: Dataset, recipe: Recipe, epoch: int, count: int) -> None:
    """One epoch of the simple implementation: `count` samples."""
    cv2.setNumThreads(1)
    pool = dataset.splits["train"]
    for start in range(0, count, BATCH):
        batch = [simple_sample(dataset, int(i), recipe, epoch) for i in pool[start : start + BATCH]]
        np.stack(batch).transpose(0, 3, 1, 2)


def simple_sample(dataset: Dataset, image: int, recipe: Recipe, epoch: int) -> np.ndarray:
    """Pixels only: the boxes take no time."""
    rng = Generator(PCG64(SeedSequence([recipe.seed, epoch], spawn_key=(image,))))
    height, width = recipe.input_shape
    pool = dataset.splits["train"]
    if rng.random() >= recipe.mosaic_prob:
        sample = simple_place(dataset, image, (height, width), SINGLE_SCALES, rng)
    else:
        x, y = round(width * rng.uniform(0.3, 0.7)), round(height * rng.uniform(0.3, 0.7))
        quarters = [
            simple_place(dataset, int(number), (height, width), MOSAIC_SCALES, rng)
            for number in (image, *rng.choice(pool, 3))
        ]
        sample = quarters[0]
        sample[:y, x:], sample[y:, :x], sample[y:, x:] = quarters[1][:y, x:], quarters[2][y:, :x], quarters[3][y:, x:]
        if rng.random() < recipe.mixup_prob:
            other = simple_place(dataset, int(rng.choice(pool)), (height, width), SINGLE_SCALES, rng)
            sample = cv2.addWeighted(sample, 0.5, other, 0.5, 0)  # type: ignore[assignment]
    hsv = cv2.cvtColor(sample, cv2.COLOR_RGB2HSV)
    table = np.stack([np.arange(256) * f % m for f, m in zip(rng.uniform(0.6, 1.4, 3), (180, 256, 256), strict=True)])
    return cv2.cvtColor(cv2.LUT(hsv, table.T.astype(np.uint8)[None]), cv2.COLOR_HSV2RGB)  # type: ignore[return-value]


def simple_place(
    dataset: Dataset, image: int, shape: tuple[int, int], scales: tuple[float, float], rng: Generator
) -> np.ndarray:
    """Decode, resize all of it, flip, paste onto a grey background."""
    pixels = read_image(dataset.image_path(image))
    height, width = shape
    aspect = pixels.shape[1] / pixels.shape[0] * rng.uniform(0.7, 1.3) / rng.uniform(0.7, 1.3)
    scale = rng.uniform(*scales)
    size = (scale * height * aspect, scale * height) if aspect < 1 else (scale * width, scale * width / aspect)
    w, h = max(1, round(size[0])), max(1, round(size[1]))
    resized = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        resized = cv2.flip(resized, 1)
    canvas = np.full((height, width, 3), 128, np.uint8)
    left = round(rng.uniform(min(0, width - w), max(0, width - w)))
    top = round(rng.uniform(min(0, height - h), max(0, height - h)))
    x1, y1, x2, y2 = max(0, left), max(0, top), min(width, left + w), min(height, top + h)
    canvas[y1:y2, x1:x2] = resized[y1 - top : y2 - top, x1 - left : x2 - left]
    return canvas


if __name__ == "__main__":
    main()
