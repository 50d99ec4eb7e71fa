"""Validation mAP and seconds of both methods on the blood cell data set (BCCD), for several seeds.

    python benchmarks/bccd.py FOLDER [--methods modern tutorial] [--seeds 11 12 13] [--workspace DIR]

Each run is a `freezetui train` process: yolov4-tiny from its official COCO weights, 416x416, 20 epochs. The tutorial method
freezes for 5 of them, with Adam and batch sizes 16 and 8. A run takes a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
SETTINGS: dict[str, list[str]] = {
    "modern": ["--preset", "modern-whole", "--set", "unfreeze_epoch=20"],
    "tutorial": [
        "--preset", "tutorial-whole-adam", "--set", "network=yolov4-tiny", "--set", "freeze_epoch=5", "--set", "unfreeze_epoch=20",
        "--set", "freeze_batch_size=16", "--set", "unfreeze_batch_size=8",
    ],
}  # fmt: skip


def main() -> None:
    """Print a line for each run, then the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--methods", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13])
    parser.add_argument("--workspace", type=Path, default=PROJECT)
    arguments = parser.parse_args()
    for method in arguments.methods:
        results = [train(method, seed, arguments.folder, arguments.workspace) for seed in arguments.seeds]
        means = [statistics.mean(values) for values in zip(*results, strict=True)]
        print(f"{method:8} mean     mAP50 {means[0]:.3f}  mAP50-95 {means[1]:.3f}  {means[2]:.0f} s", flush=True)


def train(method: str, seed: int, folder: Path, workspace: Path) -> tuple[float, float, float]:
    """Train in a child process; mAP50 and mAP50-95 after the last epoch, and the seconds of the process."""
    command = ["train", "--json", "--data", str(folder), "--workspace", str(workspace), "--set", f"seed={seed}"]
    started = time.monotonic()
    child = subprocess.run(
        [sys.executable, "-P", "-m", "tui", *command, *SETTINGS[method]],
        stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT,
    )  # fmt: skip
    seconds = time.monotonic() - started
    events: list[dict[str, Any]] = [json.loads(line) for line in child.stdout.splitlines()]
    last = [event for event in events if event["event"] == "evaluated"][-1]
    print(
        f"{method:8} seed {seed:3} mAP50 {last['map50']:.3f}  mAP50-95 {last['map50_95']:.3f}  {seconds:.0f} s",
        flush=True,
    )
    return last["map50"], last["map50_95"], seconds


if __name__ == "__main__":
    main()
