"""From nothing to a suggested batch size: whole processes, with nothing remembered, beside one that only imports torch.

    python -m benchmarks.suggestion [--starts 5]

Medians of as many starts, in turn, since a busy machine slows all of them: seconds on the clock from the start of Python to its
end, and how many times as long as torch's import that is. `again` has the profile from the cache that the start before wrote.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent
TORCH = "import torch"
SUGGESTION = """
import gc
gc.set_threshold(50_000, 10, 10)  # as the command does
from engine.planning.memory.budget import Budget
from engine.planning.memory.batch_size import Situation, suggest_batch_sizes
from engine.recipe import make_recipe
recipe = make_recipe({{"network": "{network}"}})
print(suggest_batch_sizes(Situation(recipe, 3, 40, 5_000, 500, "fp32", Budget(8 * 2**30, "cuda"), None)))
gc.freeze()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    starts = parser.parse_args().starts
    measured: dict[str, list[float]] = {}
    for _ in range(starts):
        for name, seconds in one_turn():
            measured.setdefault(name, []).append(seconds)
    unit = statistics.median(measured["import torch"])
    print(f"{'median of ' + str(starts) + ' starts':<28}{'seconds':>8}{'torch imports':>15}")
    for name, values in measured.items():
        middle = statistics.median(values)
        print(f"{name:<28}{middle:>8.2f}{middle / unit:>15.1f}")


def one_turn() -> Iterator[tuple[str, float]]:
    """Every subject once."""
    with tempfile.TemporaryDirectory() as empty:
        yield "import torch", seconds_of(TORCH, empty)
        for network in ("yolov4-tiny", "yolov4"):
            code = SUGGESTION.format(network=network)
            yield network, seconds_of(code, empty)
            yield f"{network}, again", seconds_of(code, empty)


def seconds_of(code: str, cache: str) -> float:
    """How long a fresh Python takes to run `code`."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "FREEZETUI_CACHE": cache},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
