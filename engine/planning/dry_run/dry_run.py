"""A rehearsal: the first steps of both stages and a validation batch, in a fresh process, before a run begins.

On a GPU it settles what a prediction cannot know (the context, what cuDNN asks for, fragments), so that memory that would run
out at the unfreezing, hours later, runs out now. Everywhere it tells how long a step takes. What it found is remembered for
each device, driver, torch, data set and recipe.
"""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine.dataset.loader import Batch, CachedImages, training_batches
from engine.files import atomic_write
from engine.hardware import Hardware, probe
from engine.network.yolov4 import build_network
from engine.plan import Plan, StagePlan, open_source, plan_from_json
from engine.planning.cache import load_cached, program, store_cached
from engine.planning.memory.batch_size import most_boxes
from engine.planning.memory.budget import CUDA_CONTEXT
from engine.planning.subprocess_call import KILLED, call_subprocess, device_identity, serve_call
from engine.training.control import Control
from engine.training.determinism import exact
from engine.training.learner import Learner
from engine.training.oom import is_out_of_memory
from engine.training.validation import validate

_KIND = "rehearsals"
_TIMEOUT = 900.0
VALIDATED = 2
"""Batches of a validation that are looked at."""
STEPS = 3
"""The first is slower (caches are filled, kernels are chosen) and lacks the optimizer's state; the others are timed."""


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """What a rehearsal found.

    `step_seconds` for each stage that was got to; `validation_seconds` for each image; `save_seconds` for a checkpoint;
    `peak_bytes` of a card for each stage, context included (empty on the processor).
    `out_of_memory` names the stage in which memory ran out.
    """

    step_seconds: Mapping[str, float]
    validation_seconds: float | None
    save_seconds: float | None
    peak_bytes: Mapping[str, int]
    out_of_memory: str | None = None
    failed: str | None = None


def cached_dry_run(plan: Plan, hardware: Hardware) -> DryRunResult | None:
    """What an earlier rehearsal of this very training on this very machine found."""
    answer = load_cached(_KIND, _key(plan, hardware))
    return None if answer is None else _result_from_json(answer)


def rehearse(plan: Plan, hardware: Hardware, stop: threading.Event | None = None) -> DryRunResult:
    """Rehearse `plan`, or recall an earlier rehearsal that went well. Takes some steps' time; `stop` ends it early."""
    known = cached_dry_run(plan, hardware)
    if known is not None:
        return known
    answer = call_subprocess(__name__, plan.to_json(), _TIMEOUT, stop)
    found = _result_from_json(answer)
    if found.failed is None and found.out_of_memory is None:  # what was short of memory may find more another time
        store_cached(_KIND, _key(plan, hardware), answer)
    return found


def _result_from_json(answer: Mapping[str, Any]) -> DryRunResult:
    if answer.get("failed") == KILLED:
        # A kernel that is out of memory kills whoever asks for more.
        return DryRunResult({}, None, None, {}, out_of_memory="start")
    if answer.get("failed") is not None:
        return DryRunResult({}, None, None, {}, failed=str(answer["failed"]))
    return DryRunResult(**answer)


def _key(plan: Plan, hardware: Hardware) -> dict[str, Any]:
    settings = plan.recipe.read_settings()
    kept = (
        *("network", "method", "input_shape", "optimizer_type", "ema", "num_workers", "mosaic", "mosaic_prob", "mixup"),
        *("mixup_prob", "iou_type", "focal_loss", "parallel"),
    )
    return {
        **device_identity(plan.device, hardware),
        **program(),
        **{name: settings[name] for name in kept if name in settings},
        "precision": plan.precision,
        "threads": plan.threads,
        "classes": len(plan.classes),
        "data": plan.data.path,
        "images": dict(plan.images),
        "stages": [[stage.name, stage.batch_size, stage.accumulate] for stage in plan.stages],
    }


def perform(plan: Plan) -> DryRunResult:
    """The rehearsal itself, in the process that asks; the plan's first stages come first, as they will."""
    dataset = open_source(plan.data, plan.recipe.seed)
    device = torch.device(plan.device)
    torch.manual_seed(plan.recipe.seed)
    built: Any = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
    found = DryRunResult({}, None, None, {})
    with exact(plan):
        stage_name = "start"
        try:
            context = _context_bytes(plan)
            moved = built.to(device, memory_format=torch.channels_last)
            learner = Learner(plan.recipe, moved, device, plan.precision, plan.total_steps)
            images = CachedImages(dataset)
            for stage in plan.stages:
                stage_name = stage.name
                found = _dry_run_stage(found, plan, stage, learner, images, context)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            found = replace(found, out_of_memory=stage_name)
        gc.collect()
        if found.out_of_memory is None:
            found = replace(found, save_seconds=_seconds_to_save(learner, Path(plan.workspace)))
    return found


def _dry_run_stage(
    found: DryRunResult, plan: Plan, stage: StagePlan, learner: Learner, images: CachedImages, context: int
) -> DryRunResult:
    """Three whole steps with as many boxes in an image as there will ever be, then a validation batch."""
    recipe = plan.recipe
    learner.enter(stage.name)
    boxes, seconds = most_boxes(images.dataset, plan.recipe), []
    wanted = min(STEPS, stage.steps_per_epoch)
    batches = training_batches(
        images, recipe, epoch=0, batch_size=stage.batch_size, first_image=0, workers=recipe.num_workers
    )
    with closing(batches):
        for step in range(wanted):
            began = time.monotonic()
            group = [_with_boxes(next(batches), boxes) for _ in range(stage.accumulate)]
            learner.step(group, stage.min_lr, step, stop_at_broken=False)[0].item()
            seconds.append(time.monotonic() - began)
    timed = seconds[1:] or seconds
    began = time.monotonic()
    batch = min(one.batch_size for one in plan.stages)
    validate(learner, images, recipe, batch, with_map=True, control=Control(), most_batches=VALIDATED)
    looked_at = min(VALIDATED * batch, len(images.dataset.splits["val"]))
    validation = (time.monotonic() - began) / looked_at if looked_at else None
    return replace(
        found,
        step_seconds={**found.step_seconds, stage.name: sum(timed) / len(timed)},
        validation_seconds=validation,
        peak_bytes=found.peak_bytes
        if learner.device.type != "cuda"
        else {**found.peak_bytes, stage.name: context + torch.cuda.max_memory_reserved(learner.device)},
    )


def _with_boxes(batch: Batch, boxes: int) -> Batch:
    """The batch with its truth padded to so many boxes: every operation then takes the memory that they would."""
    missing = torch.zeros(len(batch.targets), max(0, boxes - batch.targets.shape[1]), 5)
    missing[..., 4] = -1
    return replace(batch, targets=torch.cat((batch.targets, missing), dim=1))


def _context_bytes(plan: Plan) -> int:
    """What a process takes of a card before its first tensor of any size."""
    if not plan.device.startswith("cuda"):
        return 0
    device = torch.device(plan.device)
    card = probe(Path(plan.workspace)).cuda_card(device.index or 0)
    torch.zeros(1, device=device)
    free_now, _ = torch.cuda.mem_get_info(device)
    if card is None or card.memory_free is None:
        return CUDA_CONTEXT
    return max(0, card.memory_free - free_now)


def _seconds_to_save(learner: Learner, workspace: Path) -> float:
    """How long a checkpoint takes on the run's own disk."""
    logs = workspace / "logs"
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=logs if logs.is_dir() else workspace, prefix=".rehearsal") as folder:
        atomic_write(Path(folder) / "checkpoint", lambda file: torch.save(learner.state(), file))
    return time.monotonic() - began


if __name__ == "__main__":
    serve_call(lambda plan: asdict(perform(plan_from_json(plan))))
