"""Both methods on the blood cell set (BCCD): validation mAP and seconds, by seed.

    python benchmarks/bccd.py FOLDER [--methods modern tutorial] [--seeds 11 12 13] [--workspace DIR]

Every run is `freezetui train` in a process of its own, from the official COCO weights of yolov4-tiny at 416x416, 20 epochs.
The tutorial method freezes for 5 of them, with Adam and batches of 16 and 8. Each takes a quarter of an hour on one core.
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
    """Train and print a line for each run, then the means."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--methods", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    arguments.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13])
    arguments.add_argument("--workspace", type=Path, default=PROJECT)
    given = arguments.parse_args()
    for method in given.methods:
        results = [trained(method, seed, given.folder, given.workspace) for seed in given.seeds]
        means = [statistics.mean(values) for values in zip(*results, strict=True)]
        print(f"{method:8} mean     mAP50 {means[0]:.3f}  mAP50-95 {means[1]:.3f}  {means[2]:.0f} s", flush=True)


def trained(method: str, seed: int, folder: Path, workspace: Path) -> tuple[float, float, float]:
    """mAP50 and mAP50-95 after the last epoch, and the seconds of the whole process."""
    words = ["train", "--json", "--data", str(folder), "--workspace", str(workspace), "--set", f"seed={seed}"]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tui", *words, *SETTINGS[method]],
        stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT,
    )  # fmt: skip
    seconds = time.monotonic() - began
    events: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    last = [event for event in events if event["event"] == "evaluated"][-1]
    print(
        f"{method:8} seed {seed:3} mAP50 {last['map50']:.3f}  mAP50-95 {last['map50_95']:.3f}  {seconds:.0f} s",
        flush=True,
    )
    return last["map50"], last["map50_95"], seconds


if __name__ == "__main__":
    main()
