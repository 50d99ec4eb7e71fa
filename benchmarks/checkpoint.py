"""Seconds that a training spends on its files after each epoch: the checkpoint and the weights.

    python -m benchmarks.checkpoint [--folder FOLDER] [--runs 3]

The share is that of an epoch of one minute, in which a checkpoint, the last weights and the best weights are written: an epoch that is the
best so far. Processor time is valid on a busy machine too; the time of the clock also depends on what else uses the disk, so that plain
writes of as many bytes stand beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from engine.network.detector import build_network
from engine.recipe import make_recipe
from engine.training.checkpoint import Checkpoint, Progress, save_checkpoint
from engine.training.learner import Learner
from engine.weights.native import info_of, save_weights

EPOCH_SECONDS = 60


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to write; by default the folder for temporary files")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'':14}{'MiB':>6}{'clock s':>9}{'CPU s':>7}{'plain write s':>15}{'CPU share of a minute':>23}")
    for network in ("yolov4-tiny", "yolov4"):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure(network, Path(folder), arguments.runs)


def measure(name: str, folder: Path, runs: int) -> None:
    """Print a row for each kind of file of one network, and for all."""
    recipe = make_recipe({"network": name})
    network = build_network(name, 20)
    learner = Learner(recipe, network, torch.device("cpu"), "fp32", total_steps=1000)
    learner.enter_stage("unfreeze")
    info = info_of(network, tuple(map(str, range(20))), (416, 416))

    def write_checkpoint() -> None:
        state = learner.state()
        content = Checkpoint(
            progress=Progress(), anchors=network.all_anchors, scale_x_y=network.scale_x_y, logs={}, processes=1, **state
        )
        save_checkpoint(folder, content)

    def write_weights() -> None:
        for file in ("last.pth", "best.pth"):
            save_weights(folder / file, learner.eval_network, info)

    print(name)
    total = [0.0] * runs
    for title, write, files in (
        ("checkpoint", write_checkpoint, ("last.ckpt",)),
        ("weights", write_weights, ("last.pth", "best.pth")),
    ):
        clock, cpu, plain = zip(
            *(time_once(write, [folder / file for file in files]) for _ in range(runs)), strict=True
        )
        size = sum((folder / file).stat().st_size for file in files)
        total = [sum(pair) for pair in zip(total, cpu, strict=True)]
        print_row(title, size, clock, cpu, plain)
    print(f"{'both':14}{'':37}{statistics.median(total) / EPOCH_SECONDS:23.1%}")


def time_once(write: Callable[[], None], files: list[Path]) -> tuple[float, float, float]:
    """Seconds of the clock and of the processor to write, and of the clock to write the same bytes at once."""
    start, cpu_start = time.perf_counter(), time.process_time()
    write()
    clock, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    contents = [file.read_bytes() for file in files]
    start = time.perf_counter()
    for file, content in zip(files, contents, strict=True):
        with file.with_suffix(".plain").open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    return clock, cpu, time.perf_counter() - start


def print_row(
    title: str, size: int, clock: tuple[float, ...], cpu: tuple[float, ...], plain: tuple[float, ...]
) -> None:
    """Medians."""
    seconds = statistics.median(cpu)
    print(
        f"{title:14}{size / 2**20:6.0f}{statistics.median(clock):9.2f}{seconds:7.2f}{statistics.median(plain):15.2f}"
        f"{seconds / EPOCH_SECONDS:23.1%}"
    )


if __name__ == "__main__":
    main()
