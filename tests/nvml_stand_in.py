"""Machines with NVIDIA cards for tests: descriptions in text, which a stand-in for the NVML library reports to a child process."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.hardware import Hardware

SOURCE = Path(__file__).with_name("nvml_stand_in.c")
CHECKOUT = SOURCE.parents[1]
GIB = 2**30

SCRIPT = """
import base64, json, pickle, sys
from pathlib import Path
from engine.hardware import HardwareWatch, TorchBuild
machine_file, workspace, build, *states = sys.argv[1:]
build = {key: tuple(map(tuple, value)) if isinstance(value, list) else value for key, value in json.loads(build).items()}
snapshots = []
with HardwareWatch(Path(workspace), torch_build=TorchBuild(**build)) as watch:
    for state in states:
        Path(machine_file).write_text(state)
        hardware = watch.read()
        best = hardware.best_card()
        snapshots.append(
            hardware.to_json()
            | {"sentences": [str(message) for message in hardware.messages], "best": None if best is None else best.name}
            | {"pickled": base64.b64encode(pickle.dumps(hardware)).decode()}
        )
maps = Path("/proc/self/maps").read_text()
result = {"snapshots": snapshots, "torch": "torch" in sys.modules, "cuda": "libcuda." in maps or "libcudart." in maps}
print(json.dumps(result))
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


def build_nvml(folder: Path) -> Path:
    """Compile the library into `folder` and return `folder`, for LD_LIBRARY_PATH. Skips the test if that is not possible."""
    if sys.platform != "linux":
        pytest.skip("the NVML stand-in is loaded through LD_LIBRARY_PATH, on Linux only")
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("the NVML stand-in needs a C compiler: install gcc or clang")
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", str(library), str(SOURCE)], check=True
    )
    return folder


def card(name: str = "NVIDIA GeForce RTX 3060", gib: float = 12, **values: object) -> str:
    """The lines of one card. `compute`, `graphics` and `error` may be lists; a line with the value None is left out."""
    defaults: dict[str, object] = {
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
    for key, value in (defaults | values).items():
        lines += [f"{key} {item}" for item in (value if isinstance(value, list) else [value]) if item is not None]
    return "\n".join(lines)


def machine(*cards: str, driver: str = "580.95.05", cuda: int = 13000, errors: Sequence[str] = ()) -> str:
    """The description of a machine. `errors` ("FUNCTION CODE") are those of the driver, or of every card."""
    return "\n".join([f"driver {driver}", f"cuda {cuda}", *(f"error {error}" for error in errors), *cards]) + "\n"


def snapshots(
    library: Path | None,
    folder: Path,
    *states: str,
    build: Mapping[str, Any] = CU130,
    environment: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The snapshots that one `HardwareWatch` in a fresh process takes of each of the `states` in turn.

    As JSON, each with its `sentences`, with the name of the `best` card, and `pickled`.
    """
    machine_file = folder / "machine.txt"
    machine_file.write_text(states[0])
    own = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(machine_file), str(folder), json.dumps(dict(build)), *states],
        cwd=CHECKOUT,
        env=own
        | {"NVML_STAND_IN": str(machine_file), "LD_LIBRARY_PATH": str(library or folder)}
        | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    result: dict[str, Any] = json.loads(child.stdout)
    assert not result["torch"], "the probe imported torch"
    assert not result["cuda"], "the probe loaded CUDA"
    taken: list[dict[str, Any]] = result["snapshots"]
    return taken


def hardware_of(library: Path, folder: Path, *states: str, build: Mapping[str, Any] = CU130) -> list[Hardware]:
    """The same snapshots as objects, for what is done with them in this process."""
    return [pickle.loads(base64.b64decode(one["pickled"])) for one in snapshots(library, folder, *states, build=build)]


def codes(snapshot: Mapping[str, Any]) -> set[str]:
    """The codes of all sentences of a snapshot."""
    messages = [snapshot["driver"]["problem"], *snapshot["driver"]["notes"], *snapshot["notes"]]
    for entry in snapshot["cards"]:
        messages += [entry["problem"], *entry["notes"]]
    return {message["code"] for message in messages if message is not None}


def command_on(library: Path, tmp_path: Path, state: str, name: str, *options: str) -> str:
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


OTHER_UUID = "GPU-99999999-2222-3333-4444-555555555555"
SMALL_AND_LARGE = (
    card("NVIDIA GeForce GTX 1650", 4, capability="7.5", speed="896 1665"),
    card("NVIDIA GeForce RTX 4090", 24, uuid=OTHER_UUID, capability="8.9", speed="16384 2520"),
)
