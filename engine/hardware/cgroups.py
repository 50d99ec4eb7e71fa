"""The limits that a container or a batch system sets: control groups (cgroups) of version 1, version 2, and both at once.

Files of a group: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max, memory.current, memory.stat, cpu.max) and
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html. Read by hand, since psutil reports the whole machine and knows no
cgroups. `root` is the folder that stands for `/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """`memory` and `memory_left` in bytes; `processors` may be a fraction, such as 1.5. None: no limit."""

    memory: int | None = None
    memory_left: int | None = None
    processors: float | None = None


def read_cgroup_limits(root: Path) -> CgroupLimits:
    """The lowest limits among this process's own group and every group around it."""
    memory = [usage for folder in _folders(root, "memory") if (usage := _memory(folder)) is not None]
    processors = [quota for folder in _folders(root, "cpu") if (quota := _processors(folder)) is not None]
    return CgroupLimits(
        memory=min((limit for limit, _ in memory), default=None),
        memory_left=min((max(0, limit - used) for limit, used in memory), default=None),
        processors=min(processors, default=None),
    )


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the groups that contain this process, innermost first.

    In a container the mounted tree often starts at the container's own group, while the group names still start at the
    machine's root. So folders that do not exist are skipped, and the top of the mount is always included.
    """
    mount = root / "sys" / "fs" / "cgroup"
    for line in _lines(root / "proc" / "self" / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            tops = [mount, mount / "unified"]
        elif controller in controllers.split(","):
            tops = [mount / controllers, mount / controller]
        else:
            continue
        path = PurePosixPath(group.strip().lstrip("/"))
        for top in tops:
            if ".." not in path.parts:
                yield from (top / part for part in (path, *path.parents) if (top / part).is_dir())


def _memory(folder: Path) -> tuple[int, int] | None:
    """Limit and usage in bytes. File cache that the kernel can drop (`inactive_file`) does not count as used."""
    for limit_file, used_file, cache_key in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _number(folder / limit_file)
        if limit is None or limit >= 1 << 60:  # version 1 writes "no limit" as the largest multiple of a page
            continue
        used = _number(folder / used_file) or 0
        cache = 0
        for line in _lines(folder / "memory.stat"):
            key, _, value = line.partition(" ")
            if key == cache_key and value.strip().isdigit():
                cache = int(value)
        return limit, max(0, used - cache)
    return None


def _processors(folder: Path) -> float | None:
    """The quota of processor time, as a number of processors."""
    for line in _lines(folder / "cpu.max"):
        quota, _, period = line.strip().partition(" ")
        with suppress(ValueError, ZeroDivisionError):
            return int(quota) / int(period)  # "max" is no number: no limit
    quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None


def _lines(path: Path) -> list[str]:
    with suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8").splitlines()
    return []
