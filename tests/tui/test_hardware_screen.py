"""The Hardware screen: this machine, and machines with other cards as the NVML stand-in reports them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.hardware import Card, Hardware, probe
from tests.given_hardware import PROCESSOR_ONLY, GivenHardware
from tests.nvml_stand_in import GIB, card, hardware_of, machine
from tests.tui.driving import drive, shown, until
from tui.app import Freezetui
from tui.screens.hardware import HardwareScreen
from tui.wizard.state import WizardState
from tui.wizard.training_times import TrainingTimes, training_times

PROJECT = Path(__file__).parents[2]
RTX_3060, GTX_1080 = "NVIDIA GeForce RTX 3060", "NVIDIA GeForce GTX 1080"


def first_screens(
    library: Path, folder: Path, *states: str, size: tuple[int, int] = (100, 40), language: str = "en"
) -> list[str]:
    """The text of the Hardware screen for each state of a machine (see `machine`) in turn.

    Args:
        library: the folder with the NVML stand-in.
        folder: where the machine's description is written; the workspace.
        states: the machine.
        size: of the terminal, in columns and rows.
        language: of the wizard.
    """
    probed = hardware_of(library, folder, *states)
    machine, screens = GivenHardware(probed[0]), []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        for hardware in probed:
            machine.hardware = hardware
            await until(pilot, lambda hardware=hardware: app.hardware is hardware)  # type: ignore[misc]
            await pilot.pause()
            screens.append(shown(app))

    drive(folder, script, size=size, language=language, open_hardware=machine.open)
    return screens


def test_this_machine_is_shown_with_a_recommendation(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Recommended" in shown(app))
        text = shown(app)
        hardware = probe(tmp_path)
        assert hardware.processor.name[:20] in text
        assert str(hardware.torch.version) in text

    drive(tmp_path, script, size=(120, 40), open_hardware=None)


def test_looks_may_follow_each_other_faster_than_panels_are_made(tmp_path: Path) -> None:
    cards = tuple(Card(number, f"card {number}", cuda_index=number) for number in range(3))
    machine = GivenHardware(replace(PROCESSOR_ONLY, cards=cards[:2]))

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "card 1  cuda:1" in shown(app))
        screen = app.screen
        assert isinstance(screen, HardwareScreen)
        for count in (2, 3, 1, 3, 2):
            screen.show_hardware(replace(PROCESSOR_ONLY, cards=cards[:count]))
        await until(pilot, lambda: "card 0  cuda:0" in shown(app) and "card 1  cuda:1" in shown(app))
        assert "card 2" not in shown(app)

    drive(tmp_path, script, size=(120, 40), open_hardware=machine.open)


# Cards


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


# What it can train


def times_of(hardware: Hardware, workspace: Path, **entered: object) -> TrainingTimes:
    times = training_times(WizardState(**entered), hardware, workspace)  # type: ignore[arg-type]
    assert times is not None
    return times


def test_the_times_of_every_network_are_shown_for_a_typical_data_set(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "What it can train" in shown(app))
        lines = shown(app).splitlines()
        header = next(number for number, line in enumerate(lines) if "100 images" in line)
        assert "yolov4-tiny   about" in lines[header + 1]
        assert "yolov4        about" in lines[header + 2]
        assert "A first detector in minutes" in lines[header + 3]

    drive(tmp_path, script, screen_name="hardware")


def test_the_times_are_those_of_the_users_data_and_preset(tmp_path: Path) -> None:
    few, many = (times_of(PROCESSOR_ONLY, tmp_path, preset="quick-cpu", train_images=count) for count in (300, 3000))
    assert few.images == (300,)
    assert [each.network for each in few.networks] == ["yolov4-tiny", "yolov4"]
    for less, more in zip(few.networks, many.networks, strict=True):
        assert less.seconds[0] is not None
        assert more.seconds[0] is not None
        assert less.seconds[0] < more.seconds[0]
    longer = times_of(PROCESSOR_ONLY, tmp_path, preset="tutorial-whole-adam", train_images=300)
    assert (longer.networks[0].seconds[0] or 0) > (few.networks[0].seconds[0] or 0)


def test_a_card_is_faster_and_the_presets_own_network_does_not_matter(tmp_path: Path) -> None:
    slow = times_of(PROCESSOR_ONLY, tmp_path, preset="modern-whole")
    card = Card(0, RTX_3060, cuda_index=0, memory_total=12 * GIB, memory_free=12 * GIB, capability=(8, 6))
    fast = times_of(replace(PROCESSOR_ONLY, cards=(card,)), tmp_path, preset="modern-whole")
    other = times_of(PROCESSOR_ONLY, tmp_path, preset="modern-whole", settings={"network": "yolov4", "anchors": "x"})
    assert all((a.seconds[0] or 0) < (b.seconds[0] or 0) for a, b in zip(fast.networks, slow.networks, strict=True))
    assert other.networks == slow.networks


def test_nothing_is_said_where_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert training_times(WizardState(settings={"unfreeze_epoch": "many"}), PROCESSOR_ONLY, tmp_path) is None
    monkeypatch.setattr("tui.wizard.training_times.rough_seconds", lambda *_: None)
    assert training_times(WizardState(), PROCESSOR_ONLY, tmp_path) is None

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Recommended" in shown(app))
        await until(pilot, lambda: all(worker.is_finished for worker in app.workers))
        await pilot.pause()
        assert "What it can train" not in shown(app)

    drive(tmp_path, script, screen_name="hardware")


def test_no_times_are_estimated_during_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Freezetui, "is_training", True)
    asked: list[object] = []
    monkeypatch.setattr("tui.screens.hardware._training_times", asked.append)

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Recommended" in shown(app))
        await pilot.pause()
        monkeypatch.undo()

    drive(tmp_path, script, screen_name="hardware")
    assert asked == []


def test_the_first_screen_imports_neither_the_recipe_nor_torch() -> None:
    code = (
        "import sys, tui.screens.hardware\n"
        "assert not {'torch', 'numpy', 'pydantic', 'engine.recipe', 'tui.wizard.training_times'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(PROJECT)})


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_all_of_it_can_be_reached_and_a_large_window_is_not_half_empty(tmp_path: Path, size: tuple[int, int]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "What it can train" in shown(app))
        await pilot.pause()
        if size == (120, 40):
            assert sum(not line.strip() for line in shown(app).splitlines()) <= 12
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: "No NVIDIA driver" in shown(app))

    drive(tmp_path, script, size=size, screen_name="hardware")


def test_help_says_more_than_the_subtitle(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        screen = app.screen
        assert isinstance(screen, HardwareScreen)
        assert screen.reason not in screen.help_text()
        await pilot.press("f1")
        await until(pilot, lambda: "right within a factor of about three" in " ".join(shown(app).split()))

    drive(tmp_path, script, size=(120, 40), screen_name="hardware")
