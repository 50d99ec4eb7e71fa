"""Predicted memory against what torch's allocator really gave out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from engine.hardware import probe
from engine.hardware.process_info import ProcessInfo, current_process_info, kill_reason
from engine.network.yolov4 import build_network
from engine.planning import amp_check as amp_check
from engine.planning.amp_check import compare, passes
from engine.planning.cache import load_cached, store_cached
from engine.planning.device import usable_amp_dtype
from engine.planning.memory.profile import memory_profile
from engine.planning.synthetic import synthetic_batch
from engine.recipe import make_recipe
from engine.training.learner import Learner

SIDE, CLASSES, BOXES = 160, 3, 8


def real_peak(settings: dict[str, Any], stage: Any, batch: int, precision: str, validated: int = 0) -> int:
    """The allocator's peak in two steps of a stage and a validation batch, all that a training holds included."""
    recipe = make_recipe({"input_shape": [SIDE, SIDE], **settings})
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled:
        network: Any = build_network(recipe.network, CLASSES).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        learner = Learner(recipe, network, torch.device("cpu"), precision, 1000)
        learner.enter(stage)
        example = synthetic_batch(batch, (SIDE, SIDE), BOXES, CLASSES)
        for step in range(2):
            learner.step([example], 1e-3, step, stop_at_broken=False)
        if validated:
            learner.evaluated.eval()
            with torch.inference_mode():
                learner.predict(synthetic_batch(validated, (SIDE, SIDE), BOXES, CLASSES).images)
    changes = sorted(
        (event.start_ns(), event.nbytes())
        for event in profiled.profiler.kineto_results.events()  # type: ignore[union-attr]
        if event.name() == "[memory]"
    )
    now = highest = 0
    for _, size in changes:
        now += size
        highest = max(highest, now)
    return highest


@pytest.mark.parametrize(
    ("stage", "batch", "precision", "settings"),
    [
        ("unfreeze", 2, "fp32", {}),
        ("unfreeze", 6, "fp32", {"optimizer_type": "sgd", "ema": False}),
        ("freeze", 8, "fp32", {}),
        ("unfreeze", 4, "fp32", {"method": "tutorial", "network": "yolov4-tiny"}),
        ("unfreeze", 2, "bf16", {}),
    ],
)
def test_the_peak_of_a_step_is_foretold(stage: Any, batch: int, precision: str, settings: dict[str, Any]) -> None:
    recipe = make_recipe({"input_shape": [SIDE, SIDE], **settings})
    profiled = memory_profile(recipe, CLASSES, BOXES, "cpu", precision)
    predicted = max(always + each * batch for always, each in profiled.steps[stage])
    # Rather a little too high than too low; at real sizes the error is smaller (benchmarks/memory.py).
    assert -0.01 <= predicted / real_peak(settings, stage, batch, precision) - 1 <= 0.05


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_peak_of_a_validation_is_foretold(precision: str) -> None:
    settings = {"input_shape": [SIDE, SIDE], "ema": False}
    foretold = memory_profile(make_recipe(settings), CLASSES, BOXES, "cpu", precision)
    predicted = foretold.peak("freeze", 2, 32)
    assert predicted > foretold.peak("freeze", 2, 2)
    assert -0.01 <= predicted / real_peak(settings, "freeze", 2, precision, validated=32) - 1 <= 0.05


def test_what_memory_does_not_hang_on_asks_no_new_prediction() -> None:
    one = memory_profile(make_recipe({"input_shape": [SIDE, SIDE], "seed": 1}), CLASSES, BOXES, "cpu", "fp32")
    other = memory_profile(make_recipe({"input_shape": [SIDE, SIDE], "seed": 2}), CLASSES, BOXES - 1, "cpu", "fp32")
    assert one is other


def test_frozen_takes_less_and_a_larger_batch_more() -> None:
    found = memory_profile(make_recipe({"input_shape": [SIDE, SIDE]}), CLASSES, BOXES, "cpu", "fp32")
    for batch in (2, 8, 32):
        assert found.peak("freeze", batch, batch) < found.peak("unfreeze", batch, batch)
        assert found.peak("unfreeze", batch, batch) < found.peak("unfreeze", 2 * batch, batch)


def test_ddp_adds_its_buckets() -> None:
    plain = memory_profile(make_recipe({"input_shape": [SIDE, SIDE]}), CLASSES, BOXES, "cuda", "fp32")
    several = memory_profile(
        make_recipe({"input_shape": [SIDE, SIDE], "parallel": "ddp"}), CLASSES, BOXES, "cuda", "fp32"
    )
    parameters = sum(4 * one.numel() for one in build_network("yolov4-tiny", CLASSES).parameters())
    assert several.peak("unfreeze", 4, 4) - plain.peak("unfreeze", 4, 4) == parameters


def test_what_is_remembered_is_there_and_a_broken_file_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path / "cache"))
    assert load_cached("kind", {"a": 1}) is None
    store_cached("kind", {"a": 1}, [1, 2])
    assert load_cached("kind", {"a": 1}) == [1, 2]
    assert load_cached("kind", {"a": 2}) is None
    (tmp_path / "cache" / "kind.json").write_text("{torn")
    assert load_cached("kind", {"a": 1}) is None
    store_cached("kind", {"a": 1}, 3)
    assert load_cached("kind", {"a": 1}) == 3


# 16-bit


def test_a_step_in_bf16_agrees_with_fp32_on_this_processor() -> None:
    answer = compare("cpu", "yolov4-tiny", "bf16", side=64)
    assert answer["finite"]
    assert answer["loss"] == pytest.approx(answer["fp32_loss"], rel=0.05)
    assert answer["loss"] != answer["fp32_loss"]


GOOD = {"finite": True, "loss": 10.1, "fp32_loss": 10.0, "seconds": 1.0, "fp32_seconds": 2.0}


@pytest.mark.parametrize(
    ("change", "device", "good"),
    [
        ({}, "cpu", True),
        ({"finite": False}, "cuda:0", False),
        ({"loss": 12.0}, "cuda:0", False),
        ({"seconds": 3.0}, "cpu", False),
        ({"seconds": 3.0}, "cuda:0", True),
        ({"failed": "killed", "signal": 4}, "cpu", False),
    ],
)
def test_when_16_bit_is_taken(change: dict[str, Any], device: str, good: bool) -> None:
    assert passes({**GOOD, **change}, device) == good


def test_a_self_test_that_was_disturbed_is_forgotten_with_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path))
    monkeypatch.setattr(amp_check, "_UNSETTLED", {})
    hardware = probe(tmp_path)
    for answer, kept in (
        ({"failed": "no answer within 120 s"}, False),
        ({"failed": "ended by signal 4", "signal": 4}, True),
    ):
        monkeypatch.setattr(amp_check, "call_subprocess", lambda *_, answer=answer: answer)
        assert not amp_check.run_amp_check("cpu", hardware, "yolov4-tiny", "bf16")
        assert amp_check.amp_check_failed("cpu", hardware, "yolov4-tiny", "bf16")
        amp_check._UNSETTLED.clear()
        assert amp_check.amp_check_failed("cpu", hardware, "yolov4-tiny", "bf16") == kept


def test_16_bit_that_failed_here_is_not_proposed_as_a_way_to_fit_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEZETUI_CACHE", str(tmp_path))
    hardware = probe(tmp_path)
    hardware = replace(hardware, processor=replace(hardware.processor, amx_bf16=True))
    assert usable_amp_dtype("cpu", hardware, "yolov4-tiny") == "bf16"
    monkeypatch.setattr(amp_check, "call_subprocess", lambda *_: {"failed": "ended by signal 4", "signal": 4})
    amp_check.run_amp_check("cpu", hardware, "yolov4-tiny", "bf16")
    assert usable_amp_dtype("cpu", hardware, "yolov4-tiny") is None
    assert usable_amp_dtype("cpu", hardware, "yolov4") == "bf16"


# What killed a run


def test_what_ended_a_process_that_said_nothing() -> None:
    before = ProcessInfo("boot one", 3)
    assert kill_reason(before, ProcessInfo("boot two", 3)) == "restarted"
    assert kill_reason(before, ProcessInfo("boot one", 4)) == "out_of_memory"
    assert kill_reason(before, before) == "unknown"
    assert kill_reason(ProcessInfo("boot one", None), before) == "unknown"


def test_a_clock_that_was_set_is_no_new_start() -> None:
    before = ProcessInfo("1795610903", None)
    assert kill_reason(before, ProcessInfo("1795610905", None)) == "unknown"
    assert kill_reason(before, ProcessInfo("1795614903", None)) == "restarted"


def test_the_traces_of_this_machine(tmp_path: Path) -> None:
    assert current_process_info() == current_process_info()
    (tmp_path / "proc/sys/kernel/random").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text("abc\n")
    (tmp_path / "proc/vmstat").write_text("nr_free_pages 5\noom_kill 7\n")
    assert current_process_info(tmp_path) == ProcessInfo("abc", 7)
