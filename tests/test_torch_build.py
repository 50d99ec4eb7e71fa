"""Which cards the installed torch can use."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from engine.hardware import (
    Card,
    Driver,
    TorchBuild,
    read_torch_build,
)
from engine.hardware.torch_build import incompatibility
from tests.nvml_stand_in import (
    CU126,
    CU130,
    card,
    machine,
    snapshots,
)


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
