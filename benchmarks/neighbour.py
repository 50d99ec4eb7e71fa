"""What a program beside the training costs, and which number of threads and way to wait costs least.

    python -m benchmarks.neighbour [--steps 7] [--batch 8] [--shape 416] [--threads N]

Each way to compute is a process of its own, since OpenMP reads its settings when it is loaded: all cores, whose threads spin for long while they
wait for each other, as libgomp lets them; all cores, whose threads spin fewer times and then give their core away; and one thread less. They take turns, step by step, first alone, then
beside a process that does nothing but use one core. Seconds are medians; the ratio is to all cores alone. On a machine that other programs
use, "alone" is not alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

WORKER = """
import sys, time
sys.path.insert(0, {project!r})
from benchmarks.neighbour import training_step
step = training_step({threads}, {batch}, {shape})
for line in sys.stdin:
    start = time.perf_counter()
    step()
    print(time.perf_counter() - start, flush=True)
"""
SPINS = "GOMP_SPINCOUNT"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--shape", type=int, default=416)
    parser.add_argument("--threads", type=int, default=max(2, os.cpu_count() or 2))
    parser.add_argument("--spins", type=int, nargs="*", default=[0, 1000, 20000])
    arguments = parser.parse_args()
    threads = arguments.threads
    ways: dict[str, tuple[int, dict[str, str]]] = {
        f"{threads} threads, spinning": (threads, {}),
        **{f"{threads} threads, {count} spins": (threads, {SPINS: str(count)}) for count in arguments.spins},
        f"{threads - 1} thread(s)": (threads - 1, {}),
    }
    workers = {
        name: start_worker(count, more, arguments.batch, arguments.shape) for name, (count, more) in ways.items()
    }
    seconds: dict[tuple[str, bool], list[float]] = {(name, busy): [] for name in workers for busy in (False, True)}
    try:
        for worker in workers.values():
            one_step(worker)
        for busy in (False, True):
            neighbour = multiprocessing.Process(target=spin, daemon=True)
            if busy:
                neighbour.start()
            for _ in range(arguments.steps):
                for name, worker in workers.items():
                    seconds[name, busy].append(one_step(worker))
            if busy:
                neighbour.kill()
    finally:
        for worker in workers.values():
            worker.kill()
    base = statistics.median(seconds[f"{threads} threads, spinning", False])
    print(
        f"yolov4-tiny, {arguments.shape}x{arguments.shape}, batch {arguments.batch}, everything trained; seconds of a step"
    )
    print(f"{'':24}{'alone':>8}{'ratio':>7}{'beside a busy program':>24}{'ratio':>7}")
    for name in workers:
        alone, beside = (statistics.median(seconds[name, busy]) for busy in (False, True))
        print(f"{name:24}{alone:8.2f}{alone / base:7.2f}{beside:24.2f}{beside / base:7.2f}")


def training_step(threads: int, batch: int, side: int) -> Callable[[], object]:
    """A function that does one step of the unfreeze stage on random images."""
    import torch

    from engine.hardware import probe
    from engine.network.detector import build_network
    from engine.planning.device import preferred_amp_dtype
    from engine.recipe import make_recipe
    from engine.training.learner import Learner

    torch.set_num_threads(threads)
    precision = preferred_amp_dtype("cpu", probe(Path())) or "fp32"
    recipe = make_recipe({"input_shape": side})
    network = build_network("yolov4-tiny", 3)
    learner = Learner(recipe, network.to(memory_format=torch.channels_last), torch.device("cpu"), precision, 1000)
    learner.enter_stage("unfreeze")
    content = RandomBatch(batch, side)
    return lambda: learner.step([content], 1e-4, 1, check_loss=True)


class RandomBatch:
    """Images and targets."""

    def __init__(self, count: int, side: int) -> None:
        import torch

        self.images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
        self.targets = torch.tensor([[side / 2, side / 2, side / 4, side / 4, 1.0]]).repeat(count, 5, 1)


def start_worker(threads: int, more: dict[str, str], batch: int, shape: int) -> subprocess.Popen[str]:
    """A process that does a step for each line that it reads, and prints its seconds."""
    project = str(Path(__file__).parent.parent)
    code = WORKER.format(project=project, threads=threads, batch=batch, shape=shape)
    # As many spins as libgomp does by itself, unless the environment says something else: the engine would set a smaller number.
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment = {**kept, SPINS: "300000", **more}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def one_step(worker: subprocess.Popen[str]) -> float:
    """The seconds of its next step."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("step\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def spin() -> None:
    """Use one core until the process is killed."""
    with suppress(KeyboardInterrupt):
        while True:
            sum(range(100_000))


if __name__ == "__main__":
    main()
