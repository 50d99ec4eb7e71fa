"""How long it takes to list long runs, as a multiple of the time for short ones; and how large the log of a long run is.

    python -m benchmarks.run_list [--runs 10] [--epochs 300] [--steps 500]

Runs of older versions have a line for every step. Their logs are read from the start once; after that, only what is new is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.events import EpochFinished, Event, RunStarted, StageStarted, Step
from engine.runs.folder import EVENTS, PLAN
from engine.runs.summary import list_runs
from engine.training.step_means import StepMeans


def events(epochs: int, steps: int) -> Iterator[Event]:
    """Every event of a run."""
    stage = {"name": "freeze", "first_epoch": 0, "last_epoch": epochs - 1, "batch_size": 8, "steps_per_epoch": steps}
    yield RunStarted(run="r", plan={"stages": [stage]}, epoch=0, step=0, continued=False)
    yield StageStarted(stage="freeze", epoch=0, batch_size=8, init_lr=1e-3, min_lr=1e-5)
    for epoch in range(epochs):
        for step in range(steps):
            yield Step(
                stage="freeze", epoch=epoch, step=step, steps=steps, loss=1.2345678901234567, box=0.5345678901234567,
                objectness=0.3345678901234567, classes=0.2345678901234567, lr=0.0012345678901234, images_per_second=31.23456789,
                data_wait=0.0123456789, memory_bytes=1_234_567_890,
            )  # fmt: skip
        yield EpochFinished(stage="freeze", epoch=epoch, train_loss=1.23, val_loss=1.34, seconds=123.4)


def write_run(run: Path, epochs: int, steps: int, *, every_step: bool) -> int:
    """Write the log of a run; returns its size in bytes."""
    run.mkdir(parents=True)
    (run / PLAN).write_text(json.dumps({}))
    means = StepMeans()
    with (run / EVENTS).open("w", encoding="utf-8") as file:
        for event in events(epochs, steps):
            written = means.add(event) if isinstance(event, Step) and not every_step else event
            if written is not None:
                file.write(f"{written.to_line()}\n")
    return (run / EVENTS).stat().st_size


def seconds_to_list(workspace: Path) -> float:
    """Seconds for a list of all runs."""
    started = time.perf_counter()
    list_runs(workspace)
    return time.perf_counter() - started


def main() -> None:
    """Print the times as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short"
        for number in range(options.runs):
            write_run(short / "logs" / f"loss_{number}", 2, 10, every_step=False)
        seconds_to_list(short)
        base = min(seconds_to_list(short) for _ in range(5))
        print(f"{options.runs} runs of 20 steps: {1000 * base:.1f} ms")
        for every_step in (False, True):
            workspace = Path(folder) / str(every_step)
            size = 0
            for number in range(options.runs):
                run = workspace / "logs" / f"loss_{number}"
                size = write_run(run, options.epochs, options.steps, every_step=every_step)
            first = seconds_to_list(workspace)
            again = min(seconds_to_list(workspace) for _ in range(5))
            kind = "a line for every step" if every_step else "means of steps"
            print(
                f"{options.runs} runs of {options.epochs * options.steps} steps, {kind} ({size / 1e6:.1f} MB each): "
                f"first {1000 * first:.0f} ms ({first / base:.1f} x), again {1000 * again:.1f} ms ({again / base:.2f} x)"
            )


if __name__ == "__main__":
    main()
