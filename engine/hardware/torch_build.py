"""Which torch is installed, what it was built for, and whether it can use a card: read, not imported.

Importing torch takes seconds and the first screen is painted before. The version stands in `torch/version.py`, a small file of
assignments; the compute capabilities of the builds in PyTorch's support matrix (RELEASE.md, and the notes on CUDA 12.6
and 12.8 in issues 157517 and 172352 of pytorch/pytorch).
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

_OLD_CARDS = ((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0))
_FROM_VOLTA = ((7, 0), (7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0))
_FROM_TURING = _FROM_VOLTA[1:]

_OLDEST_DRIVER = {11: "450", 12: "525", 13: "580"}
"""CUDA's major version to the oldest driver that runs all of it (NVIDIA, "CUDA Compatibility", minor version compatibility)."""


def read_torch_build() -> TorchBuild:
    """The installed build, without importing it. Everything is None where torch is not installed."""
    spec = util.find_spec("torch")
    if spec is None or spec.origin is None:
        return TorchBuild(version=None)
    said = _assignments(Path(spec.origin).with_name("version.py"))
    version = said.get("__version__") or _installed("torch")
    cuda = said.get("cuda")
    return TorchBuild(
        version=version,
        cuda=cuda,
        hip=said.get("hip") or said.get("rocm"),
        torchvision=_installed("torchvision"),
        architectures=_architectures(version, cuda),
        mps=_has_mps(),
    )


def ask_torch() -> TorchBuild:
    """The installed build from torch itself, exact also for builds of one's own. Imports torch; creates no CUDA context."""
    import torch

    told = torch.cuda.get_arch_list()  # "sm_86" is machine code, "compute_120" is PTX
    code = sorted(_capability(name) for name in told if name.startswith("sm_"))
    portable = sorted(_capability(name) for name in told if name.startswith("compute_"))
    return TorchBuild(
        version=str(torch.__version__),
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        torchvision=_installed("torchvision"),
        architectures=tuple(code) or None,
        portable_from=portable[0] if portable else None,
        mps=bool(torch.backends.mps.is_available()),
    )


def problem_with(card: Card, build: TorchBuild, driver: Driver) -> Message | None:
    """Why `build` cannot train on `card`, with what mends it; None where nothing is known against it."""
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
            "{card} has compute capability {capability}, and the installed torch {version} begins at {lowest} "
            '(it would fail with "no kernel image"); {command}',
            values,
        )
    return Message(
        "hardware.card_too_new",
        "{card} has compute capability {capability}, and the installed torch {version} ends at {highest} "
        '(it would fail with "no kernel image"); {command}',
        values,
    )


def _driver_problem(card: Card, build: TorchBuild, driver: Driver) -> Message | None:
    """Within one major version of CUDA every driver runs every build; an older major version it does not."""
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
    """Machine code runs on cards of its major version from its minor version on; PTX on every newer card."""
    if build.portable_from is not None and capability >= build.portable_from:
        return True
    return any(code[0] == capability[0] and code[1] <= capability[1] for code in build.architectures or ())


def _better_build(card: Card, driver: Driver) -> str | None:
    """The name of PyTorch's build that suits card and driver: CUDA 13.0 where both allow, else 12.6; None where neither does."""
    capability, can = card.capability, driver.cuda
    if (capability is None or capability >= (7, 5)) and (can is None or can >= (13, 0)):
        return "cu130"
    if (capability is None or (5, 0) <= capability < (10, 0)) and (can is None or can >= (12, 0)):
        return "cu126"
    return None


def _command(card: Card, build: TorchBuild, driver: Driver) -> Message:
    """The rest of a sentence: what to do."""
    better = _better_build(card, driver)
    if better is not None:
        return _pip(build, better)
    if card.capability is not None and card.capability < (5, 0):
        return phrase("no current torch serves this card; train with device=cpu.")
    newest = 13 if card.capability is None or card.capability >= (10, 0) else 12
    return phrase(
        "first update NVIDIA's driver (now {driver}) to {oldest} or newer, then {command}",
        driver=driver.version or phrase("of unknown version"),
        oldest=_OLDEST_DRIVER[newest],
        command=_pip(build, "cu130" if newest == 13 else "cu126"),
    )


def _pip(build: TorchBuild, name: str) -> Message:
    """The command that puts another build of the same release in place; pip takes a bare `torch` for installed already."""
    wanted = [
        package if version is None else f'"{package}=={version.partition("+")[0]}+{name}"'
        for package, version in (("torch", build.version), ("torchvision", build.torchvision))
    ]
    return phrase("run: {command}", command=f"pip install {' '.join(wanted)} --index-url {PYTORCH_INDEX}/{name}")


def _architectures(version: str | None, cuda: str | None) -> tuple[tuple[int, int], ...] | None:
    """The capabilities of PyTorch's own wheels from release 2.9 on."""
    if version is None or cuda is None:
        return None
    release = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if cuda.startswith("12.6"):
        return _OLD_CARDS
    if cuda.startswith(("12.8", "12.9")):
        return _FROM_VOLTA if release < (2, 11) else _FROM_TURING
    return _FROM_TURING if cuda.startswith("13.") else None


def _assignments(path: Path) -> dict[str, str]:
    """The strings that the top of a Python file assigns to names."""
    found: dict[str, str] = {}
    with suppress(OSError, SyntaxError, ValueError):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
                    found[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(value))):
                    found[name] = value
    return found


def _installed(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _has_mps() -> bool:
    """Every wheel for Apple processors can use their graphics from macOS 14 on."""
    release = platform.mac_ver()[0].partition(".")[0]
    return sys.platform == "darwin" and platform.machine() == "arm64" and release.isdigit() and int(release) >= 14


def _capability(name: str) -> tuple[int, int]:
    """(8, 6) of `sm_86`, (12, 0) of `compute_120`, (9, 0) of `sm_90a`."""
    digits = "".join(c for c in name.partition("_")[2] if c.isdigit())
    return int(digits[:-1]), int(digits[-1])
