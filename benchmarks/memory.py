"""Predicted against measured peak of torch's allocator on the CPU, in trainings as they really run.

    python benchmarks/memory.py [--only WORD]

Every line is a training of its own process: two steps of the freeze stage, two of the unfreeze stage, a validation after
each epoch with mAP, checkpoints. Measured with the memory events of PyTorch's profiler, from before the network is built.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))

MIB = 2**20


def configurations() -> Iterator[dict[str, Any]]:
    """Both networks, batch 2 to 8, fp32 and bf16, SGD, Adam and AdamW, running mean on and off, 320 and 416, both methods."""
    tiny = {"network": "yolov4-tiny"}
    for side in (320, 416):
        for batch in (2, 4, 8):
            yield {**tiny, "side": side, "batch": batch, "optimizer_type": "adamw"}
            yield {**tiny, "side": side, "batch": batch, "optimizer_type": "sgd", "ema": False}
    yield {**tiny, "side": 416, "batch": 4, "optimizer_type": "adam"}
    yield {**tiny, "side": 416, "batch": 4, "optimizer_type": "adam", "method": "tutorial"}
    yield {**tiny, "side": 320, "batch": 8, "optimizer_type": "sgd", "method": "tutorial"}
    yield {**tiny, "side": 320, "batch": 3, "optimizer_type": "adamw", "accumulate": 2}
    for batch in (2, 4):
        yield {**tiny, "side": 320, "batch": batch, "optimizer_type": "adamw", "precision": "bf16"}
    yield {**tiny, "side": 416, "batch": 2, "optimizer_type": "sgd", "ema": False, "precision": "bf16"}
    full = {"network": "yolov4"}
    for side in (320, 416):
        yield {**full, "side": side, "batch": 2, "optimizer_type": "adamw"}
        yield {**full, "side": side, "batch": 4, "optimizer_type": "sgd", "ema": False}
    yield {**full, "side": 320, "batch": 8, "optimizer_type": "sgd"}
    yield {**full, "side": 320, "batch": 2, "optimizer_type": "adam", "method": "tutorial"}
    yield {**full, "side": 320, "batch": 2, "optimizer_type": "adamw", "precision": "bf16"}


def main() -> None:
    """Run every configuration and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", default="", help="configurations whose words contain this")
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.one:
        print(json.dumps(measured(json.loads(given.one))))
        return
    print("| configuration | stage | predicted MiB | measured MiB | error |")
    print("| --- | --- | ---: | ---: | ---: |")
    errors: list[float] = []
    count = 0
    for configuration in configurations():
        words = " ".join(
            f"{value}" if key in ("network", "side") else f"{key}={value}" for key, value in configuration.items()
        )
        if given.only not in words:
            continue
        done = subprocess.run(
            [sys.executable, "-P", __file__, "--one", json.dumps(configuration)],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr)
        answer = json.loads(done.stdout.splitlines()[-1])
        for stage, (predicted, seen) in answer["stages"].items():
            errors.append(predicted / seen - 1)
            print(
                f"| {words} | {stage} | {predicted / MIB:.0f} | {seen / MIB:.0f} | {100 * errors[-1]:+.1f} % |",
                flush=True,
            )
        count += 1
    print(
        f"\n{count} configurations, {len(errors)} peaks: errors from {100 * min(errors):+.1f} % to {100 * max(errors):+.1f} %."
    )


def measured(configuration: dict[str, Any]) -> dict[str, Any]:
    """Predicted and measured peaks of one configuration, in this process."""
    from torch.profiler import ProfilerActivity, profile, record_function

    from engine.dataset.formats import open_dataset
    from engine.dataset.sample import SAMPLE_CLASSES, draw_sample
    from engine.events import Finished
    from engine.hardware import probe
    from engine.network.yolov4 import build_network
    from engine.plan import DataSource, StageName
    from engine.planning.resolve import make_plan
    from engine.recipe import make_recipe
    from engine.runner.start import start
    from engine.training.control import Control
    from engine.training.learner import Learner
    from engine.weights.native import info_of, save_weights

    settings = dict(configuration)
    side, batch = settings.pop("side"), settings.pop("batch")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        draw_sample(workspace / "data", max(20, 3 * batch * settings.get("accumulate", 1)))
        network = build_network(settings["network"], len(SAMPLE_CLASSES))
        save_weights(workspace / "start.pth", network, info_of(network, SAMPLE_CLASSES, (side, side)))
        del network
        recipe = make_recipe(
            {
                "model_path": "start.pth", "input_shape": [side, side], "freeze_epoch": 1, "unfreeze_epoch": 2, "eval_period": 1,
                "freeze_batch_size": batch, "unfreeze_batch_size": batch, "precision": "fp32", "num_workers": 2, **settings,
            }
        )  # fmt: skip
        dataset = open_dataset(workspace / "data")
        plan = make_plan(recipe, dataset, DataSource(str(workspace / "data")), probe(workspace), workspace)
        marks: list[str] = []
        enter = Learner.enter

        def marking(learner: Learner, stage: StageName) -> None:
            marks.append(stage)
            with record_function(f"stage {stage}"):
                pass
            enter(learner, stage)

        # A stage begins with the optimizer state that it needs, before the first step.
        Learner.enter = marking  # type: ignore[method-assign]
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled:
            *_before, last = start(plan, Control(), dataset)
        assert isinstance(last, Finished), last
    happened = profiled.profiler.kineto_results.events()
    begins = [e.start_ns() for e in happened if e.name().startswith("stage ")]
    changes = sorted((e.start_ns(), e.nbytes()) for e in happened if e.name() == "[memory]")
    peaks, now = [0] * len(marks), 0
    for moment, size in changes:
        now += size
        reached = sum(begin <= moment for begin in begins) - 1
        if reached >= 0:
            peaks[reached] = max(peaks[reached], now)
    predicted = {stage.name: stage.memory_estimate_bytes - stage.memory_margin_bytes for stage in plan.stages}
    measured = {name: max(peak for mark, peak in zip(marks, peaks, strict=True) if mark == name) for name in predicted}
    return {"stages": {name: (predicted[name], measured[name]) for name in predicted}}


if __name__ == "__main__":
    main()
