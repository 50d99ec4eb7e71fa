"""A dry run: the first steps of both stages and some validation batches, in a fresh process, before a run starts.

On a GPU it measures what cannot be predicted (the CUDA context, cuDNN's workspace, fragmentation): memory that would run out
hours later in the unfreeze stage runs out now. On every device it measures the seconds of a step. Results are cached for each
device, driver, torch version, data set and recipe.
"""

from __future__ import annotations

import gc
import logging
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from engine.dataset.index import Dataset
from engine.dataset.index_file import load_index, save_index
from engine.dataset.loader import Batch, CachedImages, Share, training_batches
from engine.files import atomic_write
from engine.hardware import Hardware, probe
from engine.network.detector import build_network
from engine.parallel.group import SINGLE, ProcessGroup
from engine.plan import Plan, StagePlan, plan_from_json
from engine.planning.cache import code_version, load_cached, store_cached
from engine.planning.memory.batch_size import max_boxes
from engine.planning.memory.budget import CUDA_CONTEXT
from engine.planning.subprocess_call import KILLED, SubprocessCall, call_subprocess, device_identity, serve_call
from engine.training.control import Control
from engine.training.determinism import deterministic
from engine.training.learner import Learner
from engine.training.oom import is_out_of_memory
from engine.training.peers import FailureKind, PeerFailure
from engine.training.validation import validate

_log = logging.getLogger(__name__)

_CACHE = "dry_runs"
_TIMEOUT_SECONDS = 900.0
VALIDATION_BATCHES = 2
STEPS = 3
"""The first step is not timed: it fills caches, selects kernels and creates the optimizer state."""
_RELEVANT_SETTINGS = (
    *("network", "method", "input_shape", "optimizer_type", "ema", "num_workers", "mosaic", "mosaic_prob", "mixup"),
    *("mixup_prob", "iou_type", "focal_loss"),
)


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """Measurements of a dry run."""

    step_seconds: Mapping[str, float]
    """Seconds of a step in each stage that was reached."""
    validation_seconds: float | None
    """Seconds for each validation image."""
    save_seconds: float | None
    """Seconds to save a checkpoint."""
    peak_bytes: Mapping[str, int]
    """Peak memory of the card in each stage, CUDA context included; empty on the CPU."""
    out_of_memory: str | None = None
    """The stage in which memory ran out; "start" before the first."""
    failed: str | None = None
    """The reason if it failed for another reason."""
    alone_seconds: Mapping[str, float] = field(default_factory=dict)
    """Where several processes train: seconds of a step in which one of them trains its part alone."""


def cached_dry_run(plan: Plan, hardware: Hardware) -> DryRunResult | None:
    """The cached result for the same training on the same machine, or None."""
    response = load_cached(_CACHE, _key(plan, hardware))
    return None if response is None else _parse_response(response)


def dry_run(
    plan: Plan,
    dataset: Dataset,
    hardware: Hardware,
    stop: threading.Event | None = None,
    call: SubprocessCall = call_subprocess,
) -> DryRunResult:
    """Run `plan` dry in a child process, unless there is a cached result. Takes as long as some steps; `stop` ends it early."""
    cached = cached_dry_run(plan, hardware)
    if cached is not None:
        _log.info("dry run: a stored result is used")
        return cached
    with tempfile.TemporaryDirectory(prefix="freezetui") as folder:
        index = Path(folder) / "dataset.npz"  # so that the child need not read the labels again
        save_index(dataset, index)
        response = call(__name__, {"plan": plan.to_json(), "dataset": str(index)}, _TIMEOUT_SECONDS, stop)
    result = _parse_response(response)
    _log.info("dry run: %s", result)
    if result.failed is None and result.out_of_memory is None:  # next time there may be more free memory
        store_cached(_CACHE, _key(plan, hardware), response)
    return result


def _parse_response(response: Mapping[str, Any]) -> DryRunResult:
    if response.get("failed") == KILLED:
        # The kernel kills a process when the machine is out of memory.
        return DryRunResult({}, None, None, {}, out_of_memory="start")
    if response.get("failed") is not None:
        return DryRunResult({}, None, None, {}, failed=str(response["failed"]))
    return DryRunResult(**response)


def _key(plan: Plan, hardware: Hardware) -> dict[str, Any]:
    settings = plan.recipe.relevant_settings()
    return {
        **device_identity(plan.device, hardware),
        **code_version(),
        **{name: settings[name] for name in _RELEVANT_SETTINGS if name in settings},
        "precision": plan.precision,
        "activation_checkpointing": plan.activation_checkpointing,
        "threads": plan.threads,
        "classes": len(plan.classes),
        "data": plan.data.path,
        "images": dict(plan.images),
        "stages": [[stage.name, stage.batch_size, stage.accumulate] for stage in plan.stages],
        **({} if plan.batch_parts == 1 else {"parallel": plan.recipe.parallel, "parts": list(plan.devices)}),
    }


def run_steps(plan: Plan, dataset: Dataset, group: ProcessGroup = SINGLE) -> DryRunResult:
    """The dry run in this process, one of `group`: the stages of the plan in order."""
    device = torch.device(plan.device)
    torch.manual_seed(plan.recipe.seed)
    network = build_network(plan.recipe.network, len(plan.classes), anchors=plan.recipe.anchors)
    network.set_activation_checkpointing(plan.activation_checkpointing)
    result = DryRunResult({}, None, None, {})
    with deterministic(plan):
        stage_name = "start"
        try:
            context = _context_bytes(plan)
            several = [torch.device(name) for name in plan.devices] if plan.processes == 1 else []
            learner = Learner(
                plan.recipe, network.move_to(device), device, plan.precision, plan.total_steps, group, several
            )
            images = CachedImages(dataset)
            for stage in plan.stages:
                stage_name = stage.name
                result = _run_stage(result, plan, stage, learner, images, context)
        except Exception as error:
            is_of_another = isinstance(error, PeerFailure) and error.report.kind is FailureKind.OUT_OF_MEMORY
            if not is_of_another and not is_out_of_memory(error):
                raise
            result = replace(result, out_of_memory=stage_name)
        gc.collect()
        if result.out_of_memory is None and group.is_first:
            result = replace(result, save_seconds=_measure_save(learner, Path(plan.workspace)))
    return result


def _run_stage(
    result: DryRunResult, plan: Plan, stage: StagePlan, learner: Learner, images: CachedImages, context: int
) -> DryRunResult:
    """Some steps with the most boxes that an image can have, then some validation batches."""
    recipe = plan.recipe
    learner.enter_stage(stage.name)
    boxes, seconds = max_boxes(images.dataset, recipe), []
    group = learner.group
    batches = training_batches(
        images,
        recipe,
        epoch=0,
        batch_size=stage.batch_size,
        start=0,
        workers=recipe.num_workers,
        share=Share(group.rank, group.world_size),
        pinned=learner.device.type == "cuda",
    )
    with closing(batches):
        for step in range(min(STEPS, stage.steps_per_epoch)):
            started = time.monotonic()
            step_batches = [_pad_boxes(next(batches), boxes) for _ in range(stage.accumulate)]
            learner.step(step_batches, stage.min_lr, step, check_loss=False)[0].item()
            seconds.append(time.monotonic() - started)
    timed = seconds[1:] or seconds
    started = time.monotonic()
    batch_size = min(stage.batch_size for stage in plan.stages) // group.world_size
    validate(learner, images, recipe, batch_size, with_map=True, control=Control(), max_batches=VALIDATION_BATCHES)
    validated = min(VALIDATION_BATCHES * batch_size * group.world_size, len(images.dataset.splits["val"]))
    validation_seconds = (time.monotonic() - started) / validated if validated else None
    return replace(
        result,
        step_seconds={**result.step_seconds, stage.name: sum(timed) / len(timed)},
        validation_seconds=validation_seconds,
        peak_bytes=result.peak_bytes
        if learner.device.type != "cuda"
        else {**result.peak_bytes, stage.name: context + torch.cuda.max_memory_reserved(learner.device)},
    )


def _pad_boxes(batch: Batch, boxes: int) -> Batch:
    """The batch with targets padded to `boxes`, so that every operation takes as much memory as with that many boxes."""
    padding = torch.zeros(len(batch.targets), max(0, boxes - batch.targets.shape[1]), 5)
    padding[..., 4] = -1
    return replace(batch, targets=torch.cat((batch.targets, padding), dim=1))


def _context_bytes(plan: Plan) -> int:
    """Memory of the card that this process takes before its first large tensor."""
    if not plan.device.startswith("cuda"):
        return 0
    device = torch.device(plan.device)
    card = probe(Path(plan.workspace)).cuda_card(device.index or 0)
    torch.zeros(1, device=device)
    free, _ = torch.cuda.mem_get_info(device)
    if card is None or card.memory_free is None:
        return CUDA_CONTEXT
    return max(0, card.memory_free - free)


def _measure_save(learner: Learner, workspace: Path) -> float:
    """Seconds to save a checkpoint on the disk that the run will use."""
    logs = workspace / "logs"
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=logs if logs.is_dir() else workspace, prefix=".dry_run") as folder:
        atomic_write(Path(folder) / "checkpoint", lambda file: torch.save(learner.state(), file))
    return time.monotonic() - started


def answer(request: Mapping[str, Any], group: ProcessGroup = SINGLE) -> dict[str, Any]:
    """In a child process, or in each of several: the dry run that `dry_run` asks for."""
    plan, dataset = plan_from_json(request["plan"]), load_index(Path(request["dataset"]))
    if group.is_single:
        return asdict(run_steps(plan, dataset))
    plan = replace(plan, device=group.device)
    alone = run_steps(plan_of_one_process(plan), dataset) if group.is_first else None
    group.barrier()  # the others would compete for the processor
    result = run_steps(plan, dataset, group)
    peaks = group.all_gather(result.peak_bytes)
    result = replace(result, peak_bytes={name: max(peak.get(name, 0) for peak in peaks) for name in result.peak_bytes})
    return asdict(result if alone is None else replace(result, alone_seconds=alone.step_seconds))


def plan_of_one_process(plan: Plan) -> Plan:
    """The training of one of the processes of `plan` with its part of each batch, as if it trained alone."""
    stages = tuple(replace(stage, batch_size=stage.batch_size // plan.batch_parts) for stage in plan.stages)
    recipe = plan.recipe.model_copy(update={"parallel": "none", "sync_bn": False})
    return replace(plan, recipe=recipe, stages=stages, devices=(), nodes=1)


if __name__ == "__main__":
    serve_call(answer)
