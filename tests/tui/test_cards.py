"""Cards on the Hardware screen: none, a small one, two, a lost one, and one that is too old for the torch build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nvml_stand_in import GIB, build_nvml, card, machine
from tests.tui.other_machines import first_screens

RTX_3060, GTX_1080 = "NVIDIA GeForce RTX 3060", "NVIDIA GeForce GTX 1080"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_nvml(tmp_path_factory.mktemp("driver"))


def test_without_a_card_the_processor_is_recommended(library: Path, tmp_path: Path) -> None:
    (screen,) = first_screens(library, tmp_path, machine())
    assert "Recommended: train on the processor" in screen
    assert "Looking" not in screen
    assert "driver  NVIDIA 580.95.05, CUDA up to 13.0" in screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_small_card_shows_what_is_free_and_who_holds_the_rest(
    library: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    small = card("NVIDIA GeForce GTX 1650", gib=4, used=int(1.5 * GIB), capability="7.5", graphics="4242 536870912")
    (screen,) = first_screens(library, tmp_path, machine(small), size=size)
    assert "NVIDIA GeForce GTX 1650  cuda:0" in screen
    assert "1.5 GiB / 4.0 GiB" in screen
    assert "free for training 2.5 GiB" in screen
    assert "load 37 % · 61 °C · 115 W" in screen
    assert "(4242) 512 MiB" in screen
    assert "train on NVIDIA GeForce GTX 1650 (2.5 GiB free now)" in screen


def test_of_two_cards_the_one_with_most_free_memory_is_recommended(library: Path, tmp_path: Path) -> None:
    busy = card("NVIDIA GeForce RTX 4090", gib=24, used=20 * GIB, capability="8.9", speed="16384 2520")
    idle = card(RTX_3060, gib=12, uuid="GPU-22222222-2222-3333-4444-555555555555")
    both = machine(busy, idle)
    (screen,) = first_screens(library, tmp_path, both, size=(120, 40))
    assert f"train on {RTX_3060} (12.0 GiB free now)" in screen
    beside = next(line for line in screen.splitlines() if "RTX 4090" in line)
    assert RTX_3060 in beside


def test_cards_beside_each_other_are_equally_tall(library: Path, tmp_path: Path) -> None:
    old = card(GTX_1080, gib=8, capability="6.1", speed="2560 1733")
    new = card(RTX_3060, uuid="GPU-22222222-2222-3333-4444-555555555555")
    (screen,) = first_screens(library, tmp_path, machine(old, new), size=(120, 40))
    ends = [line.count("╯") for line in screen.splitlines() if "╯" in line]
    assert ends[0] == 2, screen


def test_a_lost_card_is_shown_as_lost(library: Path, tmp_path: Path) -> None:
    before = machine(card())
    after = machine(card(error=["nvmlDeviceGetMemoryInfo 15", "nvmlDeviceGetUtilizationRates 15"]))
    first, second = first_screens(library, tmp_path, before, after)
    assert "cuda:0" in first
    assert "card memory in use  " in second
    assert "lost: the driver cannot reach it any more" in second
    assert "has fallen off the bus" in second
    assert "Recommended: train on the processor" in second


def test_a_card_too_old_for_the_build_gets_the_command_in_both_languages(library: Path, tmp_path: Path) -> None:
    old = machine(card(GTX_1080, gib=8, capability="6.1"))
    (english,) = first_screens(library, tmp_path, old)
    (chinese,) = first_screens(library, tmp_path, old, language="zh_CN")
    for screen in (english, chinese):
        assert "whl/cu126" in screen
    assert "not usable" in english
    assert "needs 7.5 or higher" in english
    assert "计算能力为 6.1" in chinese
    assert "显存" in chinese
    assert "card" not in chinese
