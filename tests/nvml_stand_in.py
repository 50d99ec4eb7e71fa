"""Machines with NVIDIA cards, described in a few words and shown to a child process through a driver library of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("nvml_stand_in.c")
CHECKOUT = SOURCE.parents[1]
GIB = 2**30

LOOKING = """
import json, sys
from pathlib import Path
from engine.hardware import HardwareWatch, TorchBuild
machine, workspace, build, *states = sys.argv[1:]
build = {key: tuple(map(tuple, value)) if isinstance(value, list) else value for key, value in json.loads(build).items()}
found = []
with HardwareWatch(Path(workspace), torch_build=TorchBuild(**build)) as watch:
    for state in states:
        Path(machine).write_text(state)
        hardware = watch.look()
        found.append(hardware.to_json() | {"sentences": [str(message) for message in hardware.messages]})
maps = Path("/proc/self/maps").read_text()
print(json.dumps({"looks": found, "torch": "torch" in sys.modules, "cuda": "libcuda." in maps or "libcudart." in maps}))
"""

CU130 = {
    "version": "2.14.1+cu130",
    "cuda": "13.0",
    "torchvision": "0.29.1",
    "architectures": [[7, 5], [8, 0], [8, 6], [9, 0], [10, 0], [12, 0]],
}
CU126 = CU130 | {
    "version": "2.14.1+cu126",
    "cuda": "12.6",
    "architectures": [[5, 0], [6, 0], [7, 0], [7, 5], [8, 0], [8, 6], [9, 0]],
}


def built(folder: Path) -> Path:
    """The library, compiled into `folder`, which is what LD_LIBRARY_PATH has to name. Skips where that cannot be."""
    if sys.platform != "linux":
        pytest.skip("the NVML stand-in is found the way Linux finds libraries")
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("the NVML stand-in needs a C compiler: install gcc or clang")
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", str(library), str(SOURCE)], check=True
    )
    return folder


def card(name: str = "NVIDIA GeForce RTX 3060", gib: float = 12, **values: object) -> str:
    """The lines of one card. `compute`, `graphics` and `error` may be lists; a value of None leaves the line out."""
    described: dict[str, object] = {
        "name": name,
        "uuid": "GPU-11111111-2222-3333-4444-555555555555",
        "total": int(gib * GIB),
        "used": 0,
        "capability": "8.6",
        "busy": 37,
        "temperature": 61,
        "milliwatts": 115250,
        "speed": "3584 2100",
    }
    lines = ["card"]
    for key, value in (described | values).items():
        lines += [f"{key} {one}" for one in (value if isinstance(value, list) else [value]) if one is not None]
    return "\n".join(lines)


def machine(*cards: str, driver: str = "580.95.05", cuda: int = 13000, errors: Sequence[str] = ()) -> str:
    """A whole machine. `errors` ("FUNCTION CODE") are of the driver, or of every card."""
    return "\n".join([f"driver {driver}", f"cuda {cuda}", *(f"error {error}" for error in errors), *cards]) + "\n"


def looks(
    library: Path | None,
    folder: Path,
    *states: str,
    build: Mapping[str, Any] = CU130,
    environment: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """What one watch in a fresh process sees of each of the `states` in turn, as JSON, with the `sentences` of each."""
    described = folder / "machine.txt"
    described.write_text(states[0])
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    child = subprocess.run(
        [sys.executable, "-c", LOOKING, str(described), str(folder), json.dumps(dict(build)), *states],
        cwd=CHECKOUT,
        env=clean
        | {"NVML_STAND_IN": str(described), "LD_LIBRARY_PATH": str(library or folder)}
        | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    answer: dict[str, Any] = json.loads(child.stdout)
    assert not answer["torch"], "looking imported torch"
    assert not answer["cuda"], "looking loaded CUDA"
    seen: list[dict[str, Any]] = answer["looks"]
    return seen
