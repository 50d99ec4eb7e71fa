"""Predicted and measured peak of torch's allocator on the CPU, in whole trainings.

    python benchmarks/memory.py [--only TEXT]

Each configuration is a training in a process of its own: some steps of the freeze stage, some of the unfreeze stage, a
validation with mAP after each epoch, checkpoints. Measured with the memory events of PyTorch's profiler, from before the network
is built.
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
    """Both networks and methods, batch sizes 2 to 8, fp32 and bf16, SGD, Adam and AdamW, with and without EMA and checkpointing, 320 and 416."""
    tiny = {"network": "yolov4-tiny"}
    for length in (320, 416):
        for batch in (2, 4, 8):
            yield {**tiny, "length": length, "batch": batch, "optimizer_type": "adamw"}
            yield {**tiny, "length": length, "batch": batch, "optimizer_type": "sgd", "ema": False}
    yield {**tiny, "length": 416, "batch": 4, "optimizer_type": "adam"}
    yield {**tiny, "length": 416, "batch": 4, "optimizer_type": "adam", "method": "tutorial"}
    yield {**tiny, "length": 320, "batch": 8, "optimizer_type": "sgd", "method": "tutorial"}
    yield {**tiny, "length": 320, "batch": 3, "optimizer_type": "adamw", "accumulate": 2}
    for batch in (2, 4):
        yield {**tiny, "length": 320, "batch": batch, "optimizer_type": "adamw", "precision": "bf16"}
    yield {**tiny, "length": 416, "batch": 2, "optimizer_type": "sgd", "ema": False, "precision": "bf16"}
    full = {"network": "yolov4"}
    for length in (320, 416):
        yield {**full, "length": length, "batch": 2, "optimizer_type": "adamw"}
        yield {**full, "length": length, "batch": 4, "optimizer_type": "sgd", "ema": False}
    yield {**full, "length": 320, "batch": 8, "optimizer_type": "sgd"}
    yield {**full, "length": 320, "batch": 2, "optimizer_type": "adam", "method": "tutorial"}
    yield {**full, "length": 320, "batch": 2, "optimizer_type": "adamw", "precision": "bf16"}
    for network in (tiny, full):
        for precision in ("fp32", "bf16"):
            settings = {"optimizer_type": "adamw", "precision": precision, "activation_checkpointing": "on"}
            yield {**network, "length": 320, "batch": 4, **settings}


def main() -> None:
    """Run every configuration and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="configurations whose description contains this")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one))))
        return
    print("| configuration | stage | predicted MiB | measured MiB | error |")
    print("| --- | --- | ---: | ---: | ---: |")
    errors: list[float] = []
    count = 0
    for configuration in configurations():
        description = " ".join(
            f"{value}" if key in ("network", "length") else f"{key}={value}" for key, value in configuration.items()
        )
        if arguments.only not in description:
            continue
        child = subprocess.run(
            [sys.executable, "-P", __file__, "--one", json.dumps(configuration)],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )  # fmt: skip
        if child.returncode:
            sys.exit(child.stderr)
        result = json.loads(child.stdout.splitlines()[-1])
        for stage, (predicted, measured) in result["stages"].items():
            errors.append(predicted / measured - 1)
            print(
                f"| {description} | {stage} | {predicted / MIB:.0f} | {measured / MIB:.0f} | {100 * errors[-1]:+.1f} % |",
                flush=True,
            )
        count += 1
    if not errors:
        sys.exit(f"no configuration contains {arguments.only!r}")
    print(
        f"\n{count} configurations, {len(errors)} peaks: errors from {100 * min(errors):+.1f} % to {100 * max(errors):+.1f} %."
    )


def measure(configuration: dict[str, Any]) -> dict[str, Any]:
    """Train one configuration in this process; the predicted and the measured peak of each stage."""
    from torch.profiler import ProfilerActivity, profile, record_function

    from engine.dataset.formats import open_dataset
    from engine.dataset.sample_dataset import SAMPLE_CLASSES, draw_sample_dataset
    from engine.events import Finished
    from engine.hardware import probe
    from engine.network.detector import build_network
    from engine.plan import DataSource, StageName
    from engine.planning.resolve import make_plan
    from engine.recipe import make_recipe
    from engine.runner.start import start
    from engine.training.control import Control
    from engine.training.learner import Learner
    from engine.weights.native import info_of, save_weights

    settings = dict(configuration)
    length, batch = settings.pop("length"), settings.pop("batch")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        draw_sample_dataset(workspace / "data", max(20, 3 * batch * settings.get("accumulate", 1)))
        network = build_network(settings["network"], len(SAMPLE_CLASSES))
        save_weights(workspace / "start.pth", network, info_of(network, SAMPLE_CLASSES, (length, length)))
        del network
        recipe = make_recipe(
            {
                "model_path": "start.pth", "input_shape": [length, length], "freeze_epoch": 1, "unfreeze_epoch": 2, "eval_period": 1,
                "freeze_batch_size": batch, "unfreeze_batch_size": batch, "precision": "fp32", "num_workers": 2, **settings,
            }
        )  # fmt: skip
        dataset = open_dataset(workspace / "data")
        plan = make_plan(recipe, dataset, DataSource(str(workspace / "data")), probe(workspace), workspace)
        entered: list[str] = []
        enter_stage = Learner.enter_stage

        def record_stage(learner: Learner, stage: StageName) -> None:
            entered.append(stage)
            with record_function(f"stage {stage}"):
                pass
            enter_stage(learner, stage)

        # A stage starts with the allocation of its optimizer state, before the first step.
        Learner.enter_stage = record_stage  # type: ignore[method-assign]
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled:
            *_before, last = start(plan, Control(), dataset)
        assert isinstance(last, Finished), last
    events = profiled.profiler.kineto_results.events()
    stage_starts = [event.start_ns() for event in events if event.name().startswith("stage ")]
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    peaks, current = [0] * len(entered), 0
    for time, size in changes:
        current += size
        stage_index = sum(start <= time for start in stage_starts) - 1
        if stage_index >= 0:
            peaks[stage_index] = max(peaks[stage_index], current)
    predicted = {stage.name: stage.memory_estimate_bytes - stage.memory_margin_bytes for stage in plan.stages}
    measured = {
        name: max(peak for stage, peak in zip(entered, peaks, strict=True) if stage == name) for name in predicted
    }
    return {"stages": {name: (predicted[name], measured[name]) for name in predicted}}


if __name__ == "__main__":
    main()
