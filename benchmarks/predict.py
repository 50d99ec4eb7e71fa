"""Images per second of prediction: in batches with decoding in threads, against one image at a time.

    python benchmarks/predict.py [--images 1000] [--network yolov4-tiny] [--input 416] [--device auto] [--batch-size N] [--commands 2]

Draws a folder of images, 1280x960, of which one in fifty is broken. All ways do all of them, in turns of `--turn` images, so that a busy
machine slows them all down. One at a time reads, decodes, computes, and only then reads the next: once with the engine, once in a plain
PyTorch loop (batch norm not folded, torch's Mish and memory format). `--commands N` also runs
`freezetui predict IMAGE` N times, which is what a shell loop over images does: it loads torch and the weights for each.
The network alone, measured at the end, is the limit: nothing is faster than that.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine.dataset.images import UnreadableImage, encode_image, read_image
from engine.dataset.letterbox import preprocess_image
from engine.dataset.sample_dataset import draw_image
from engine.evaluation.detect import non_max_suppression, preload_nms
from engine.evaluation.forward import InferenceNetwork, Precision
from engine.evaluation.inference import resolve_device
from engine.evaluation.predict import CPU_BATCH, GPU_BATCH, WorkTimes, default_threshold, predict_batches
from engine.evaluation.sources.inputs import InputImage
from engine.network import blocks
from engine.network.detector import Detector, build_network
from engine.network.folding import fold_batch_norm
from engine.weights.native import WeightsInfo, info_of, save_weights

BROKEN = 50
"""One image in so many cannot be read."""
DISTINCT = 20
CLASSES = ("ball", "crate", "star")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--images", type=int, default=1000)
    arguments.add_argument("--network", default="yolov4-tiny")
    arguments.add_argument("--input", type=int, default=416, metavar="SIDE")
    arguments.add_argument("--device", default="auto")
    arguments.add_argument("--batch-size", type=int)
    arguments.add_argument("--turn", type=int, default=50)
    arguments.add_argument(
        "--precision", default="bf16", choices=("bf16", "fp16"), help="the 16-bit format beside fp32"
    )
    arguments.add_argument("--commands", type=int, default=0, metavar="N")
    options = arguments.parse_args()
    device = resolve_device(options.device)
    batch_size = options.batch_size or (CPU_BATCH if device.type == "cpu" else GPU_BATCH)
    torch.manual_seed(0)
    network = build_network(options.network, len(CLASSES)).eval()
    info = info_of(network, CLASSES, (options.input, options.input))
    preload_nms()
    bench = Bench(network, info, device, batch_size)
    with tempfile.TemporaryDirectory() as folder:
        images = draw_folder(Path(folder), options.images)
        bench.compare(images, options.turn, options.precision)
        if options.commands:
            save_weights(Path(folder) / "w.pth", network, info)
            seconds = time_commands(Path(folder) / "w.pth", images[1 : 1 + options.commands], options.device)
            print(f"{'a command for each image':36}{1 / seconds:10.2f}")
    for size in (1, batch_size):
        print(f"{f'network alone, batches of {size}':36}{bench.network_rate(size):10.1f}")


def draw_folder(folder: Path, count: int) -> list[Path]:
    """Images of 1280x960; one in `BROKEN` is cut off."""
    contents = []
    for seed in range(DISTINCT):
        path = folder / "drawn.jpg"
        drawn = draw_image(np.random.default_rng(seed)).pixels
        encode_image(path, cv2.resize(drawn, (1280, 960), interpolation=cv2.INTER_CUBIC))  # type: ignore[arg-type]
        contents.append(path.read_bytes())
    images = []
    for number in range(count):
        content = contents[number % DISTINCT]
        path = folder / f"{number:05d}.jpg"
        path.write_bytes(content if number % BROKEN else content[: len(content) // 2])
        images.append(path)
    return images


class Bench:
    """A network and the ways to predict with it."""

    def __init__(self, network: Detector, info: WeightsInfo, device: torch.device, batch_size: int) -> None:
        self._plain, self._info, self._device, self._batch_size = network.to(device), info, device, batch_size
        # Once, not for each turn.
        self._folded = fold_batch_norm(network)
        self.times = WorkTimes()

    def compare(self, images: Sequence[Path], turn: int, precision: Precision) -> None:
        """Print the rates of all ways, and their ratios to one image at a time."""
        plain, own, batches = "a plain PyTorch loop", "one image at a time", f"batches of {self._batch_size}"
        exact: dict[str, Callable[[Sequence[Path]], object]] = {
            plain: self.plain_loop,
            own: lambda some: [self.predict([image], 1) for image in some],
            batches: lambda some: self.predict(some, self._batch_size, self.times),
        }
        ways = {**exact, f"{batches}, {precision}": lambda some: self.predict(some, self._batch_size, None, precision)}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():  # warm up
            way(images[1 : 1 + self._batch_size])
        self.times = WorkTimes()
        turns = [images[start : start + turn] for start in range(0, len(images), turn)]
        for number, some in enumerate(turns):
            for name in list(ways) if number % 2 else reversed(ways):
                start = time.perf_counter()
                ways[name](some)
                rates[name].append(len(some) / (time.perf_counter() - start))
        print(f"{len(images)} images on {self._device}, {torch.get_num_threads()} threads")
        print(f"{'':36}{'images/s':>10}{'/ plain loop':>14}{'/ one at a time':>17}   (medians of the turns)")
        for name, own_rates in rates.items():
            ratios = [
                statistics.median(a / b for a, b in zip(own_rates, rates[other], strict=True)) for other in (plain, own)
            ]
            print(f"{name:36}{statistics.median(own_rates):10.1f}{ratios[0]:14.2f}{ratios[1]:17.2f}")
        work = self.times.decoding + self.times.network
        print(f"{'share of decoding in the work':36}{self.times.decoding / work:10.0%}")

    def predict(
        self,
        images: Sequence[Path],
        batch_size: int,
        times: WorkTimes | None = None,
        precision: Precision = "fp32",
    ) -> int:
        """What the command does; returns how many images cannot be read. With a batch size of 1 nothing is decoded ahead."""
        batches = predict_batches(
            self._folded,
            self._info,
            map(InputImage, images),
            device=self._device,
            batch_size=batch_size,
            precision=precision,
            times=times,
        )
        return sum(isinstance(one, UnreadableImage) for batch in batches for one in batch)

    @torch.inference_mode()
    def plain_loop(self, images: Sequence[Path]) -> int:
        """The loop that a tutorial would write; returns how many images cannot be read."""
        broken, own_mish = 0, blocks.mish
        blocks.mish = lambda x: F.mish(x, inplace=True)
        try:
            for path in images:
                try:
                    pixels = read_image(path)
                except UnreadableImage:
                    broken += 1
                    continue
                resized, letterbox = preprocess_image(pixels, self._info.input_shape, self._info.preprocessing)
                images_in = torch.from_numpy(resized.copy()).permute(2, 0, 1)[None].contiguous().to(self._device)
                raw = self._plain(images_in.float() / 255)
                decoded = self._plain.decode(raw, self._info.input_shape)
                (found,) = non_max_suppression(decoded, confidence=default_threshold(self._info))
                letterbox.to_original(found.boxes, (pixels.shape[1], pixels.shape[0]))
        finally:
            blocks.mish = own_mish
        return broken

    def network_rate(self, batch_size: int) -> float:
        """Images per second of the forward pass."""
        images = torch.zeros(batch_size, 3, *self._info.input_shape, dtype=torch.uint8)
        network = InferenceNetwork(self._folded, self._info.input_shape, self._device)
        seconds = []
        for _ in range(6):
            start = time.perf_counter()
            float(network(images).sum())
            seconds.append(time.perf_counter() - start)
        return batch_size / statistics.median(seconds[1:])


def time_commands(weights: Path, images: Sequence[Path], device: str) -> float:
    """Seconds for each image of a command that predicts one."""
    start = time.perf_counter()
    for image in images:
        words = ["predict", "--weights", str(weights), "--device", device, str(image)]
        subprocess.run([sys.executable, "-m", "tui", *words], check=True, capture_output=True)
    return (time.perf_counter() - start) / len(images)


if __name__ == "__main__":
    main()
