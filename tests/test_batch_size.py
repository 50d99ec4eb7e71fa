"""Batch sizes that fit the free memory, on cards of every size, and settings that help where none fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.hardware import Hardware
from engine.messages import BadInput
from engine.planning.device import choose_device, choose_precision
from engine.planning.memory.batch_size import (
    BatchSizeProblem,
    batch_size_problem,
    does_not_fit_message,
    fit_options,
    largest_fitting,
    suggest_batch_sizes,
)
from engine.planning.memory.budget import CUDA_CONTEXT, Budget
from engine.recipe import make_recipe
from tests.dataset_index import dataset_of
from tests.nvml_stand_in import CHECKOUT, GIB, card, hardware_of, machine

CARD_SIZES = (2, 4, 6, 8, 12, 24, 80)


def problem_on(hardware: Hardware, **settings: Any) -> tuple[BatchSizeProblem, str]:
    """The problem of a training with automatic batch sizes on the best card, and that card."""
    auto = {"freeze_batch_size": "auto", "unfreeze_batch_size": "auto", "device": "cuda"}
    recipe = make_recipe({**auto, **settings})
    device = choose_device(recipe, hardware)
    precision = choose_precision(recipe, device, hardware)
    return batch_size_problem(recipe, dataset_of(4000), device, precision, hardware), device


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_suggestions_grow_with_the_free_memory(library: Path, tmp_path: Path, precision: str) -> None:
    machines = {
        gib * (2 - used_halves) / 2: machine(card(gib=gib, used=gib * GIB * used_halves // 2))
        for gib in CARD_SIZES
        for used_halves in (0, 1)
    }
    free = sorted(machines)
    results = [
        suggest_batch_sizes(problem_on(hardware, network="yolov4", precision=precision)[0])
        for hardware in hardware_of(library, tmp_path, *(machines[gib] for gib in free))
    ]
    largest = [0 if batch_sizes is None else batch_sizes.largest for batch_sizes in results]
    assert largest == sorted(largest)
    assert largest[0] == 0  # yolov4 does not fit into one GiB
    assert largest[-1] > 64
    for batch_sizes in filter(None, results):
        assert 2 <= batch_sizes.unfreeze <= batch_sizes.freeze <= 2 * batch_sizes.unfreeze
        assert batch_sizes.unfreeze <= batch_sizes.largest


def test_where_a_batch_of_two_does_not_fit_each_option_names_its_memory(library: Path, tmp_path: Path) -> None:
    (hardware,) = hardware_of(library, tmp_path, machine(card(gib=4, used=GIB // 16)))
    problem, device = problem_on(hardware, network="yolov4", input_shape=[608, 608], precision="fp32")
    assert suggest_batch_sizes(problem) is None
    text = str(does_not_fit_message(problem, device))
    assert "needs" in text
    assert "GiB are free on cuda:0" in text
    for option in ("precision=bf16 (", "input_shape=[", "freeze_epoch=", "network=yolov4-tiny ("):
        assert option in text


def test_devices_selects_the_card_whose_memory_counts(library: Path, tmp_path: Path) -> None:
    small = card(gib=4, uuid="GPU-22222222-2222-3333-4444-555555555555", speed="1024 1500")
    (hardware,) = hardware_of(library, tmp_path, machine(card(gib=24), small))
    large_problem, large = problem_on(hardware, network="yolov4")
    small_problem, small_device = problem_on(hardware, network="yolov4", devices=[1])
    assert (large, small_device) == ("cuda:0", "cuda:1")
    results = suggest_batch_sizes(large_problem), suggest_batch_sizes(small_problem)
    assert results[0] is not None
    assert results[1] is not None
    assert results[0].largest > results[1].largest


def test_a_card_too_old_for_the_build_and_a_lost_card_are_explained(library: Path, tmp_path: Path) -> None:
    old = machine(card("NVIDIA GeForce GTX 1080", 8, capability="6.1"))
    lost = machine(card(error=["nvmlDeviceGetMemoryInfo 15", "nvmlDeviceGetMemoryInfo_v2 15"]))
    (too_old,) = hardware_of(library, tmp_path, old)
    with pytest.raises(BadInput, match="whl/cu126"):
        problem_on(too_old)
    before, after = hardware_of(library, tmp_path, machine(card()), lost)
    assert suggest_batch_sizes(problem_on(before)[0]) is not None
    with pytest.raises(BadInput, match="no longer answers"):
        problem_on(after)


def problem_with(free: int | None, train_images: int = 400, val_images: int = 40, **settings: Any) -> BatchSizeProblem:
    recipe = make_recipe({"input_shape": [96, 96]} | settings)
    return BatchSizeProblem(recipe, 3, 8, train_images, val_images, "fp32", Budget(free, "cuda"), "bf16")


def test_no_batch_is_larger_than_the_data_set() -> None:
    batch_sizes = suggest_batch_sizes(problem_with(80 * GIB, train_images=5, val_images=1))
    assert batch_sizes is not None
    assert (batch_sizes.freeze, batch_sizes.unfreeze, batch_sizes.largest) == (5, 5, 5)


def test_small_data_sets_get_batch_sizes_that_leave_enough_steps() -> None:
    batch_sizes = suggest_batch_sizes(problem_with(80 * GIB, unfreeze_epoch=20))
    assert batch_sizes is not None
    assert batch_sizes.largest == 400
    assert batch_sizes.unfreeze == 400 * 20 // 400


def test_without_an_unfreeze_stage_the_freeze_stage_decides() -> None:
    both_stages = suggest_batch_sizes(problem_with(GIB + 200 * 2**20))
    freeze_only = suggest_batch_sizes(problem_with(GIB + 200 * 2**20, freeze_epoch=50, unfreeze_epoch=50))
    assert freeze_only is not None
    assert both_stages is None or both_stages.largest < freeze_only.largest


def test_a_smaller_input_is_an_option_from_scratch_too() -> None:
    free = CUDA_CONTEXT + 560 * 2**20
    options = fit_options(
        problem_with(free, network="yolov4-tiny", input_shape=[608, 608], model_path="", freeze_train=False)
    )
    assert any("input_shape" in option.settings for option in options)
    assert not any("freeze_epoch" in option.settings for option in options)


def test_there_may_be_no_option() -> None:
    assert fit_options(problem_with(CUDA_CONTEXT // 2)) == ()


def test_the_search_finds_the_largest_number_that_fits() -> None:
    assert largest_fitting(lambda number: number <= 37, 100) == 37
    assert largest_fitting(lambda _: True, 100) == 100
    assert largest_fitting(lambda _: False, 100) is None
    assert largest_fitting(lambda number: number <= 2, 2) == 2


def test_a_suggestion_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    """That import takes about as long as the import of torch itself."""
    code = """
import sys
from engine.planning.memory.profile import memory_profile
from engine.recipe import make_recipe
memory_profile(make_recipe({"network": "yolov4"}), 3, 40, "cpu", "bf16")
memory_profile(make_recipe({"method": "tutorial", "optimizer_type": "adam", "weight_decay": 0.0}), 3, 40, "cuda", "fp16")
print(*sorted({"torch._dynamo", "sympy"} & set(sys.modules)))
"""
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env=os.environ | {"FREEZETUI_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.stdout, child.stderr) == ("\n", "")
