"""Processor, memory and disk, as far as a process may use them."""

from __future__ import annotations

import ctypes.util
import mmap
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from engine.hardware import (
    Memory,
    Processor,
    probe,
    process_memory_bytes,
)
from engine.hardware.cgroups import read_cgroup_limits
from engine.hardware.machine import ProcessorSensors, free_disk, has_nvidia_card, read_memory, read_processor
from tests.nvml_stand_in import (
    GIB,
)


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


def test_the_use_of_the_processor_is_that_since_the_snapshot_before(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(psutil, "cpu_percent", lambda: 41.6)
    sensors, processor = ProcessorSensors(), Processor("Fast One", 4)
    assert sensors.read(processor).utilisation is None, "there is none before"
    moment[0] += 0.01
    assert sensors.read(processor).utilisation is None, "too short to measure"
    moment[0] += 1
    assert sensors.read(processor).utilisation == 42


@pytest.mark.parametrize(
    ("sensors", "temperature"),
    [
        ({"coretemp": [SimpleNamespace(current=61.4), SimpleNamespace(current=50.0)]}, 61),
        ({"acpitz": [SimpleNamespace(current=20.0)], "k10temp": [SimpleNamespace(current=70.0)]}, 70),
        ({"acpitz": [SimpleNamespace(current=20.0)]}, None),
        ({"coretemp": []}, None),
    ],
)
def test_the_temperature_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, sensors: dict[str, list[SimpleNamespace]], temperature: int | None
) -> None:
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors, raising=False)
    assert ProcessorSensors().read(Processor("Fast One", 4)).temperature == temperature
    monkeypatch.delattr(psutil, "sensors_temperatures")
    assert ProcessorSensors().read(Processor("Fast One", 4)).temperature is None, "not on this system"
