"""Batch sizes that fit what is free, on cards of every size shown by the driver stand-in, and what helps where none fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.planning.memory.batch_size import BatchSizeProblem, fit_options, largest_fitting, suggest_batch_sizes
from engine.planning.memory.budget import CUDA_CONTEXT, Budget
from engine.planning.memory.tracker import PRIME_BATCH, peak, upper_envelope
from engine.recipe import make_recipe
from tests.nvml_stand_in import CHECKOUT, CU130, GIB, built, card, machine

SIZES = (2, 4, 6, 8, 12, 24, 80)

ASKING = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import numpy as np
from engine.hardware import HardwareWatch, TorchBuild
from engine.messages import BadInput
from engine.planning.device import choose_device, choose_precision
from engine.planning.memory.batch_size import does_not_fit_message, batch_size_problem, suggest_batch_sizes
from engine.recipe import make_recipe
from tests.test_resolve import dataset_of
machine, build, settings, *states = sys.argv[1:]
build = {key: tuple(map(tuple, value)) if isinstance(value, list) else value for key, value in json.loads(build).items()}
recipe, answers = make_recipe(json.loads(settings)), []
with HardwareWatch(Path(machine).parent, torch_build=TorchBuild(**build)) as watch:
    for state in states:
        Path(machine).write_text(state)
        hardware = watch.look()
        try:
            device = choose_device(recipe, hardware)
        except BadInput as error:
            answers.append({"refused": str(error)})
            continue
        precision = choose_precision(recipe, device, hardware)
        situation = batch_size_problem(recipe, dataset_of(4000), device, precision, hardware)
        found = suggest_batch_sizes(situation)
        sentence = str(does_not_fit_message(situation, device)) if found is None and len(states) == 1 else ""
        answers.append({"device": device, "precision": precision, "batches": found and asdict(found), "sentence": sentence})
print(json.dumps(answers))
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("nvml"))


def answers(
    library: Path, folder: Path, *states: str, build: dict[str, Any] = CU130, **settings: Any
) -> list[dict[str, Any]]:
    """What is suggested on each of the machines `states`, one after the other, in one process."""
    described = folder / "machine.txt"
    described.write_text(states[0])
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    asked = {"freeze_batch_size": "auto", "unfreeze_batch_size": "auto", "device": "cuda", **settings}
    child = subprocess.run(
        [sys.executable, "-c", ASKING, str(described), json.dumps(build), json.dumps(asked), *states],
        cwd=CHECKOUT,
        env=clean | {"NVML_STAND_IN": str(described), "LD_LIBRARY_PATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    found: list[dict[str, Any]] = json.loads(child.stdout)
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_suggestions_grow_with_the_memory_that_is_free(library: Path, tmp_path: Path, precision: str) -> None:
    states = [machine(card(gib=gib, used=gib * GIB * share // 2)) for gib in SIZES for share in (0, 1)]
    found = answers(library, tmp_path, *states, network="yolov4", precision=precision)
    free = [gib * (2 - share) / 2 for gib in SIZES for share in (0, 1)]
    largest = [0 if one["batches"] is None else one["batches"]["largest"] for one in found]
    in_order = [value for _, value in sorted(zip(free, largest, strict=True))]
    assert in_order == sorted(in_order)
    assert in_order[0] == 0  # one gigabyte holds no YOLOv4
    assert in_order[-1] > 64
    for one in filter(None, (one["batches"] for one in found)):
        assert 2 <= one["unfreeze"] <= one["freeze"] <= 2 * one["unfreeze"]
        assert one["unfreeze"] <= one["largest"]


def test_where_two_do_not_fit_the_ways_out_have_numbers(library: Path, tmp_path: Path) -> None:
    (found,) = answers(
        library,
        tmp_path,
        machine(card(gib=4, used=GIB // 16)),
        network="yolov4",
        input_shape=[608, 608],
        precision="fp32",
    )
    assert found["batches"] is None
    assert "needs" in found["sentence"]
    assert "are free on cuda:0" in found["sentence"]
    for way in ("precision=bf16 (", "input_shape=[", "freeze_epoch=", "network=yolov4-tiny ("):
        assert way in found["sentence"]


def test_two_cards_of_different_size_are_asked_one_by_one(library: Path, tmp_path: Path) -> None:
    small = card(gib=4, uuid="GPU-22222222-2222-3333-4444-555555555555", speed="1024 1500")
    both = machine(card(gib=24), small)
    (first,) = answers(library, tmp_path, both, network="yolov4")
    (second,) = answers(library, tmp_path, both, network="yolov4", devices=[1])
    assert (first["device"], second["device"]) == ("cuda:0", "cuda:1")
    assert first["batches"]["largest"] > second["batches"]["largest"]


def test_a_card_too_old_for_the_build_and_one_that_is_lost_are_sentences(library: Path, tmp_path: Path) -> None:
    old = machine(card("NVIDIA GeForce GTX 1080", 8, capability="6.1"))
    lost = machine(card(error=["nvmlDeviceGetMemoryInfo 15", "nvmlDeviceGetMemoryInfo_v2 15"]))
    whole = machine(card())
    (too_old,) = answers(library, tmp_path, old)
    assert "https://download.pytorch.org/whl/cu126" in too_old["refused"]
    before, after = answers(library, tmp_path, whole, lost)
    assert before["batches"]["unfreeze"] >= 2
    assert "no longer answers" in after["refused"]


def problem(free: int | None, **settings: Any) -> BatchSizeProblem:
    recipe = make_recipe({"input_shape": [96, 96]} | settings)
    return BatchSizeProblem(recipe, 3, 8, 400, 40, "fp32", Budget(free, "cuda"), "bf16")


def test_nothing_is_larger_than_the_data_set() -> None:
    plenty = problem(80 * GIB)
    few = BatchSizeProblem(plenty.recipe, 3, 8, 5, 1, "fp32", plenty.budget, None)
    found = suggest_batch_sizes(few)
    assert found is not None
    assert (found.freeze, found.unfreeze, found.largest) == (5, 5, 5)


def test_small_sets_get_batches_that_leave_enough_steps() -> None:
    found = suggest_batch_sizes(problem(80 * GIB, unfreeze_epoch=20))
    assert found is not None
    assert found.largest == 400
    assert found.unfreeze == 400 * 20 // 400


def test_freezing_only_is_measured_by_the_freeze_stage() -> None:
    everything = suggest_batch_sizes(problem(GIB + 200 * 2**20))
    freeze_only = suggest_batch_sizes(problem(GIB + 200 * 2**20, freeze_epoch=50, unfreeze_epoch=50))
    assert freeze_only is not None
    assert everything is None or everything.largest < freeze_only.largest


def test_a_smaller_input_is_a_way_from_scratch_too() -> None:
    found = fit_options(
        problem(
            CUDA_CONTEXT + 560 * 2**20, network="yolov4-tiny", input_shape=[608, 608], model_path="", freeze_train=False
        )
    )
    assert any("input_shape" in way.settings for way in found)
    assert not any("freeze_epoch" in way.settings for way in found)


def test_no_way_is_said_where_there_is_none() -> None:
    assert fit_options(problem(CUDA_CONTEXT // 2)) == ()


def test_the_search_finds_the_border() -> None:
    assert largest_fitting(lambda batch: batch <= 37, 100) == 37
    assert largest_fitting(lambda _: True, 100) == 100
    assert largest_fitting(lambda _: False, 100) is None
    assert largest_fitting(lambda batch: batch <= 2, 2) == 2


def test_the_envelope_keeps_what_is_highest_for_some_batch() -> None:
    moments = [(100, 1), (10, 5), (90, 1), (50, 3), (0, 4)]
    kept = upper_envelope(moments)
    for batch in range(1, 200):
        assert peak(kept, batch) == max(always + each * batch for always, each in moments)
    assert (90, 1) not in kept
    assert (0, 4) not in kept
    assert PRIME_BATCH == 1009


def test_a_suggestion_does_not_wait_for_torchs_compiler(tmp_path: Path) -> None:
    """Its import takes longer than everything else after torch's own."""
    code = """
import sys
from engine.planning.memory.profile import memory_profile
from engine.recipe import make_recipe
memory_profile(make_recipe({"network": "yolov4"}), 3, 40, "cpu", "bf16")
memory_profile(make_recipe({"method": "tutorial", "optimizer_type": "adam", "weight_decay": 0.0}), 3, 40, "cuda", "fp16")
print(*sorted({"torch._dynamo", "sympy"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env=os.environ | {"FREEZETUI_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("\n", "")
