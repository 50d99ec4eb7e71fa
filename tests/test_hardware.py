"""What the probe reports, of healthy machines and of broken ones: a sentence for every problem, and no zero for unknown values."""

from __future__ import annotations

import ctypes.util
import dataclasses
import json
import mmap
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.hardware import (
    Card,
    Driver,
    Hardware,
    Memory,
    Processor,
    TorchBuild,
    probe,
    process_memory_bytes,
    read_torch_build,
)
from engine.hardware.cgroups import read_cgroup_limits
from engine.hardware.cuda_order import CardIdentity, cuda_order
from engine.hardware.machine import free_disk, has_nvidia_card, read_memory, read_processor
from engine.hardware.torch_build import incompatibility
from engine.messages import Message
from tests.dataset_on_disk import write_voc
from tests.nvml_stand_in import CHECKOUT, CU126, CU130, GIB, build_nvml, card, machine, snapshots

OTHER = "GPU-99999999-2222-3333-4444-555555555555"
SMALL_AND_LARGE = (
    card("NVIDIA GeForce GTX 1650", 4, capability="7.5", speed="896 1665"),
    card("NVIDIA GeForce RTX 4090", 24, uuid=OTHER, capability="8.9", speed="16384 2520"),
)
DYNAMIC = ("memory_free", "memory_used", "processes", "utilisation", "temperature", "power")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_nvml(tmp_path_factory.mktemp("nvml"))


def codes(snapshot: Mapping[str, Any]) -> set[str]:
    """The codes of all sentences of a snapshot."""
    messages = [snapshot["driver"]["problem"], *snapshot["driver"]["notes"], *snapshot["notes"]]
    for entry in snapshot["cards"]:
        messages += [entry["problem"], *entry["notes"]]
    return {message["code"] for message in messages if message is not None}


# Cards that answer


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


# CUDA's numbers of the cards


def order(snapshot: Mapping[str, Any]) -> list[int | None]:
    return [entry["cuda_index"] for entry in snapshot["cards"]]


@pytest.mark.parametrize(
    ("environment", "expected", "known"),
    [
        ({}, [1, 0], False),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, [0, 1], True),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1,0"}, [1, 0], True),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}, [None, 0], True),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [0, None], False),
        ({"CUDA_VISIBLE_DEVICES": "GPU-9999"}, [None, 0], True),
        ({"CUDA_VISIBLE_DEVICES": "GPU-9999,GPU-1111"}, [1, 0], True),
        ({"CUDA_VISIBLE_DEVICES": ""}, [None, None], True),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, [None, None], True),
    ],
)
def test_two_different_cards_get_the_numbers_that_cuda_gives_them(
    library: Path, tmp_path: Path, environment: dict[str, str], expected: list[int | None], known: bool
) -> None:
    (snapshot,) = snapshots(library, tmp_path, machine(*SMALL_AND_LARGE), environment=environment)
    assert order(snapshot) == expected
    assert snapshot["cuda_order_known"] is known
    assert ("hardware.order_estimated" in codes(snapshot)) is not known
    for entry in snapshot["cards"]:
        hidden = entry["cuda_index"] is None
        assert entry["usable"] is not hidden
        assert (entry["problem"] is not None and entry["problem"]["code"] == "hardware.card_hidden") is hidden


@pytest.mark.parametrize("visible_devices", ["0,1,2", "2,0", "1", "0,2,-1,1", "1,1", "0,5,1", "0,5,5", " 2 , 1", "1gpu2,2ampere", "x",
                                    "", "+1", "3", "GPU-a", "GPU-b1,GPU-a", "GPU-b", "GPU-a,GPU-a", "GPU-a,0", "GPU-c,GPU-zz"])  # fmt: skip
def test_visible_devices_are_parsed_as_torch_parses_them(visible_devices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    uuids = ["GPU-a1", "GPU-b1", "GPU-b2", "GPU-c1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible_devices)
    expected = torch.cuda._parse_visible_devices()
    if expected and isinstance(expected[0], str):
        expected = torch.cuda._transform_uuid_to_ordinals(expected, uuids)
    expected = expected[: next((place for place, number in enumerate(expected) if number >= len(uuids)), None)]
    alike = [CardIdentity("NVIDIA A100", uuid, 1) for uuid in uuids]
    assert list(cuda_order(alike, {"CUDA_VISIBLE_DEVICES": visible_devices}).numbers) == expected


# The card to train on


def graphics_card(index: int | None, free: int | None, **values: Any) -> Card:
    return Card(index or 0, f"card {index}", cuda_index=index, memory_free=free, **values)


def machine_with(*cards: Card) -> Hardware:
    return Hardware(Processor("any", 1), Memory(1, 1), None, TorchBuild("2.14.1"), cards=cards)


TOO_OLD = Message("hardware.card_too_old", "too old")


@pytest.mark.parametrize(
    ("cards", "devices", "best"),
    [
        ((), (), None),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB), graphics_card(2, 4 * GIB)), (), 1),
        ((graphics_card(1, 8 * GIB), graphics_card(0, 8 * GIB)), (), 0),
        ((graphics_card(0, None), graphics_card(1, 0)), (), 1),
        ((graphics_card(0, None), graphics_card(1, None)), (), 0),
        ((graphics_card(0, 24 * GIB, problem=TOO_OLD), graphics_card(1, 2 * GIB)), (), 1),
        ((graphics_card(0, 24 * GIB, problem=TOO_OLD),), (), None),
        ((graphics_card(None, 24 * GIB),), (), None),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB)), (0,), 0),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB)), (0, 1), 0),
        ((graphics_card(0, 2 * GIB), graphics_card(1, 8 * GIB, problem=TOO_OLD)), (1,), None),
        ((graphics_card(0, 2 * GIB),), (3,), None),
    ],
)
def test_the_usable_card_with_the_most_free_memory_trains_unless_another_is_named(
    cards: tuple[Card, ...], devices: tuple[int, ...], best: int | None
) -> None:
    card = machine_with(*cards).best_card(devices)
    assert (None if card is None else card.cuda_index) == best


def test_the_best_card_follows_the_free_memory(library: Path, tmp_path: Path) -> None:
    small, large = SMALL_AND_LARGE
    large_in_use = card("NVIDIA GeForce RTX 4090", 24, uuid=OTHER, used=22 * GIB, capability="8.9", speed="16384 2520")
    states = [machine(small, large), machine(small, large_in_use), machine(small), machine()]
    names = [snapshot["best"] for snapshot in snapshots(library, tmp_path, *states)]
    assert names == ["NVIDIA GeForce RTX 4090", "NVIDIA GeForce GTX 1650", "NVIDIA GeForce GTX 1650", None]


# Cards that stop answering


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


# What torch can use


def test_a_card_that_is_too_old_for_the_build_gets_the_command(library: Path, tmp_path: Path) -> None:
    pascal = machine(card("NVIDIA GeForce GTX 1080 Ti", 11, capability="6.1"))
    (refused,) = snapshots(library, tmp_path, pascal, build=CU130)
    (accepted,) = snapshots(library, tmp_path, pascal, build=CU126)
    assert not refused["cards"][0]["usable"]
    assert refused["sentences"] == [
        "NVIDIA GeForce GTX 1080 Ti has compute capability 6.1, and the installed torch 2.14.1+cu130 needs 7.5 or higher "
        '(it would fail with "no kernel image"); run: pip install "torch==2.14.1+cu126" "torchvision==0.29.1+cu126" '
        "--index-url https://download.pytorch.org/whl/cu126"
    ]
    assert accepted["cards"][0]["usable"]


TURING_UP = tuple(map(tuple, CU130["architectures"]))
BUILD = TorchBuild("2.14.1+cu130", "13.0", None, "0.29.1", TURING_UP)
OLD_BUILD = TorchBuild("2.14.1+cu126", "12.6", None, "0.29.1", tuple(map(tuple, CU126["architectures"])))
CPU_BUILD = TorchBuild("2.14.1+cpu", torchvision="0.29.1+cpu")


@pytest.mark.parametrize(
    ("capability", "build", "driver", "code", "says"),
    [
        ((8, 6), CPU_BUILD, (13, 0), "build_without_cuda", '"torch==2.14.1+cu130" "torchvision==0.29.1+cu130"'),
        ((8, 6), CPU_BUILD, (12, 4), "build_without_cuda", "whl/cu126"),
        ((6, 1), CPU_BUILD, (13, 0), "build_without_cuda", "whl/cu126"),
        ((12, 0), CPU_BUILD, (12, 8), "build_without_cuda", "to 580 or newer, then run: pip install"),
        ((8, 6), CPU_BUILD, (11, 4), "build_without_cuda", "to 525 or newer, then run: pip install"),
        ((3, 5), CPU_BUILD, (11, 4), "build_without_cuda", "device=cpu"),
        ((8, 6), TorchBuild("2.14.1", hip="7.0"), (13, 0), "build_without_cuda", "for AMD cards"),
        ((8, 6), TorchBuild(None), (13, 0), "no_torch", "pip install torch torchvision --index-url"),
        ((7, 0), BUILD, (13, 0), "card_too_old", "whl/cu126"),
        ((12, 0), OLD_BUILD, (13, 0), "card_too_new", "whl/cu130"),
        ((8, 6), BUILD, (12, 2), "driver_too_old", "update the driver to 580 or newer, or run: pip install"),
        ((12, 0), BUILD, (12, 8), "driver_too_old", "update the driver to 580 or newer."),
    ],
)
def test_why_torch_cannot_use_a_card_and_how_to_fix_that(
    capability: tuple[int, int], build: TorchBuild, driver: tuple[int, int], code: str, says: str
) -> None:
    problem = incompatibility(Card(0, "the card", capability=capability), build, Driver("550.1", driver))
    assert problem is not None
    assert problem.code == f"hardware.{code}"
    assert says in str(problem)


@pytest.mark.parametrize(
    ("capability", "build", "driver"),
    [
        ((7, 5), BUILD, (13, 0)),
        ((8, 9), BUILD, (13, 2)),
        ((12, 1), BUILD, (13, 0)),
        ((6, 1), OLD_BUILD, (12, 2)),
        ((9, 0), OLD_BUILD, (13, 0)),
        (None, BUILD, (13, 0)),
        ((8, 6), BUILD, None),
        ((6, 1), TorchBuild("2.14.1+mine", "13.0"), (13, 0)),
        ((13, 0), dataclasses.replace(BUILD, portable_from=(12, 0)), (13, 2)),
    ],
)
def test_a_card_without_a_known_reason_is_usable(
    capability: tuple[int, int] | None, build: TorchBuild, driver: tuple[int, int] | None
) -> None:
    assert incompatibility(Card(0, "the card", capability=capability), build, Driver("550.1", driver)) is None


def test_the_build_that_is_read_is_the_one_that_torch_reports() -> None:
    import torch

    build = read_torch_build()
    assert (build.version, build.cuda, build.hip) == (torch.__version__, torch.version.cuda, torch.version.hip)
    assert build.mps == torch.backends.mps.is_available()
    codes = [name.removeprefix("sm_").rstrip("a") for name in torch.cuda.get_arch_list() if name.startswith("sm_")]
    if codes:
        assert build.architectures == tuple(sorted((int(code[:-1]), int(code[-1])) for code in codes))


# Processor, memory, disk


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


GROUPS_2 = {
    "proc/self/cgroup": "0::/user.slice/job.scope\n",
    "sys/fs/cgroup/user.slice/memory.max": f"{4 * GIB}\n",
    "sys/fs/cgroup/user.slice/memory.current": f"{3 * GIB}\n",
    "sys/fs/cgroup/user.slice/memory.stat": f"anon {GIB}\ninactive_file {GIB}\nactive_file 5\n",
    "sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/user.slice/job.scope/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/job.scope/memory.current": f"{GIB}\n",
    "sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000\n",
}
GROUPS_1 = {
    "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",  # the container's own group is the mount's top
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"cache 1\ntotal_inactive_file {GIB // 2}\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
}
BOTH = {
    "proc/self/cgroup": "4:memory:/job\n0::/job\n",
    "sys/fs/cgroup/unified/job/cpu.max": "200000 100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{GIB}\n",
    "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{2 * GIB}\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (GROUPS_2, (4 * GIB, 2 * GIB, 1.5)),
        (GROUPS_2 | {"sys/fs/cgroup/user.slice/job.scope/memory.max": f"{GIB + 5}\n"}, (GIB + 5, 5, 1.5)),
        (GROUPS_1, (2 * GIB, GIB + GIB // 2, 0.5)),
        (BOTH, (GIB, 0, 2.0)),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, (None, None, None)),
        ({"proc/self/cgroup": "0::/../../etc\n", "sys/fs/cgroup/memory.max": "5\n"}, (None, None, None)),
        ({"proc/self/cgroup": "nonsense\n"}, (None, None, None)),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "\n", "sys/fs/cgroup/cpu.max": "1 0"}, (None,) * 3),
        ({}, (None, None, None)),
    ],
    ids=["version 2", "narrower inside", "version 1", "both", "no limit", "outside", "nonsense", "empty", "nothing"],
)
def test_limits_of_control_groups(
    tmp_path: Path, files: dict[str, str], expected: tuple[int | None, int | None, float | None]
) -> None:
    limits = read_cgroup_limits(write(tmp_path, files))
    assert (limits.memory, limits.memory_left, limits.processors) == expected


def test_a_containers_memory_limit_counts_unless_it_is_larger_than_the_machine(tmp_path: Path) -> None:
    total = psutil.virtual_memory().total
    top = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.current": "0\n"}
    narrow = read_memory(write(tmp_path / "a", top | {"sys/fs/cgroup/memory.max": f"{GIB // 4}\n"}))
    wide = read_memory(write(tmp_path / "b", top | {"sys/fs/cgroup/memory.max": f"{total + GIB}\n"}))
    assert narrow == Memory(GIB // 4, GIB // 4, limited=True)
    assert (wide.total, wide.limited) == (total, False)
    assert 0 < wide.available <= total


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux machine."""
    monkeypatch.setattr(sys, "platform", "linux")


ALLOWED = (0, 1, 4, 5)


def siblings(*groups: str) -> dict[str, str]:
    """Linux's files that list the hyperthreads of each allowed processor."""
    numbers = zip(ALLOWED, groups, strict=True)
    return {f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{group}\n" for n, group in numbers}


@pytest.mark.usefixtures("linux")
def test_hyperthreads_are_not_cores_and_a_cpu_quota_limits_the_cores(tmp_path: Path) -> None:
    apart, pairs = siblings("0", "1", "4", "5"), siblings("0,4", "1,5", "0,4", "1,5")
    assert read_processor(write(tmp_path / "a", apart), ALLOWED).cores == 4
    assert read_processor(write(tmp_path / "b", pairs), ALLOWED).cores == 2
    assert read_processor(write(tmp_path / "c", apart | GROUPS_1), ALLOWED).cores == 1


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: Fast One\ncpuid level\t: 32\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\n", (True, True)),
        ("model name\t: Old One\ncpuid level\t: 13\nflags\t\t: fpu sse2\n", (False, False)),
        ("Features\t: fp asimd bf16\n", (False, False)),
        ("processor\t: 0\n", (None, None)),
    ],
)
def test_the_flags_that_make_bf16_fast(tmp_path: Path, text: str, expected: tuple[bool | None, bool | None]) -> None:
    processor = read_processor(write(tmp_path, {"proc/cpuinfo": text}))
    assert (processor.amx_bf16, processor.avx512_bf16) == expected
    assert processor.name == ("Fast One" if "Fast" in text else "Old One" if "Old" in text else processor.name) != ""


def test_the_disk_of_a_workspace_that_does_not_exist_yet(tmp_path: Path) -> None:
    free = free_disk(tmp_path / "not" / "yet")
    assert free is not None
    assert abs(free - psutil.disk_usage(str(tmp_path)).free) < GIB


def test_a_card_without_a_driver_is_found_on_the_bus(tmp_path: Path) -> None:
    def bus(root: Path, maker: str, kind: str) -> Path:
        device = "sys/bus/pci/devices/0000_01_00.0/"
        return write(root, {device + "vendor": maker + "\n", device + "class": kind + "\n"})

    assert has_nvidia_card(bus(tmp_path / "card", "0x10de", "0x030000"))
    assert not has_nvidia_card(bus(tmp_path / "sound", "0x10de", "0x040300"))
    assert not has_nvidia_card(bus(tmp_path / "other", "0x8086", "0x030000"))
    if not ctypes.util.find_library("nvidia-ml"):
        snapshot = probe(tmp_path, root=tmp_path / "card")
        assert snapshot.driver.problem is not None
        assert snapshot.driver.problem.code == "hardware.card_without_driver"


def test_the_memory_of_this_process_grows_with_its_objects() -> None:
    before = process_memory_bytes()
    # Straight from the operating system: an allocator may hand out memory that the process holds already.
    with mmap.mmap(-1, 64 * 2**20) as held:
        held.write(b"x" * len(held))
        assert process_memory_bytes() - before > 48 * 2**20


# The snapshot and the command


def test_a_snapshot_is_immutable_and_becomes_json(tmp_path: Path) -> None:
    snapshot = probe(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        snapshot.disk_free = 0  # type: ignore[misc]
    assert json.loads(json.dumps(snapshot.to_json())) == snapshot.to_json()


def test_importing_the_probe_imports_no_torch() -> None:
    code = (
        "import sys, engine.hardware; print([name for name in sys.modules if name.split('.')[0] in ('torch', 'cv2')])"
    )
    child = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def command(library: Path, tmp_path: Path, state: str, name: str, *options: str) -> str:
    """What a command of freezetui prints on the machine `state`."""
    machine_file = tmp_path / "machine.txt"
    machine_file.write_text(state)
    own = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    child = subprocess.run(
        [sys.executable, "-m", "tui", name, "--workspace", str(tmp_path), *options],
        cwd=CHECKOUT,
        env=own | {"NVML_STAND_IN": str(machine_file), "LD_LIBRARY_PATH": str(library), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, "")
    return child.stdout


def test_the_command_shows_cards_users_and_sentences(library: Path, tmp_path: Path) -> None:
    large = card(gib=12, used=3 * GIB, compute=f"{os.getpid()} {3 * GIB}", error="nvmlDeviceGetPowerUsage 3")
    text = command(library, tmp_path, machine(large), "probe")
    assert "9.0 GiB of 12.0 GiB" in text
    assert f"{psutil.Process().name()} 3.0 GiB" in text
    assert "NVIDIA GeForce RTX 3060 does not report its power (not supported by this card)." in text
    assert "None" not in text


def test_the_command_prints_json_and_nothing_else(library: Path, tmp_path: Path) -> None:
    snapshot = json.loads(command(library, tmp_path, machine(card()), "probe", "--json"))
    assert [entry["name"] for entry in snapshot["cards"]] == ["NVIDIA GeForce RTX 3060"]


def test_a_cards_name_reaches_the_terminal_as_text_only(library: Path, tmp_path: Path) -> None:
    text = command(
        library, tmp_path, machine(card("[red]evil[/red]\x1b[2J", error="nvmlDeviceGetPowerUsage 3")), "probe"
    )
    assert "[red]evil[/red]" in text
    assert "\x1b" not in text


def test_the_command_plans_on_the_best_card(library: Path, tmp_path: Path) -> None:
    small, _large = SMALL_AND_LARGE
    large_in_use = card("NVIDIA GeForce RTX 4090", 24, uuid=OTHER, used=22 * GIB, capability="8.9", speed="16384 2520")
    data = write_voc(tmp_path / "data", train=8, val=2)
    settings = ["precision=fp32", "input_shape=[96, 96]", "model_path=", "freeze_train=false", "unfreeze_batch_size=2"]
    options = [
        "--data",
        str(data),
        "--json",
        "--no-dry-run",
        *(word for setting in settings for word in ("--set", setting)),
    ]
    plan = json.loads(command(library, tmp_path, machine(small, large_in_use), "plan", *options))
    assert plan["device"] == "cuda:1", "CUDA lists the faster card, which is in use, first"
    plan = json.loads(
        command(library, tmp_path, machine(small, large_in_use), "plan", *options, "--set", "devices=[0]")
    )
    assert plan["device"] == "cuda:0"
