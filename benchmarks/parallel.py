"""Speed of two processes of one thread each (DDP, Gloo) against one process of one and of two threads, and what communication costs.

    python -m benchmarks.parallel [--network yolov4-tiny] [--side 416] [--batch 8] [--rounds 5]

Every way trains the same number of images per step. The ways alternate in one run; only ratios mean something. "apart" are two
processes that train at the same time and exchange nothing: the difference to "together" is the cost of communication, with the
time in which one process waits for the other.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.multiprocessing

from engine.network.detector import build_network
from engine.parallel.group import SINGLE, ProcessGroup, connect
from engine.planning.synthetic import synthetic_batch
from engine.recipe import make_recipe
from engine.training.learner import Learner

CPU = torch.device("cpu")
STEPS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="yolov4-tiny")
    parser.add_argument("--side", type=int, default=416)
    parser.add_argument("--batch", type=int, default=8, help="images in a step, of both processes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.multiprocessing.spawn(_measure, (vars(options),), nprocs=2)


def _measure(rank: int, options: dict[str, Any]) -> None:
    group = connect(rank, 2, "cpu", timedelta(seconds=600))
    torch.set_num_threads(1)
    together, apart = _learner(options, group), _learner(options, SINGLE)
    half, whole = options["batch"] // 2, options["batch"]
    for stage in ("freeze", "unfreeze"):
        for learner in (together, apart):
            learner.enter_stage(stage)
        ways: dict[str, Callable[[], float]] = {
            "together": lambda: _seconds(together, half, options),
            "apart": lambda: _seconds(apart, half, options),
            "one thread": lambda: _alone(rank, apart, whole, options, 1),
            "two threads": lambda: _alone(rank, apart, whole, options, 2),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options["rounds"] + 1):
            for name, way in ways.items():
                group.barrier()
                seconds[name].append(way())
                group.barrier()
        if rank == 0:
            _print(stage, {name: values[1:] for name, values in seconds.items()}, together)
    group.close()


def _learner(options: dict[str, Any], group: ProcessGroup) -> Learner:
    torch.manual_seed(0)
    recipe = make_recipe({"network": options["network"], "input_shape": [options["side"], options["side"]]})
    return Learner(recipe, build_network(options["network"], 3).move_to(CPU), CPU, "fp32", 1000, group)


def _seconds(learner: Learner, batch_size: int, options: dict[str, Any]) -> float:
    """Of one step."""
    batch = synthetic_batch(batch_size, (options["side"], options["side"]), boxes=5, classes=3)
    started = time.perf_counter()
    for step in range(STEPS):
        learner.step([batch], 1e-6, step, check_loss=True)
    return (time.perf_counter() - started) / STEPS


def _alone(rank: int, learner: Learner, batch_size: int, options: dict[str, Any], threads: int) -> float:
    """Of one step in the first process, while the other one waits."""
    if rank > 0:
        return 0.0
    torch.set_num_threads(threads)
    try:
        return _seconds(learner, batch_size, options)
    finally:
        torch.set_num_threads(1)


def _print(stage: str, seconds: dict[str, list[float]], learner: Learner) -> None:
    median = {name: statistics.median(values) for name, values in seconds.items()}
    gradients = sum(p.numel() for p in learner.network.parameters() if p.requires_grad) * 4 / 2**20
    faster = {name: median[name] / median["together"] for name in ("one thread", "two threads")}
    cost = statistics.median(a - b for a, b in zip(seconds["together"], seconds["apart"], strict=True))
    print(
        f"{stage}: {1000 * median['together']:.0f} ms a step in two processes; {faster['one thread']:.2f} times as fast as one "
        f"thread, {faster['two threads']:.2f} times as fast as two threads of one process; of that {1000 * cost:.0f} ms "
        f"({100 * cost / median['together']:.0f} %) for the communication of {gradients:.0f} MiB of gradients",
        flush=True,
    )


if __name__ == "__main__":
    main()
