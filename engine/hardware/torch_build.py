"""Which torch is installed, what it was built for, and whether it can use a card, without importing it.

Importing torch takes seconds, and the first screen is shown before that. The version is read from `torch/version.py`, a small
file of assignments; the compute capabilities of the builds are those of PyTorch's support matrix (RELEASE.md, and the notes on
CUDA 12.6 and 12.8 in issues 157517 and 172352 of pytorch/pytorch).
"""

from __future__ import annotations

import ast
import platform
import sys
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path

from engine.hardware.snapshot import Card, Driver, TorchBuild
from engine.messages import Message, phrase

PYTORCH_INDEX = "https://download.pytorch.org/whl"

_FROM_MAXWELL = ((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0))
_FROM_VOLTA = ((7, 0), (7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0))
_FROM_TURING = _FROM_VOLTA[1:]

_OLDEST_DRIVER = {11: "450", 12: "525", 13: "580"}
"""CUDA's major version: the oldest driver that runs all its versions (NVIDIA, "CUDA Compatibility", minor version compatibility)."""


def read_torch_build() -> TorchBuild:
    """The installed build. Its `version` is None if torch is not installed."""
    spec = util.find_spec("torch")
    if spec is None or spec.origin is None:
        return TorchBuild(version=None)
    names = _assignments(Path(spec.origin).with_name("version.py"))
    version = names.get("__version__") or _installed_version("torch")
    cuda = names.get("cuda")
    return TorchBuild(
        version=version,
        cuda=cuda,
        hip=names.get("hip") or names.get("rocm"),
        torchvision=_installed_version("torchvision"),
        architectures=_architectures(version, cuda),
        mps=_has_mps(),
    )


def incompatibility(card: Card, build: TorchBuild, driver: Driver) -> Message | None:
    """Why `build` cannot train on `card`, and how to fix that; None if no reason is known."""
    if build.version is None:
        return Message(
            "hardware.no_torch", "torch is not installed; {command}", {"command": _command(card, build, driver)}
        )
    if build.cuda is None:
        kind = phrase("a build for AMD cards") if build.hip else phrase("a build for the processor only")
        return Message(
            "hardware.build_without_cuda",
            "{card}: the installed torch {version} is {kind} and cannot use it; {command}",
            {"card": card.name, "version": build.version, "kind": kind, "command": _command(card, build, driver)},
        )
    return _capability_problem(card, build, driver) or _driver_problem(card, build, driver)


def _capability_problem(card: Card, build: TorchBuild, driver: Driver) -> Message | None:
    if card.capability is None or build.architectures is None or _runs(card.capability, build):
        return None
    values = {
        "card": card.name,
        "version": build.version,
        "capability": "{}.{}".format(*card.capability),
        "lowest": "{}.{}".format(*build.architectures[0]),
        "highest": "{}.{}".format(*build.architectures[-1]),
        "command": _command(card, build, driver),
    }
    if card.capability < build.architectures[0]:
        return Message(
            "hardware.card_too_old",
            "{card} has compute capability {capability}, and the installed torch {version} needs {lowest} or higher "
            '(it would fail with "no kernel image"); {command}',
            values,
        )
    return Message(
        "hardware.card_too_new",
        "{card} has compute capability {capability}, and the installed torch {version} supports at most {highest} "
        '(it would fail with "no kernel image"); {command}',
        values,
    )


def _driver_problem(card: Card, build: TorchBuild, driver: Driver) -> Message | None:
    """A driver runs every build for its own major version of CUDA and for older ones, but not for a newer major version."""
    needed = build.cuda_version
    if needed is None or driver.cuda is None or driver.cuda[0] >= needed[0]:
        return None
    return Message(
        "hardware.driver_too_old",
        "{card}: NVIDIA's driver {driver} runs CUDA {can} at most, and the installed torch {version} needs CUDA {cuda}; "
        "update the driver to {oldest} or newer{otherwise}",
        {
            "card": card.name,
            "driver": driver.version or phrase("(unknown version)"),
            "can": "{}.{}".format(*driver.cuda),
            "version": build.version,
            "cuda": build.cuda,
            "oldest": _OLDEST_DRIVER.get(needed[0]) or phrase("the newest version"),
            "otherwise": phrase(".")
            if (other := _better_build(card, driver)) is None
            else phrase(", or {command}", command=_pip(build, other)),
        },
    )


def _runs(capability: tuple[int, int], build: TorchBuild) -> bool:
    """Machine code runs on cards of the same major version with the same or a higher minor version; PTX on all newer cards."""
    if build.portable_from is not None and capability >= build.portable_from:
        return True
    return any(major == capability[0] and minor <= capability[1] for major, minor in build.architectures or ())


def _better_build(card: Card, driver: Driver) -> str | None:
    """The name of PyTorch's build for this card and driver: CUDA 13.0 if both support it, else 12.6, else None."""
    capability, driver_cuda = card.capability, driver.cuda
    if (capability is None or capability >= (7, 5)) and (driver_cuda is None or driver_cuda >= (13, 0)):
        return "cu130"
    if (capability is None or (5, 0) <= capability < (10, 0)) and (driver_cuda is None or driver_cuda >= (12, 0)):
        return "cu126"
    return None


def _command(card: Card, build: TorchBuild, driver: Driver) -> Message:
    """The end of a sentence: what to do."""
    better = _better_build(card, driver)
    if better is not None:
        return _pip(build, better)
    if card.capability is not None and card.capability < (5, 0):
        return phrase("no current torch supports this card; train with device=cpu.")
    newest = 13 if card.capability is None or card.capability >= (10, 0) else 12
    return phrase(
        "first update NVIDIA's driver (now {driver}) to {oldest} or newer, then {command}",
        driver=driver.version or phrase("of unknown version"),
        oldest=_OLDEST_DRIVER[newest],
        command=_pip(build, "cu130" if newest == 13 else "cu126"),
    )


def _pip(build: TorchBuild, name: str) -> Message:
    """The command that installs another build of the same release. For a bare `torch` pip would do nothing: it is installed."""
    packages = [
        package if version is None else f'"{package}=={version.partition("+")[0]}+{name}"'
        for package, version in (("torch", build.version), ("torchvision", build.torchvision))
    ]
    return phrase("run: {command}", command=f"pip install {' '.join(packages)} --index-url {PYTORCH_INDEX}/{name}")


def _architectures(version: str | None, cuda: str | None) -> tuple[tuple[int, int], ...] | None:
    """The capabilities of PyTorch's own wheels from release 2.9 on."""
    if version is None or cuda is None:
        return None
    release = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if cuda.startswith("12.6"):
        return _FROM_MAXWELL
    if cuda.startswith(("12.8", "12.9")):
        return _FROM_VOLTA if release < (2, 11) else _FROM_TURING
    return _FROM_TURING if cuda.startswith("13.") else None


def _assignments(path: Path) -> dict[str, str]:
    """The strings that the top of a Python file assigns to names."""
    values: dict[str, str] = {}
    with suppress(OSError, SyntaxError, ValueError):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
                    values[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(value))):
                    values[name] = value
    return values


def _installed_version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _has_mps() -> bool:
    """Every wheel for Apple processors can use their graphics from macOS 14 on."""
    release = platform.mac_ver()[0].partition(".")[0]
    return sys.platform == "darwin" and platform.machine() == "arm64" and release.isdigit() and int(release) >= 14
