"""The sections of `benchmarks/card.py`: each measures one promise, in a process of its own."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.card_bench import MIB, PROJECT, Bench
from benchmarks.card_report import Column, Report, Table
from benchmarks.plain_training import PlainTraining
from engine.events import BatchChanged, Event, Finished, OutOfMemory, RunStarted, StageStarted, Step
from engine.network.detector import build_network
from engine.plan import Plan, StageName, StagePlan
from engine.planning.amp_check import LOSS_TOLERANCE, compare_with_fp32, passes
from engine.planning.dry_run.dry_run import run_steps
from engine.planning.dry_run.preflight import DoesNotFit, preflight
from engine.planning.memory.batch_size import max_boxes
from engine.planning.synthetic import synthetic_batch
from engine.recipe import Recipe
from engine.runner.supervisor import OnOutOfMemory
from engine.runs.folder import LAST_WEIGHTS
from engine.training.control import Control
from engine.training.learner import Learner
from engine.training.oom import release_memory

STAGES: tuple[StageName, ...] = ("freeze", "unfreeze")
UNTIMED_STEPS = 2
"""The first steps of a training select kernels and fill caches."""
NETWORK = Column("network", "network    ")
STAGE = Column("stage", "stage")
PRECISION = Column("precision", "precision")
BATCH = Column("batch", "batch", "d")
IMAGES_PER_SECOND = Column("images_per_second", "images/s", ".1f")


class Section(Protocol):
    """Measures and reports; an error that it does not guard ends it."""

    def __call__(self, bench: Bench, report: Report) -> None:
        """Measure until all is measured or the time is up."""


# Memory


def measure_memory(bench: Bench, report: Report) -> None:
    """Predicted against measured peaks of both stages, in the steps and validations of the engine's dry run."""
    table = report.table(
        NETWORK, PRECISION, STAGE, BATCH,
        Column("predicted_mib", "predicted MiB", ".0f"), Column("measured_mib", "measured MiB", ".0f"),
        Column("error_percent", "error %", "+.1f"), Column("planned_mib", "with margin MiB", ".0f"),
        Column("process_mib", "process MiB", ".0f"), Column("left_percent", "margin left %", "+.1f"),
    )  # fmt: skip
    cases = [
        (network, sizes[pair], precision)
        for pair in range(max(map(len, bench.scale.batch_sizes.values())))
        for network, sizes in bench.scale.batch_sizes.items()
        if pair < len(sizes)
        for precision in bench.scale.precisions
    ]
    for index, (network, (freeze, unfreeze), precision) in enumerate(cases):
        if not bench.has_time():
            report.note(f"no time was left for {len(cases) - index} of {len(cases)} trainings")
            break
        with report.guard(f"memory of {network} {precision} {freeze}/{unfreeze}"):
            plan = bench.plan(
                bench.recipe(
                    network, precision=precision, freeze_batch_size=freeze, unfreeze_batch_size=unfreeze
                )
            )  # fmt: skip
            if (reason := does_not_fit(plan)) is not None:
                report.note(f"not measured: {network} {precision} {freeze}/{unfreeze}: {reason}")
                continue
            for stage, peak in zip(plan.stages, _measure_peaks(bench, plan), strict=True):
                values = _compare_peak(stage, peak)
                table.row(network=network, precision=precision, stage=stage.name, batch=stage.batch_size, **values)
                what = f"{network} {precision} {stage.name} at batch size {stage.batch_size}"
                if (left := values["left_percent"]) is not None and left < 0:
                    report.broken(f"{what} takes more memory than was planned with its margin")
    for network in bench.scale.lengths:
        if "fp16" not in bench.scale.precisions:
            report.note(f"{network} fp16: the engine trains in fp16 on graphics cards only")
    if not bench.is_card:
        report.note("on the processor the margin is for the whole process; only torch's allocator is measured here")


def does_not_fit(plan: Plan) -> str | None:
    """Why a plan is not expected to fit into the free memory; None if it is."""
    for stage in plan.stages:
        need, limit = stage.memory_estimate_bytes, stage.memory_limit_bytes
        if need is not None and limit is not None and need > limit:
            return f"the {stage.name} stage needs {need / MIB:.0f} MiB and {limit / MIB:.0f} MiB are free"
    return None


@dataclass(slots=True)
class Peak:
    """Bytes of one stage; `reserved` and `outside` (the rest of the process) on a card only."""

    allocated: int
    reserved: int | None = None
    outside: int | None = None


def _compare_peak(stage: StagePlan, peak: Peak) -> dict[str, float | None]:
    planned, margin = stage.memory_estimate_bytes, stage.memory_margin_bytes
    values: dict[str, float | None] = {"measured_mib": peak.allocated / MIB, "left_percent": None}
    if peak.reserved is not None:
        values["reserved_mib"] = peak.reserved / MIB
    process = None if peak.reserved is None or peak.outside is None else peak.reserved + peak.outside
    if process is not None:
        values["process_mib"] = process / MIB
    if planned is not None and margin is not None:
        predicted = planned - margin
        values |= {
            "predicted_mib": predicted / MIB,
            "error_percent": 100 * (predicted / peak.allocated - 1),
            "planned_mib": planned / MIB,
        }
        if process is not None:
            values["left_percent"] = 100 * (planned - process) / planned
    return values


def _measure_peaks(bench: Bench, plan: Plan) -> list[Peak]:
    """The peak of each stage of the plan in the engine's dry run, done in this process."""
    release_memory(bench.torch_device)
    peaks = _card_peaks(bench, plan) if bench.is_card else _processor_peaks(bench, plan)
    release_memory(bench.torch_device)
    return peaks


def _card_peaks(bench: Bench, plan: Plan) -> list[Peak]:
    device, peaks = bench.torch_device, list[Peak]()

    def end_stage() -> None:
        allocated, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
        peaks.append(Peak(allocated, reserved, bench.outside_torch()))
        torch.cuda.reset_peak_memory_stats(device)

    torch.cuda.reset_peak_memory_stats(device)
    with _on_stage_start(lambda _stage: end_stage()):
        result = run_steps(plan, bench.dataset)
        end_stage()
    if result.out_of_memory is not None:
        raise RuntimeError(f"memory ran out in the dry run: {result.out_of_memory}")
    return peaks[1:]  # the first is that of moving the network to the card


def _processor_peaks(bench: Bench, plan: Plan) -> list[Peak]:
    def mark(stage: StageName) -> None:
        with record_function(f"stage {stage}"):
            pass

    with (
        _on_stage_start(mark),
        profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled,
    ):
        run_steps(plan, bench.dataset)
    profiler = profiled.profiler
    assert profiler is not None
    assert profiler.kineto_results is not None
    events = profiler.kineto_results.events()
    starts = [event.start_ns() for event in events if event.name().startswith("stage ")]
    peaks, current = [0] * len(starts), 0
    for moment, size in sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"):
        current += size
        if (index := sum(start <= moment for start in starts) - 1) >= 0:
            peaks[index] = max(peaks[index], current)
    return [Peak(peak) for peak in peaks]


@contextmanager
def _on_stage_start(call: Callable[[StageName], None]) -> Iterator[None]:
    """Inside the context `call` is called before a stage allocates the state of its optimizer."""
    enter_stage = Learner.enter_stage

    def call_and_enter(learner: Learner, stage: StageName) -> None:
        call(stage)
        enter_stage(learner, stage)

    with mock.patch.object(Learner, "enter_stage", call_and_enter):
        yield


# 16-bit


def measure_precision(bench: Bench, report: Report) -> None:
    """The engine's own check of each 16-bit format."""
    table = report.table(
        NETWORK, PRECISION, Column("finite", "finite"), Column("loss", "loss", ".4f"),
        Column("fp32_loss", "in fp32", ".4f"), Column("difference_percent", "differs %", ".3f"),
        Column("milliseconds", "ms/step", ".1f"), Column("fp32_milliseconds", "in fp32", ".1f"),
        Column("passes", "passes"),
    )  # fmt: skip
    for network, precision in product(bench.scale.lengths, ("bf16", "fp16")):
        if precision not in bench.scale.precisions:
            report.note(f"{network} {precision}: the engine trains in fp16 on graphics cards only")
            continue
        with report.guard(f"check of {network} in {precision}"):
            result = compare_with_fp32(bench.device, network, precision, bench.scale.check_length)
            difference = abs(result["loss"] / result["fp32_loss"] - 1)
            table.row(
                network=network, precision=precision, finite=result["finite"], loss=result["loss"],
                fp32_loss=result["fp32_loss"], difference_percent=100 * difference,
                milliseconds=500 * result["seconds"], fp32_milliseconds=500 * result["fp32_seconds"],
                passes=passes(result, bench.device),
            )  # fmt: skip
            if not result["finite"] or difference > LOSS_TOLERANCE:
                report.broken(f"{network} does not compute well in {precision}")


# Speed


def measure_speed(bench: Bench, report: Report) -> None:
    """Images per second of each stage: the engine as it is configured by default, its steps alone, and a plain loop."""
    report.note(
        "plain loop, steps alone: one batch that is in memory already; training: with data loader and augmentation"
    )
    table = report.table(
        NETWORK, STAGE, BATCH, Column("what", "what               "), PRECISION, IMAGES_PER_SECOND,
        Column("times_plain", "x plain", ".2f"), Column("data_wait_percent", "data wait %", ".1f"),
    )  # fmt: skip
    pairs = max(map(len, bench.scale.batch_sizes.values()))
    cases = [
        (network, stage, bench.scale.batch_sizes[network][pair][STAGES.index(stage)])
        for pair, network, stage in product(range(pairs), bench.scale.lengths, STAGES)
        if pair < len(bench.scale.batch_sizes.get(network, ()))
    ]
    for index, (network, stage, batch) in enumerate(cases):
        if not bench.has_time():
            report.note(f"no time was left for {len(cases) - index} of {len(cases)} stages and batch sizes")
            break
        _measure_stage_speed(bench, report, table, _one_stage(bench, network, stage, batch), stage, batch)


def _measure_stage_speed(
    bench: Bench, report: Report, table: Table, recipe: Recipe, stage: StageName, batch: int
) -> None:
    row = partial(table.row, network=recipe.network, stage=stage, batch=batch)
    plain: float | None = None
    what = f"{recipe.network} {stage} at batch size {batch}"
    if (reason := does_not_fit(bench.plan(recipe.model_copy(update={"precision": "fp32"})))) is not None:
        report.note(f"not measured: {what}: {reason}")
        return
    with report.guard(f"plain speed of {what}"):
        plain = _plain_speed(bench, recipe, stage, batch)
        row(what="plain loop", precision="fp32", images_per_second=plain)
    with report.guard(f"speed of the training of {what}"):
        plan = bench.plan(recipe, bench.long_dataset)
        speed, wait = _training_speed(bench, plan)
        row(
            what="engine, training", precision=plan.precision, images_per_second=speed,
            times_plain=plain and speed / plain, data_wait_percent=100 * wait,
        )  # fmt: skip
    for precision in bench.scale.precisions:
        if bench.is_late:
            report.note(f"no time was left for the engine's steps alone in {precision}")
            continue
        with report.guard(f"speed of {what} in {precision}"):
            speed = _learner_speed(bench, recipe, stage, batch, precision)
            row(
                what="engine, steps alone", precision=precision, images_per_second=speed,
                times_plain=plain and speed / plain,
            )  # fmt: skip


def _one_stage(bench: Bench, network: str, stage: StageName, batch: int) -> Recipe:
    """The recipe of a training that has only this stage, without validation of mAP."""
    epochs = 1000
    settings = {"freeze_epoch": epochs} if stage == "freeze" else {"freeze_train": False}
    return bench.recipe(
        network, unfreeze_epoch=epochs, freeze_batch_size=batch, unfreeze_batch_size=batch, eval_period=epochs,
        save_period=epochs, **settings,
    )  # fmt: skip


def _plain_speed(bench: Bench, recipe: Recipe, stage: StageName, batch: int) -> float:
    classes, boxes = len(bench.dataset.classes), max_boxes(bench.dataset, recipe)
    training = PlainTraining(recipe, bench.torch_device, stage, batch, boxes, classes)
    speed = batch / bench.step_seconds(training.step)
    del training
    release_memory(bench.torch_device)
    return speed


def _learner_speed(bench: Bench, recipe: Recipe, stage: StageName, batch: int, precision: str) -> float:
    """The engine's optimizer step on a batch in host memory, as its data loader would pass it."""
    classes, boxes = len(bench.dataset.classes), max_boxes(bench.dataset, recipe)
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network, classes, anchors=recipe.anchors).move_to(bench.torch_device)
    learner = Learner(recipe, network, bench.torch_device, precision, 1000)
    learner.enter_stage(stage)
    batches = [synthetic_batch(batch, recipe.input_shape, boxes, classes)]
    step = partial(learner.step, batches, 1e-4, 1, check_loss=not bench.is_card)
    speed = batch / bench.step_seconds(step)
    del learner, network, step
    release_memory(bench.torch_device)
    return speed


def _training_speed(bench: Bench, plan: Plan) -> tuple[float, float]:
    """Images per second in the steps of a training, and the part of their time that they waited for images."""
    control, steps, batch, seconds, waited = Control(), 0, plan.stages[0].batch_size, 0.0, 0.0
    for event in bench.train(plan, control, dataset=bench.long_dataset):
        if not isinstance(event, Step):
            continue
        steps += 1
        if steps > UNTIMED_STEPS:
            seconds += batch / event.images_per_second
            waited += event.data_wait * batch / event.images_per_second
        is_enough = steps >= bench.scale.timed_steps + UNTIMED_STEPS and seconds >= 2 * bench.scale.timed_seconds
        if is_enough or (steps > UNTIMED_STEPS and bench.is_late):
            control.stop()
    return batch * (steps - UNTIMED_STEPS) / seconds, waited / seconds


# Out of memory


def measure_out_of_memory(bench: Bench, report: Report) -> None:
    """Memory that really runs out: before a training, in one, and what the engine makes of it."""
    table = report.table(Column("check", "check" + 45 * " "), Column("holds", "holds"), Column("found", "found"))

    def check(what: str, holds: bool, found: object) -> None:
        table.row(check=what, holds=holds, found=str(found))
        if not holds:
            report.broken(f"{what}: {found}")

    recipe = bench.recipe(
        freeze_train=False, unfreeze_epoch=1, unfreeze_batch_size=bench.scale.oom_batch_size, precision="fp32",
        input_shape=[bench.scale.oom_length] * 2, num_workers=4 if bench.is_card else 0, eval_period=1000, mosaic=bench.is_card,
    )  # fmt: skip
    plan = bench.plan(recipe)
    room = _too_little(bench, plan.stages[0])
    if not bench.is_card and sys.platform != "linux":
        report.note("address spaces are limited on Linux only, so memory is not made to run out here")
        return
    with report.guard("out of memory in a training"):
        _check_stop(bench, plan, room, check)
    with report.guard("out of memory with --on-oom retry"):
        _check_retry(bench, plan, room, "retry", check)
    if bench.is_card and bench.has_time():
        with report.guard("out of memory in the dry run"):
            _check_dry_run(bench, plan, room, check)
    if bench.has_time():
        with report.guard("out of memory with --on-oom accumulate"):
            _check_retry(bench, plan, room, "accumulate", check)


Check = Callable[[str, bool, object], None]


def _too_little(bench: Bench, stage: StagePlan) -> int:
    """Bytes in which the batch does not fit, but half of it or a quarter does."""
    if not bench.is_card:
        return 240 * 10**6
    planned, margin = stage.memory_estimate_bytes, stage.memory_margin_bytes
    assert planned is not None
    assert margin is not None
    return (planned - margin) // 2


def _check_stop(bench: Bench, plan: Plan, room: int, check: Check) -> None:
    release_memory(bench.torch_device)
    before = bench.allocated()
    with ExitStack() as shortage:
        events = list(_short_from_first_step(bench, bench.train(plan, Control()), room, shortage))
        started, last = events[0], events[-1]
        assert isinstance(started, RunStarted)
        is_event = isinstance(last, OutOfMemory)
        check("running out is an event of the run", is_event, last.event_name())
        if not isinstance(last, OutOfMemory):
            return
        check("the event has a sentence and a hint", last.hint is not None, f"{last.message} {last.hint}")
        smaller = last.suggested_batch_size
        check("a smaller batch is suggested", (smaller or 99) < last.batch_size, f"{last.batch_size} -> {smaller}")
        after = bench.allocated()
        if before is not None and after is not None:
            check("memory is freed", after - before < 64 * MIB, f"{(after - before) / MIB:.0f} MiB more than before")
        if not bench.is_card:
            shortage.close()  # address space that was freed in pieces is not free to the tensors of a checkpoint
        ended = list(bench.resume(Path(started.run), unfreeze_batch_size=smaller))[-1]
        when = "while memory is short" if bench.is_card else "when memory is back"
        check(f"it resumes with that batch {when}", isinstance(ended, Finished), _describe(ended))
    ended = list(bench.train(replace(plan, stages=(replace(plan.stages[0], batch_size=4),)), Control()))[-1]
    check("the same process trains again afterwards", isinstance(ended, Finished), _describe(ended))


def _check_retry(bench: Bench, plan: Plan, room: int, on_out_of_memory: OnOutOfMemory, check: Check) -> None:
    with ExitStack() as shortage:
        events = list(_short_from_first_step(bench, bench.train(plan, Control(), on_out_of_memory), room, shortage))
    ran_out = sum(isinstance(event, OutOfMemory) for event in events)
    sizes = [f"{event.batch_size} x {event.accumulate}" for event in events if isinstance(event, BatchChanged)]
    found = f"ran out {ran_out} times; batches {', '.join(sizes) or 'unchanged'}; {_describe(events[-1])}"
    check(f"--on-oom {on_out_of_memory} trains to the end", bool(ran_out) and isinstance(events[-1], Finished), found)


def _check_dry_run(bench: Bench, plan: Plan, room: int, check: Check) -> None:
    context = bench.outside_torch() or 0
    with bench.short_of_memory(room + context):
        try:
            preflight(plan, bench.dataset, may_lower=False)
        except DoesNotFit as refusal:
            check("the dry run before a training finds it", True, refusal)
        else:
            check("the dry run before a training finds it", False, "the dry run found room")
        lowered = preflight(plan, bench.dataset, may_lower=True)
        found = f"{plan.stages[0].batch_size} -> {lowered.stages[0].batch_size}"
        check("and lowers the batch where it may", lowered.stages[0].batch_size < plan.stages[0].batch_size, found)


def _short_from_first_step(bench: Bench, events: Iterator[Event], room: int, shortage: ExitStack) -> Iterator[Event]:
    """The events; memory gets short after the first step, until `shortage` is closed.

    Not before it: where oneDNN finds no memory for the code of its first kernels, it fails in that thread ever after.
    """
    is_short = False
    for event in events:
        if isinstance(event, Step) and not is_short:
            is_short = True
            release_memory(bench.torch_device)
            shortage.enter_context(bench.short_of_memory(room))
        yield event


def _describe(event: Event) -> str:
    message = getattr(event, "message", None)
    return event.event_name() if message is None else f"{event.event_name()}: {message}"


# Resume


@dataclass(slots=True)
class Trained:
    """What a training ended with, and the loss of each of its steps."""

    weights: Mapping[str, Tensor]
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0


def measure_resume(bench: Bench, report: Report) -> None:
    """A training that is stopped in the middle of an epoch and resumed, compared with one that is not; and two that are not.

    On a card sums are added up in any order by default, so that two equal trainings differ. The second pair of rows is with
    torch's deterministic algorithms.
    """
    table = report.table(
        Column("algorithms", "algorithms   "), Column("compared", "compared with the first run"),
        Column("bit_exact", "bit-exact"), Column("first_step", "first other step", "d"),
        Column("loss_difference", "losses differ", ".1e"), Column("weight_difference", "weights differ", ".1e"),
        Column("seconds", "seconds", ".1f"),
    )  # fmt: skip
    freeze, unfreeze = bench.scale.resume_epochs
    settings: dict[str, Any] = {
        "freeze_epoch": freeze, "unfreeze_epoch": freeze + unfreeze, "eval_period": 1000, "save_period": 1000,
    }  # fmt: skip
    precisions = ("fp32", "auto") if bench.is_card else ("fp32",)
    for algorithms, precision in product(("default", "deterministic"), precisions):
        if algorithms == "deterministic" and not bench.is_card:
            report.note("on the processor the engine uses deterministic algorithms by itself")
            break
        if not bench.has_time():
            report.note(f"no time was left for {algorithms} algorithms in {precision}")
            continue
        with report.guard(f"resume with {algorithms} algorithms in {precision}"), _algorithms(algorithms):
            plan = bench.plan(bench.recipe(precision=precision, **settings))
            name = f"{algorithms} {plan.precision}"
            first = _train_whole(bench, plan)
            for what, train in (("run again", _train_whole), ("stopped and resumed", _train_in_two_parts)):
                other = train(bench, plan)
                values = _compare_trainings(first, other)
                table.row(algorithms=name, compared=what, seconds=other.seconds, **values)
                if what != "run again" and not bench.is_card and not values["bit_exact"]:
                    report.broken("a run that is resumed on the processor is not bit-exact")


@contextmanager
def _algorithms(name: str) -> Iterator[None]:
    if name == "default":
        yield
        return
    before = torch.get_deterministic_debug_mode()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def _train_whole(bench: Bench, plan: Plan) -> Trained:
    return _collect(bench.train(plan, Control()))


def _train_in_two_parts(bench: Bench, plan: Plan) -> Trained:
    """Stop after two thirds of the steps, in the middle of an epoch; then resume."""
    control, run, steps, losses = Control(), Path(), 0, list[float]()
    started = time.perf_counter()
    stop_at = 2 * plan.total_steps // 3
    for event in bench.train(plan, control):
        if isinstance(event, RunStarted):
            run = Path(event.run)
        elif isinstance(event, Step):
            losses.append(event.loss)
            steps += 1
            if steps == stop_at:
                control.stop()
    trained = _collect(bench.resume(run))
    return Trained(trained.weights, losses + trained.losses, time.perf_counter() - started)


def _collect(events: Iterator[Event]) -> Trained:
    losses, last = list[float](), None
    started = time.perf_counter()
    for last in events:
        if isinstance(last, Step):
            losses.append(last.loss)
    if not isinstance(last, Finished):
        raise TypeError(f"the training did not finish: {'' if last is None else _describe(last)}")
    content = torch.load(Path(last.run) / LAST_WEIGHTS, weights_only=True, map_location="cpu")
    return Trained(content["state"], losses, time.perf_counter() - started)


def _compare_trainings(one: Trained, other: Trained) -> dict[str, bool | int | float | None]:
    """Largest relative difference of the losses of a step, and of the weights (of a tensor's norm)."""
    pairs = list(zip(one.losses, other.losses, strict=True))
    weights = [
        ((other.weights[name].double() - tensor.double()).norm() / tensor.double().norm().clamp(min=1e-12)).item()
        for name, tensor in one.weights.items()
        if tensor.is_floating_point()
    ]
    return {
        "bit_exact": all(torch.equal(tensor, other.weights[name]) for name, tensor in one.weights.items()),
        "first_step": next((index + 1 for index, (a, b) in enumerate(pairs) if a != b), None),
        "steps": len(pairs),
        "loss_difference": max(abs(a - b) / abs(a) for a, b in pairs),
        "weight_difference": max(weights),
    }


# Estimates


def measure_estimates(bench: Bench, report: Report) -> None:
    """Seconds and memory that the dry run foretells, against the training that follows."""
    table = report.table(
        NETWORK, PRECISION, STAGE, Column("epochs", "epochs", "d"), Column("estimated_seconds", "estimated s", ".1f"),
        Column("real_seconds", "real s", ".1f"), Column("error_percent", "error %", "+.0f"),
        Column("estimated_mib", "estimated MiB", ".0f"), Column("process_mib", "process MiB", ".0f"),
        Column("dry_run_seconds", "dry run took s", ".1f"),
    )  # fmt: skip
    freeze, unfreeze = bench.scale.estimate_epochs
    for network in bench.scale.whole_trainings:
        if not bench.has_time():
            report.note(f"no time was left for {network}")
            continue
        with report.guard(f"estimates of {network}"):
            plan = bench.plan(bench.recipe(network, freeze_epoch=freeze, unfreeze_epoch=freeze + unfreeze))
            started = time.perf_counter()
            plan = preflight(plan, bench.dataset, may_lower=False)
            took = time.perf_counter() - started
            real = _real_stages(bench, plan)
            for stage in plan.stages:
                seconds, process = real[stage.name]
                estimate, memory = stage.seconds_estimate, stage.memory_estimate_bytes
                table.row(
                    network=network, precision=plan.precision, stage=stage.name, epochs=stage.epochs,
                    estimated_seconds=estimate, real_seconds=seconds,
                    error_percent=None if estimate is None else 100 * (estimate / seconds - 1),
                    estimated_mib=None if memory is None else memory / MIB,
                    process_mib=None if process is None else process / MIB, dry_run_seconds=took,
                )  # fmt: skip
                if estimate is None:
                    report.broken(f"the dry run gave no estimate for the {stage.name} stage of {network}")
                if memory is not None and process is not None and process > memory:
                    report.broken(f"{network} {stage.name} takes more memory than the dry run foretold")


def _real_stages(bench: Bench, plan: Plan) -> dict[StageName, tuple[float, int | None]]:
    """Seconds of each stage, validation and files included, and the most memory that the process held in it."""
    release_memory(bench.torch_device)
    measured: dict[StageName, tuple[float, int | None]] = {}
    stage: StageName | None = None
    started = time.perf_counter()

    def end_stage() -> None:
        if stage is None:
            return
        outside = bench.outside_torch()
        peak = None if outside is None else outside + torch.cuda.max_memory_reserved(bench.torch_device)
        measured[stage] = time.perf_counter() - started, peak

    for event in bench.train(plan, Control()):
        if isinstance(event, StageStarted):
            end_stage()
            stage, started = event.stage, time.perf_counter()
            if bench.is_card:
                torch.cuda.reset_peak_memory_stats(bench.torch_device)
        elif isinstance(event, Finished):
            end_stage()
    return measured


# DDP


def measure_ddp(bench: Bench, report: Report) -> None:
    """What torch's DistributedDataParallel costs with one process, where there is nothing to exchange."""
    from torch import distributed

    report.note(
        "a training of one process has no DDP; measured: torch's DDP around the plain loop's network (see benchmarks/parallel.py)"
    )
    table = report.table(
        NETWORK, PRECISION, BATCH, Column("plain", "images/s alone", ".1f"), Column("ddp", "with DDP", ".1f"),
        Column("cost_percent", "cost %", "+.1f"), Column("memory_mib", "more MiB", ".0f"),
    )  # fmt: skip
    backend = "nccl" if bench.is_card else "gloo"
    meeting_point = (bench.workspace / "ddp").absolute().as_uri()
    distributed.init_process_group(backend, init_method=meeting_point, rank=0, world_size=1)
    try:
        for network in bench.scale.whole_trainings:
            for precision in bench.scale.precisions[:2]:
                if not bench.has_time():
                    report.note(f"no time was left for {network} {precision}")
                    continue
                with report.guard(f"DDP of {network} {precision}"):
                    batch = bench.scale.batch_sizes[network][-1][1]
                    recipe = _one_stage(bench, network, "unfreeze", batch)
                    alone, alone_bytes = _wrapped_speed(bench, recipe, batch, precision, lambda module: module)
                    ddp, ddp_bytes = _wrapped_speed(bench, recipe, batch, precision, _in_ddp)
                    more = None if ddp_bytes is None or alone_bytes is None else (ddp_bytes - alone_bytes) / MIB
                    table.row(
                        network=network, precision=precision, batch=batch, plain=alone, ddp=ddp,
                        cost_percent=100 * (alone / ddp - 1), memory_mib=more, backend=backend,
                    )  # fmt: skip
    finally:
        distributed.destroy_process_group()


def _in_ddp(module: nn.Module) -> nn.Module:
    device = next(module.parameters()).device
    return nn.parallel.DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)


def _wrapped_speed(
    bench: Bench, recipe: Recipe, batch: int, precision: str, wrap: Callable[[nn.Module], nn.Module]
) -> tuple[float, int | None]:
    """Images per second, and on a card the peak of allocated bytes."""
    classes, boxes = len(bench.dataset.classes), max_boxes(bench.dataset, recipe)
    if bench.is_card:
        torch.cuda.reset_peak_memory_stats(bench.torch_device)
    training = PlainTraining(recipe, bench.torch_device, "unfreeze", batch, boxes, classes, precision, wrap)
    speed = batch / bench.step_seconds(training.step)
    peak = torch.cuda.max_memory_allocated(bench.torch_device) if bench.is_card else None
    del training
    release_memory(bench.torch_device)
    return speed, peak


# The live screen


def measure_screen(bench: Bench, report: Report) -> None:
    """What the Train screen takes from a training: `benchmarks/live_screen.py` on this device."""
    if os.name == "nt":
        report.note("benchmarks/live_screen.py needs Linux or macOS")
        return
    turn = 3.0
    # Four starts of a training, then pairs of turns.
    pairs = max(2, min(12, int((bench.deadline - time.monotonic() - 50) / (2 * turn)) // 2 * 2)) if bench.is_card else 2
    index, visible = bench.torch_device.index or 0, os.environ.get("CUDA_VISIBLE_DEVICES")
    card = "" if not bench.is_card else visible.split(",")[index] if visible else str(index)
    result = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks.live_screen", *f"--pairs {pairs} --turn {turn} --key-runs 0".split()],
        cwd=PROJECT, env={**os.environ, "CUDA_VISIBLE_DEVICES": card}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        raise RuntimeError(f"benchmarks.live_screen ended with {result.returncode}: {result.stdout[-2000:]}")
    table = report.table(
        STAGE, Column("headless_milliseconds", "ms/step without", ".1f"), Column("live_milliseconds", "with screen", ".1f"),
        Column("speed_ratio", "speed ratio", ".3f"), Column("pairs", "pairs", "d"),
    )  # fmt: skip
    lines = re.findall(r"(\w+): a step takes ([\d.]+) ms headless, ([\d.]+) ms live; ratios ([\d. ]+)", result.stdout)
    if not lines:
        raise RuntimeError(f"benchmarks.live_screen printed no figures: {result.stdout[-2000:]}")
    for stage, headless, live, ratios in lines:
        values = [float(ratio) for ratio in ratios.split()]
        table.row(
            stage=stage, headless_milliseconds=float(headless), live_milliseconds=float(live),
            speed_ratio=statistics.median(values), pairs=len(values),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A section: its title and its part of the time."""

    title: str
    measure: Section
    share: float


SECTIONS: Mapping[str, Entry] = {
    "memory": Entry("Memory: predicted and measured peak of each stage", measure_memory, 75),
    "precision": Entry("16-bit: the engine's own check", measure_precision, 25),
    "speed": Entry("Speed: images per second", measure_speed, 105),
    "oom": Entry("Out of memory", measure_out_of_memory, 75),
    "resume": Entry("Resume: stopped and resumed against uninterrupted", measure_resume, 60),
    "estimates": Entry("Estimates: the dry run against the training", measure_estimates, 60),
    "ddp": Entry("DDP with one process", measure_ddp, 25),
    "screen": Entry("The live screen", measure_screen, 55),
}
"""In the order of their importance."""
