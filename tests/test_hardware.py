"""What the probe tells, of whole machines and of broken ones: every state a sentence, nothing unknown shown as zero."""

from __future__ import annotations

import ctypes.util
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from nvml_stand_in import CHECKOUT, CU126, CU130, GIB, built, card, looks, machine

from engine.hardware import (
    Card,
    Driver,
    Hardware,
    Memory,
    Processor,
    TorchBuild,
    ask_torch,
    probe,
    process_memory_bytes,
    read_torch_build,
    with_cuda_order,
)
from engine.hardware import machine as machine_module
from engine.hardware.cuda_order import CardIdentity, cuda_order
from engine.hardware.limits import read_limits
from engine.hardware.machine import free_disk, nvidia_card_built_in, read_memory, read_processor
from engine.hardware.torch_build import problem_with

OTHER = "GPU-99999999-2222-3333-4444-555555555555"
SMALL_AND_LARGE = (
    card("NVIDIA GeForce GTX 1650", 4, capability="7.5", speed="896 1665"),
    card("NVIDIA GeForce RTX 4090", 24, uuid=OTHER, capability="8.9", speed="16384 2520"),
)
DYNAMIC = ("memory_free", "memory_used", "processes", "utilisation", "temperature", "power")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("nvml"))


def codes(found: Mapping[str, Any]) -> set[str]:
    """The codes of every sentence of one look."""
    messages = [found["driver"]["problem"], *found["driver"]["notes"], *found["notes"]]
    for one in found["cards"]:
        messages += [one["problem"], *one["notes"]]
    return {message["code"] for message in messages if message is not None}


# Cards that answer


@pytest.mark.parametrize("half_occupied", [False, True])
def test_memory_of_every_size_of_card(library: Path, tmp_path: Path, half_occupied: bool) -> None:
    sizes = (2, 4, 6, 8, 12, 24, 80)
    states = [machine(card(gib=gib, used=gib * GIB // 2 if half_occupied else 0)) for gib in sizes]
    for gib, found in zip(sizes, looks(library, tmp_path, *states), strict=True):
        (only,) = found["cards"]
        free = gib * GIB // 2 if half_occupied else gib * GIB
        assert (only["memory_total"], only["memory_free"], only["memory_used"]) == (gib * GIB, free, gib * GIB - free)
        assert only["usable"]
        assert only["cuda_index"] == 0
        assert found["sentences"] == []


def test_everything_a_healthy_card_tells(library: Path, tmp_path: Path) -> None:
    (found,) = looks(library, tmp_path, machine(card()))
    assert found["driver"] == {"version": "580.95.05", "cuda": "13.0", "problem": None, "notes": []}
    (only,) = found["cards"]
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


def test_who_uses_the_card_with_the_desktop_and_with_programs_that_are_gone(library: Path, tmp_path: Path) -> None:
    me, gone = os.getpid(), 2**22 + 1  # larger than any process number of Linux
    state = machine(card(used=6 * GIB, compute=[f"{me} {5 * GIB}", f"{gone} {GIB}"], graphics=[f"{os.getppid()} -1"]))
    (found,) = looks(library, tmp_path, state)
    assert found["cards"][0]["processes"] == [
        {"pid": me, "name": psutil.Process(me).name(), "memory": 5 * GIB, "graphics": False},
        {"pid": gone, "name": None, "memory": GIB, "graphics": False},
        {"pid": os.getppid(), "name": psutil.Process(os.getppid()).name(), "memory": None, "graphics": True},
    ]


def test_a_program_that_computes_and_draws_is_listed_once(library: Path, tmp_path: Path) -> None:
    state = machine(card(compute=f"{os.getpid()} {3 * GIB}", graphics=f"{os.getpid()} {GIB}"))
    (found,) = looks(library, tmp_path, state)
    (process,) = found["cards"][0]["processes"]
    assert (process["memory"], process["graphics"]) == (3 * GIB, True)


def test_older_drivers_are_asked_for_programs_in_the_older_way(library: Path, tmp_path: Path) -> None:
    missing = [f"nvmlDeviceGet{kind}RunningProcesses_v3 13" for kind in ("Compute", "Graphics")]
    (found,) = looks(library, tmp_path, machine(card(compute=f"{os.getpid()} {GIB}"), errors=missing))
    assert [process["memory"] for process in found["cards"][0]["processes"]] == [GIB]
    assert found["sentences"] == []


def test_a_sliced_card_says_that_the_figures_are_of_the_whole(library: Path, tmp_path: Path) -> None:
    whole, slice_chosen = (
        looks(library, tmp_path, machine(card(sliced=1)), environment=environment)[0]
        for environment in ({}, {"CUDA_VISIBLE_DEVICES": "MIG-11111111/1/0"})
    )
    assert codes(whole) == {"hardware.sliced"}
    assert whole["cards"][0]["usable"]
    assert "hardware.slices_chosen" in codes(slice_chosen)
    assert not slice_chosen["cards"][0]["usable"]


# Torch's numbers for the cards


def order(found: Mapping[str, Any]) -> list[int | None]:
    return [one["cuda_index"] for one in found["cards"]]


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
def test_two_different_cards_get_torchs_numbers(
    library: Path, tmp_path: Path, environment: dict[str, str], expected: list[int | None], known: bool
) -> None:
    (found,) = looks(library, tmp_path, machine(*SMALL_AND_LARGE), environment=environment)
    assert order(found) == expected
    assert found["cuda_order_known"] is known
    assert ("hardware.order_estimated" in codes(found)) is not known
    for one in found["cards"]:
        hidden = one["cuda_index"] is None
        assert one["usable"] is not hidden
        assert (one["problem"] is not None and one["problem"]["code"] == "hardware.card_hidden") is hidden


@pytest.mark.parametrize("chosen", ["0,1,2", "2,0", "1", "0,2,-1,1", "1,1", "0,5,1", "0,5,5", " 2 , 1", "1gpu2,2ampere", "x",
                                    "", "+1", "3", "GPU-a", "GPU-b1,GPU-a", "GPU-b", "GPU-a,GPU-a", "GPU-a,0", "GPU-c,GPU-zz"])  # fmt: skip
def test_chosen_cards_are_read_as_torch_reads_them(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    uuids = ["GPU-a1", "GPU-b1", "GPU-b2", "GPU-c1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    expected = torch.cuda._parse_visible_devices()
    if expected and isinstance(expected[0], str):
        expected = torch.cuda._transform_uuid_to_ordinals(expected, uuids)
    expected = expected[: next((place for place, number in enumerate(expected) if number >= len(uuids)), None)]
    alike = [CardIdentity("NVIDIA A100", uuid, 1) for uuid in uuids]
    assert list(cuda_order(alike, {"CUDA_VISIBLE_DEVICES": chosen}).numbers) == expected


def test_torchs_own_uuids_settle_the_order() -> None:
    cards = tuple(Card(number, "card", uuid=f"GPU-{number}", cuda_index=number) for number in range(3))
    hardware = Hardware(Processor("any", 1), Memory(1, 1), None, TorchBuild("2.14.1"), Driver(), cards, False)
    settled = with_cuda_order(hardware, ("2", "0"))
    assert [one.cuda_index for one in settled.cards] == [1, None, 0]
    assert settled.cuda_order_known
    assert settled.cuda_card(0) == settled.cards[2]
    assert [one.number for one in settled.usable_cards] == [2, 0]


# Cards that stop answering


@pytest.mark.parametrize(
    "function",
    ["HandleByIndex_v2", "UUID", "MemoryInfo", "UtilizationRates", "PowerUsage", "ComputeRunningProcesses_v3"],
)
def test_a_card_lost_between_two_looks(library: Path, tmp_path: Path, function: str) -> None:
    healthy = machine(*SMALL_AND_LARGE)
    broken = machine(SMALL_AND_LARGE[0] + f"\nerror nvmlDeviceGet{function} 15", SMALL_AND_LARGE[1])
    before, lost, after = looks(library, tmp_path, healthy, broken, healthy)
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
        _, found = looks(library, tmp_path, machine(*SMALL_AND_LARGE), machine(SMALL_AND_LARGE[left]))
        names = ["NVIDIA GeForce GTX 1650", "NVIDIA GeForce RTX 4090"]
        assert [(one["name"], one["lost"]) for one in found["cards"]] == [(names[left], False), (names[gone], True)]
        assert found["cards"][0]["cuda_index"] == 0


def test_a_driver_that_stops_and_comes_back(library: Path, tmp_path: Path) -> None:
    healthy, stopped = machine(card()), machine(card(), errors=["nvmlDeviceGetCount_v2 1", "nvmlInitWithFlags 9"])
    before, first, second, after = looks(library, tmp_path, healthy, stopped, stopped, healthy)
    assert first["driver"]["problem"]["code"] == "hardware.driver_failed"
    assert second["driver"]["problem"]["code"] == "hardware.driver_not_loaded"
    assert [one["lost"] for one in (*first["cards"], *second["cards"])] == [True, True]
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
def test_a_driver_that_refuses_is_a_state(library: Path, tmp_path: Path, code: int, expected: str) -> None:
    (found,) = looks(library, tmp_path, machine(card(), errors=[f"nvmlInitWithFlags {code}"]))
    assert found["driver"]["problem"]["code"] == expected
    assert found["cards"] == []


@pytest.fixture
def no_driver(tmp_path: Path) -> Path:
    """A folder to look for the driver in; where this machine has one, a file in its place that no process can load."""
    folder = tmp_path / "no driver"
    folder.mkdir()
    if ctypes.util.find_library("nvidia-ml"):
        (folder / "libnvidia-ml.so.1").touch()
    return folder


def test_a_machine_without_a_driver(no_driver: Path, tmp_path: Path) -> None:
    (found,) = looks(no_driver, tmp_path, machine())
    assert found["driver"]["problem"]["code"] in {"hardware.no_driver", "hardware.card_without_driver"}
    assert found["cards"] == []
    assert len(found["sentences"]) == 1


def test_fields_that_are_refused_are_unknown_and_said_once_for_each_reason(library: Path, tmp_path: Path) -> None:
    refused = [
        "nvmlDeviceGetPowerUsage 3",
        "nvmlDeviceGetTemperature 3",
        "nvmlDeviceGetUtilizationRates 3",
        "nvmlDeviceGetComputeRunningProcesses_v3 4",
    ]
    (found,) = looks(library, tmp_path, machine(card(), errors=refused))
    (only,) = found["cards"]
    assert [only[key] for key in ("power", "temperature", "utilisation", "processes")] == [None] * 4
    assert only["usable"]
    assert found["sentences"] == [
        "NVIDIA GeForce RTX 3060 does not tell who uses it (no permission).",
        "NVIDIA GeForce RTX 3060 does not tell its utilisation, its temperature, its power (not supported by this card).",
    ]


def test_a_card_without_memory_of_its_own_has_none_not_zero(library: Path, tmp_path: Path) -> None:
    (found,) = looks(library, tmp_path, machine(card(total=0)))
    assert [found["cards"][0][key] for key in ("memory_total", "memory_free", "memory_used")] == [None] * 3


FUNCTIONS = (
    "nvmlInitWithFlags", "nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion", "nvmlDeviceGetCount_v2",
    "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetTemperature", "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
)  # fmt: skip
ERRORS = (*range(1, 31), 999)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_error_of_every_question_is_a_sentence(library: Path, tmp_path: Path, function: str) -> None:
    states = [machine(card(), errors=[f"{function} {code}"]) for code in ERRORS]
    first = [] if function == "nvmlInitWithFlags" else [machine(card(), errors=[f"{function} 3"])]
    for found in looks(library, tmp_path, *first, *states):
        answered_otherwise = function.endswith("_v3") and found["cards"][0]["processes"] == []
        known_from_before = function in {"nvmlDeviceGetName", "nvmlDeviceGetCudaComputeCapability"}
        assert found["sentences"] or answered_otherwise or known_from_before
        for sentence in found["sentences"]:
            assert sentence[0].isupper()
            assert sentence.endswith(".")
        for one in found["cards"]:
            assert one["memory_total"] in {None, 12 * GIB}
            assert one["temperature"] in {None, 61}
            assert one["power"] in {None, 115.25}


# What torch can use


def test_an_old_card_with_a_build_for_newer_ones_gets_the_command(library: Path, tmp_path: Path) -> None:
    pascal = machine(card("NVIDIA GeForce GTX 1080 Ti", 11, capability="6.1"))
    (refused,) = looks(library, tmp_path, pascal, build=CU130)
    (accepted,) = looks(library, tmp_path, pascal, build=CU126)
    assert not refused["cards"][0]["usable"]
    assert refused["sentences"] == [
        "NVIDIA GeForce GTX 1080 Ti has compute capability 6.1, and the installed torch 2.14.1+cu130 begins at 7.5 "
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
def test_why_torch_cannot_use_a_card_and_what_mends_it(
    capability: tuple[int, int], build: TorchBuild, driver: tuple[int, int], code: str, says: str
) -> None:
    problem = problem_with(Card(0, "the card", capability=capability), build, Driver("550.1", driver))
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
def test_nothing_is_held_against_a_card_without_reason(
    capability: tuple[int, int] | None, build: TorchBuild, driver: tuple[int, int] | None
) -> None:
    assert problem_with(Card(0, "the card", capability=capability), build, Driver("550.1", driver)) is None


def test_what_is_read_of_torch_is_what_torch_says_itself() -> None:
    read, told = read_torch_build(), ask_torch()
    assert (read.version, read.cuda, read.hip, read.mps) == (told.version, told.cuda, told.hip, told.mps)
    if told.architectures is not None:
        assert read.architectures == told.architectures


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
    limits = read_limits(write(tmp_path, files))
    assert (limits.memory, limits.memory_left, limits.processors) == expected


def test_a_containers_memory_counts_and_a_limit_beyond_the_machine_does_not(tmp_path: Path) -> None:
    total = psutil.virtual_memory().total
    top = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.current": "0\n"}
    narrow = read_memory(write(tmp_path / "a", top | {"sys/fs/cgroup/memory.max": f"{GIB // 4}\n"}))
    wide = read_memory(write(tmp_path / "b", top | {"sys/fs/cgroup/memory.max": f"{total + GIB}\n"}))
    assert narrow == Memory(GIB // 4, GIB // 4, limited=True)
    assert (wide.total, wide.limited) == (total, False)
    assert 0 < wide.available <= total


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux machine whose process may run on processors 0, 1, 4 and 5, wherever the test runs."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(machine_module, "_allowed_processors", lambda: (0, 1, 4, 5))


def siblings(*groups: str) -> dict[str, str]:
    """Linux's files on the hyperthreads of each allowed processor."""
    numbers = zip((0, 1, 4, 5), groups, strict=True)
    return {f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{group}\n" for n, group in numbers}


@pytest.mark.usefixtures("linux")
def test_hyperthreads_are_no_cores_and_a_share_of_processor_time_limits_them(tmp_path: Path) -> None:
    apart, pairs = siblings("0", "1", "4", "5"), siblings("0,4", "1,5", "0,4", "1,5")
    assert read_processor(write(tmp_path / "a", apart)).cores == 4
    assert read_processor(write(tmp_path / "b", pairs)).cores == 2
    assert read_processor(write(tmp_path / "c", apart | GROUPS_1)).cores == 1


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


def test_the_disk_of_a_workspace_that_is_not_there_yet(tmp_path: Path) -> None:
    free = free_disk(tmp_path / "not" / "yet")
    assert free is not None
    assert abs(free - psutil.disk_usage(str(tmp_path)).free) < GIB


def test_a_card_without_a_driver_is_seen_on_the_bus(tmp_path: Path) -> None:
    def bus(root: Path, maker: str, kind: str) -> Path:
        device = "sys/bus/pci/devices/0000_01_00.0/"
        return write(root, {device + "vendor": maker + "\n", device + "class": kind + "\n"})

    assert nvidia_card_built_in(bus(tmp_path / "card", "0x10de", "0x030000"))
    assert not nvidia_card_built_in(bus(tmp_path / "sound", "0x10de", "0x040300"))
    assert not nvidia_card_built_in(bus(tmp_path / "other", "0x8086", "0x030000"))
    if not ctypes.util.find_library("nvidia-ml"):
        found = probe(tmp_path, root=tmp_path / "card")
        assert found.driver.problem is not None
        assert found.driver.problem.code == "hardware.card_without_driver"


def test_the_memory_of_this_process_grows_with_what_it_holds() -> None:
    before = process_memory_bytes()
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert process_memory_bytes() - before > 48 * 2**20


# The snapshot and the command


def test_a_snapshot_cannot_be_changed_and_is_plain_json(tmp_path: Path) -> None:
    found = probe(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.disk_free = 0  # type: ignore[misc]
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


def test_importing_the_probe_imports_no_torch() -> None:
    code = (
        "import sys, engine.hardware; print([name for name in sys.modules if name.split('.')[0] in ('torch', 'cv2')])"
    )
    child = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def command(library: Path, tmp_path: Path, state: str, *options: str) -> str:
    described = tmp_path / "machine.txt"
    described.write_text(state)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    child = subprocess.run(
        [sys.executable, "-m", "tui", "probe", "--workspace", str(tmp_path), *options],
        cwd=CHECKOUT,
        env=clean | {"NVML_STAND_IN": str(described), "LD_LIBRARY_PATH": str(library), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, "")
    return child.stdout


def test_the_command_shows_cards_users_and_sentences(library: Path, tmp_path: Path) -> None:
    large = card(gib=12, used=3 * GIB, compute=f"{os.getpid()} {3 * GIB}", error="nvmlDeviceGetPowerUsage 3")
    text = command(library, tmp_path, machine(large))
    assert "9.0 GiB of 12.0 GiB" in text
    assert f"{psutil.Process().name()} 3.0 GiB" in text
    assert "NVIDIA GeForce RTX 3060 does not tell its power (not supported by this card)." in text
    assert "None" not in text


def test_the_command_gives_json_and_nothing_else(library: Path, tmp_path: Path) -> None:
    found = json.loads(command(library, tmp_path, machine(card()), "--json"))
    assert [one["name"] for one in found["cards"]] == ["NVIDIA GeForce RTX 3060"]


def test_a_cards_name_reaches_the_terminal_as_text_only(library: Path, tmp_path: Path) -> None:
    text = command(library, tmp_path, machine(card("[red]evil[/red]\x1b[2J", error="nvmlDeviceGetPowerUsage 3")))
    assert "[red]evil[/red]" in text
    assert "\x1b" not in text
