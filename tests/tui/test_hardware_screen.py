"""The first screen shows this machine."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from engine.hardware import probe
from tests.tui.driving import drive, shown, until
from tui.app import Freezetui


def test_this_machine_is_shown_with_a_recommendation(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "Recommended" in shown(app))
        text = shown(app)
        hardware = probe(tmp_path)
        assert hardware.processor.name[:20] in text
        assert str(hardware.torch.version) in text

    drive(tmp_path, script, size=(120, 40))
