"""Whether a long training grows: its memory, open descriptors and threads after every epoch.

    python -m benchmarks.growth [--epochs 80]

What the second epoch needed is the base, since by then each part of an epoch has been executed once. Linux only.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import psutil

from engine.dataset.sample_dataset import draw_sample_dataset
from engine.events import CheckpointSaved
from engine.hardware import probe
from engine.plan import DataSource, open_source
from engine.planning.resolve import make_plan
from engine.recipe import make_recipe
from engine.runner.start import start
from engine.training.control import Control

_IMAGES = 20
_BASE_EPOCH = 2


def measure(workspace: Path, epochs: int) -> list[tuple[float, int, int]]:
    """Resident megabytes, open descriptors and threads after each epoch of a training."""
    draw_sample_dataset(workspace / "data", _IMAGES)
    source = DataSource(str(workspace / "data"))
    dataset = open_source(source)
    settings = {
        "input_shape": [64, 64],
        "freeze_train": False,
        "model_path": "",
        "eval_period": 1,
        "save_period": epochs,
    }
    recipe = make_recipe({**settings, "unfreeze_epoch": epochs, "unfreeze_batch_size": 2, "num_workers": 2})
    plan = make_plan(recipe, dataset, source, probe(workspace), workspace)
    process = psutil.Process()
    return [
        (process.memory_info().rss / 1e6, process.num_fds(), process.num_threads())
        for event in start(plan, Control(), dataset)
        if isinstance(event, CheckpointSaved) and event.epoch > 0 and event.step == 0
    ]


def main() -> None:
    """Print what was measured after the second epoch, in the middle and at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=80)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), options.epochs)
    for epoch in (_BASE_EPOCH, len(measured) // 2, len(measured)):
        memory, descriptors, threads = measured[epoch - 1]
        print(f"after epoch {epoch}: {memory:.0f} MB, {descriptors} descriptors, {threads} threads")


if __name__ == "__main__":
    main()
