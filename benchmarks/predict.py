"""Images per second of prediction: in batches with decoding in threads, against one image at a time.

    python benchmarks/predict.py [--images 1000] [--network yolov4-tiny] [--input 416] [--device auto] [--batch-size N] [--commands 2]

Draws a folder of images, 1280x960, of which one in fifty is broken. Both ways do all of them, in turns of fifty, so that a busy machine
slows both down. One at a time reads, decodes, computes, and only then reads the next. `--commands N` also runs
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
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine.dataset.images import UnreadableImage, encode_image
from engine.dataset.sample_dataset import draw_image
from engine.evaluation.detect import preload_nms
from engine.evaluation.inference import resolve_device
from engine.evaluation.predict import CPU_BATCH, GPU_BATCH, WorkTimes, predict_batches
from engine.evaluation.sources.inputs import InputImage
from engine.network.detector import Detector, build_network
from engine.network.precision import network_input
from engine.weights.native import WeightsInfo, info_of, save_weights

TURN = 50
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
    arguments.add_argument("--commands", type=int, default=0, metavar="N")
    options = arguments.parse_args()
    device = resolve_device(options.device)
    batch_size = options.batch_size or (CPU_BATCH if device.type == "cpu" else GPU_BATCH)
    torch.manual_seed(0)
    network = build_network(options.network, len(CLASSES)).eval()
    info = info_of(network, CLASSES, (options.input, options.input))
    preload_nms()
    with tempfile.TemporaryDirectory() as folder:
        images = draw_folder(Path(folder), options.images)
        predict_turn(network, info, images[: 2 * batch_size], batch_size, device)  # warm up
        measure(network, info, images, batch_size, device)
        if options.commands:
            save_weights(Path(folder) / "w.pth", network, info)
            seconds = time_commands(Path(folder) / "w.pth", images[1 : 1 + options.commands], options.device)
            print(f"{'a command for each image':32}{1 / seconds:10.2f}")
    for size in (1, batch_size):
        print(f"{f'network alone, batches of {size}':32}{network_rate(network, info, size, device):10.1f}")


def draw_folder(folder: Path, count: int) -> list[Path]:
    """Images of 1280x960; the first of each turn is cut off."""
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
        path.write_bytes(content if number % TURN else content[: len(content) // 2])
        images.append(path)
    return images


def measure(
    network: Detector, info: WeightsInfo, images: Sequence[Path], batch_size: int, device: torch.device
) -> None:
    """Print the rates of both ways, their ratio, and what the work is."""
    turns = [images[start : start + TURN] for start in range(0, len(images), TURN)]
    rates: dict[int, list[float]] = {1: [], batch_size: []}
    seconds = dict.fromkeys(rates, 0.0)
    times = WorkTimes()
    for number, turn in enumerate(turns):
        for size in (1, batch_size) if number % 2 else (batch_size, 1):
            start = time.perf_counter()
            if size == 1:
                for image in turn:  # nothing is decoded ahead
                    predict_turn(network, info, [image], 1, device)
            else:
                predict_turn(network, info, turn, size, device, times)
            taken = time.perf_counter() - start
            seconds[size] += taken
            rates[size].append(len(turn) / taken)
    ratio = statistics.median(a / b for a, b in zip(rates[batch_size], rates[1], strict=True))
    work = times.decoding + times.network
    print(f"{len(images)} images on {device}, {torch.get_num_threads()} threads{'':16}images/s")
    print(f"{'one image at a time':32}{len(images) / seconds[1]:10.1f}")
    print(f"{f'batches of {batch_size}':32}{len(images) / seconds[batch_size]:10.1f}")
    print(f"{'ratio, median of the turns':32}{ratio:10.2f}")
    print(f"{'share of decoding in the work':32}{times.decoding / work:10.0%}")


def predict_turn(
    network: Detector,
    info: WeightsInfo,
    images: Sequence[Path],
    batch_size: int,
    device: torch.device,
    times: WorkTimes | None = None,
) -> int:
    """Predict images; returns how many cannot be read."""
    batches = predict_batches(network, info, map(InputImage, images), device=device, batch_size=batch_size, times=times)
    return sum(isinstance(one, UnreadableImage) for batch in batches for one in batch)


@torch.inference_mode()
def network_rate(network: Detector, info: WeightsInfo, batch_size: int, device: torch.device) -> float:
    """Images per second of the forward pass."""
    images = torch.zeros(batch_size, 3, *info.input_shape, dtype=torch.uint8)
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        float(network.decode(network(network_input(images, device)), info.input_shape).sum())
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
