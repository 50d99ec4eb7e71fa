"""The first screen shows this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from textual.pilot import Pilot

from engine.hardware import Card, probe
from tests.given_hardware import PROCESSOR_ONLY, GivenHardware
from tests.tui.driving import drive, shown, until
from tui.app import Freezetui
from tui.screens.hardware import HardwareScreen


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
