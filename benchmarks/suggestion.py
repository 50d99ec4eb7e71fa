"""Time of a process that suggests batch sizes, without a cached prediction, beside one that only imports torch.

    python -m benchmarks.suggestion [--starts 5]

Prints medians of seconds from the start of Python to its end, wall-clock and CPU, and their ratio to the import of torch. The
processes alternate, since a busy machine slows all of them. `cached` uses the prediction that the start before has cached.
Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent
IMPORT_TORCH = "import torch"
SUGGEST = """
import gc
gc.set_threshold(50_000, 10, 10)  # as the command does
from engine.planning.memory.budget import Budget
from engine.planning.memory.batch_size import BatchSizeProblem, suggest_batch_sizes
from engine.recipe import make_recipe
recipe = make_recipe({{"network": "{network}"}})
assert suggest_batch_sizes(BatchSizeProblem(recipe, 3, 40, 5_000, 500, "fp32", Budget(8 * 2**30, "cuda"), None))
gc.freeze()  # as the command does
"""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of one process."""

    wall: float
    cpu: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    starts = parser.parse_args().starts
    measured: dict[str, list[Seconds]] = {}
    for _ in range(starts):
        for name, seconds in measure_each():
            measured.setdefault(name, []).append(seconds)
    import_cpu = statistics.median(seconds.cpu for seconds in measured[IMPORT_TORCH])
    print(f"{'median of ' + str(starts) + ' starts':<24}{'wall s':>8}{'CPU s':>8}{'torch imports':>15}")
    for name, values in measured.items():
        wall, cpu = (statistics.median(getattr(seconds, field) for seconds in values) for field in ("wall", "cpu"))
        print(f"{name:<24}{wall:>8.2f}{cpu:>8.2f}{cpu / import_cpu:>15.1f}")


def measure_each() -> Iterator[tuple[str, Seconds]]:
    """One start of each process."""
    with tempfile.TemporaryDirectory() as cache:
        yield IMPORT_TORCH, run(IMPORT_TORCH, cache)
        for network in ("yolov4-tiny", "yolov4"):
            code = SUGGEST.format(network=network)
            yield network, run(code, cache)
            yield f"{network}, cached", run(code, cache)


def run(code: str, cache: str) -> Seconds:
    """Run `code` in a new Python process."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "FREEZETUI_CACHE": cache}
    started = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, "-P", "-c", code], environment)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit("A process failed; its error is above.")
    return Seconds(wall, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    main()
