"""What the NVIDIA driver reports of cards, healthy and broken: a sentence for every problem, and no zero for unknown values."""

from __future__ import annotations

import ctypes.util
import os
from pathlib import Path

import psutil
import pytest

from tests.nvml_stand_in import (
    GIB,
    SMALL_AND_LARGE,
    card,
    codes,
    machine,
    snapshots,
)

DYNAMIC = ("memory_free", "memory_used", "processes", "utilisation", "temperature", "power")


@pytest.mark.parametrize("half_occupied", [False, True])
def test_memory_of_cards_of_every_size(library: Path, tmp_path: Path, half_occupied: bool) -> None:
    sizes = (2, 4, 6, 8, 12, 24, 80)
    states = [machine(card(gib=gib, used=gib * GIB // 2 if half_occupied else 0)) for gib in sizes]
    for gib, snapshot in zip(sizes, snapshots(library, tmp_path, *states), strict=True):
        (only,) = snapshot["cards"]
        free = gib * GIB // 2 if half_occupied else gib * GIB
        assert (only["memory_total"], only["memory_free"], only["memory_used"]) == (gib * GIB, free, gib * GIB - free)
        assert only["usable"]
        assert only["cuda_index"] == 0
        assert snapshot["sentences"] == []


def test_everything_that_a_healthy_card_reports(library: Path, tmp_path: Path) -> None:
    (snapshot,) = snapshots(library, tmp_path, machine(card()))
    assert snapshot["driver"] == {"version": "580.95.05", "cuda": "13.0", "problem": None, "notes": []}
    (only,) = snapshot["cards"]
    assert only == {
        "number": 0,
        "name": "NVIDIA GeForce RTX 3060",
        "uuid": "GPU-11111111-2222-3333-4444-555555555555",
        "cuda_index": 0,
        "memory_total": 12 * GIB,
        "memory_free": 12 * GIB,
        "memory_used": 0,
        "processes": [],
        "utilisation": 37,
        "temperature": 61,
        "power": 115.25,
        "capability": "8.6",
        "lost": False,
        "problem": None,
        "notes": [],
        "usable": True,
    }


def test_programs_that_use_the_card_include_the_desktop_and_ended_ones(library: Path, tmp_path: Path) -> None:
    own, ended = os.getpid(), 2**22 + 1  # larger than any process number of Linux
    state = machine(card(used=6 * GIB, compute=[f"{own} {5 * GIB}", f"{ended} {GIB}"], graphics=[f"{os.getppid()} -1"]))
    (snapshot,) = snapshots(library, tmp_path, state)
    assert snapshot["cards"][0]["processes"] == [
        {"pid": own, "name": psutil.Process(own).name(), "memory": 5 * GIB, "graphics": False},
        {"pid": ended, "name": None, "memory": GIB, "graphics": False},
        {"pid": os.getppid(), "name": psutil.Process(os.getppid()).name(), "memory": None, "graphics": True},
    ]


def test_a_program_that_computes_and_draws_is_listed_once(library: Path, tmp_path: Path) -> None:
    state = machine(card(compute=f"{os.getpid()} {3 * GIB}", graphics=f"{os.getpid()} {GIB}"))
    (snapshot,) = snapshots(library, tmp_path, state)
    (process,) = snapshot["cards"][0]["processes"]
    assert (process["memory"], process["graphics"]) == (3 * GIB, True)


def test_older_drivers_are_queried_with_the_older_function(library: Path, tmp_path: Path) -> None:
    missing = [f"nvmlDeviceGet{kind}RunningProcesses_v3 13" for kind in ("Compute", "Graphics")]
    (snapshot,) = snapshots(library, tmp_path, machine(card(compute=f"{os.getpid()} {GIB}"), errors=missing))
    assert [process["memory"] for process in snapshot["cards"][0]["processes"]] == [GIB]
    assert snapshot["sentences"] == []


def test_a_card_in_mig_mode_says_that_the_figures_are_those_of_the_whole_card(library: Path, tmp_path: Path) -> None:
    whole, slice_chosen = (
        snapshots(library, tmp_path, machine(card(sliced=1)), environment=environment)[0]
        for environment in ({}, {"CUDA_VISIBLE_DEVICES": "MIG-11111111/1/0"})
    )
    assert codes(whole) == {"hardware.sliced"}
    assert whole["cards"][0]["usable"]
    assert "hardware.slices_chosen" in codes(slice_chosen)
    assert not slice_chosen["cards"][0]["usable"]


@pytest.mark.parametrize(
    "function",
    ["HandleByIndex_v2", "UUID", "MemoryInfo", "UtilizationRates", "PowerUsage", "ComputeRunningProcesses_v3"],
)
def test_a_card_lost_between_two_snapshots(library: Path, tmp_path: Path, function: str) -> None:
    healthy = machine(*SMALL_AND_LARGE)
    broken = machine(SMALL_AND_LARGE[0] + f"\nerror nvmlDeviceGet{function} 15", SMALL_AND_LARGE[1])
    before, lost, after = snapshots(library, tmp_path, healthy, broken, healthy)
    small, large = lost["cards"]
    assert small["lost"]
    assert not small["usable"]
    assert small["problem"]["code"] == "hardware.card_lost"
    for lasting in ("name", "uuid", "memory_total", "capability"):
        assert small[lasting] == before["cards"][0][lasting]
    assert {key: small[key] for key in DYNAMIC} == dict.fromkeys(DYNAMIC)
    assert large == before["cards"][1]
    assert (after["driver"], after["cards"]) == (before["driver"], before["cards"])


def test_a_card_that_vanishes_from_the_count_is_listed_as_lost(library: Path, tmp_path: Path) -> None:
    for left, gone in ((0, 1), (1, 0)):
        _, snapshot = snapshots(library, tmp_path, machine(*SMALL_AND_LARGE), machine(SMALL_AND_LARGE[left]))
        names = ["NVIDIA GeForce GTX 1650", "NVIDIA GeForce RTX 4090"]
        assert [(entry["name"], entry["lost"]) for entry in snapshot["cards"]] == [
            (names[left], False),
            (names[gone], True),
        ]
        assert snapshot["cards"][0]["cuda_index"] == 0


def test_a_driver_that_stops_and_starts_again(library: Path, tmp_path: Path) -> None:
    healthy, stopped = machine(card()), machine(card(), errors=["nvmlDeviceGetCount_v2 1", "nvmlInitWithFlags 9"])
    before, first, second, after = snapshots(library, tmp_path, healthy, stopped, stopped, healthy)
    assert first["driver"]["problem"]["code"] == "hardware.driver_failed"
    assert second["driver"]["problem"]["code"] == "hardware.driver_not_loaded"
    assert [entry["lost"] for entry in (*first["cards"], *second["cards"])] == [True, True]
    assert (after["driver"], after["cards"]) == (before["driver"], before["cards"])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (4, "hardware.driver_no_permission"),
        (9, "hardware.driver_not_loaded"),
        (18, "hardware.driver_updated"),
        (999, "hardware.driver_failed"),
    ],
)
def test_a_driver_that_cannot_be_used_is_reported(library: Path, tmp_path: Path, code: int, expected: str) -> None:
    (snapshot,) = snapshots(library, tmp_path, machine(card(), errors=[f"nvmlInitWithFlags {code}"]))
    assert snapshot["driver"]["problem"]["code"] == expected
    assert snapshot["cards"] == []


@pytest.fixture
def no_driver(tmp_path: Path) -> Path:
    """A folder without a driver; if this machine has one, with an empty file that takes its place and cannot be loaded."""
    folder = tmp_path / "no driver"
    folder.mkdir()
    if ctypes.util.find_library("nvidia-ml"):
        (folder / "libnvidia-ml.so.1").touch()
    return folder


def test_a_machine_without_a_driver(no_driver: Path, tmp_path: Path) -> None:
    (snapshot,) = snapshots(no_driver, tmp_path, machine())
    assert snapshot["driver"]["problem"]["code"] in {"hardware.no_driver", "hardware.card_without_driver"}
    assert snapshot["cards"] == []
    assert len(snapshot["sentences"]) == 1


def test_values_that_cannot_be_read_are_unknown_and_reported_once_for_each_reason(
    library: Path, tmp_path: Path
) -> None:
    refused = [
        "nvmlDeviceGetPowerUsage 3",
        "nvmlDeviceGetTemperature 3",
        "nvmlDeviceGetUtilizationRates 3",
        "nvmlDeviceGetComputeRunningProcesses_v3 4",
    ]
    (snapshot,) = snapshots(library, tmp_path, machine(card(), errors=refused))
    (only,) = snapshot["cards"]
    assert [only[key] for key in ("power", "temperature", "utilisation", "processes")] == [None] * 4
    assert only["usable"]
    assert snapshot["sentences"] == [
        "NVIDIA GeForce RTX 3060 does not report the programs that use it (no permission).",
        "NVIDIA GeForce RTX 3060 does not report its utilisation, its temperature, its power (not supported by this card).",
    ]


def test_memory_of_a_card_that_shares_the_machines_memory_is_unknown_not_zero(library: Path, tmp_path: Path) -> None:
    (snapshot,) = snapshots(library, tmp_path, machine(card(total=0)))
    assert [snapshot["cards"][0][key] for key in ("memory_total", "memory_free", "memory_used")] == [None] * 3


FUNCTIONS = (
    "nvmlInitWithFlags", "nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion", "nvmlDeviceGetCount_v2",
    "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTemperature", "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
)  # fmt: skip
ERRORS = (*range(1, 31), 999)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_error_of_every_function_is_a_sentence(library: Path, tmp_path: Path, function: str) -> None:
    states = [machine(card(), errors=[f"{function} {code}"]) for code in ERRORS]
    first = [] if function == "nvmlInitWithFlags" else [machine(card(), errors=[f"{function} 3"])]
    for snapshot in snapshots(library, tmp_path, *first, *states):
        answered_otherwise = function.endswith("_v3") and snapshot["cards"][0]["processes"] == []
        known_from_before = function in {"nvmlDeviceGetName", "nvmlDeviceGetCudaComputeCapability"}
        assert snapshot["sentences"] or answered_otherwise or known_from_before
        for sentence in snapshot["sentences"]:
            assert sentence[0].isupper()
            assert sentence.endswith(".")
        for entry in snapshot["cards"]:
            assert entry["memory_total"] in {None, 12 * GIB}
            assert entry["temperature"] in {None, 61}
            assert entry["power"] in {None, 115.25}
