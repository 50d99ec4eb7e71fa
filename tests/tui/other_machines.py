"""The wizard's first screen on machines with other cards: a real wizard in a child process, before the driver stand-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.nvml_stand_in import CHECKOUT, CU130

SHOWING = """
import asyncio, json, sys
from pathlib import Path
from engine.hardware import TorchBuild
from tests.tui.driving import shown
from tui.app import Freezetui
from tui.wizard.state import WizardState
asked = json.loads(sys.argv[1])
build = {key: tuple(map(tuple, value)) if isinstance(value, list) else value for key, value in asked["build"].items()}
described, screens = Path(asked["described"]), []

async def further_look(app, pilot):
    before = app.hardware
    for _ in range(400):
        await pilot.pause(0.05)
        if app.hardware is not before:
            return
    raise SystemExit(f"in vain: {before}")

async def look(app, pilot, cards):
    for _ in range(20):
        await further_look(app, pilot)
        if [card.name for card in app.hardware.cards if not card.lost] == cards:
            await further_look(app, pilot)
            await pilot.pause()
            return
    raise SystemExit(f"in vain: {app.hardware}")

async def main():
    described.write_text(asked["states"][0])
    app = Freezetui(WizardState(language=asked["language"]), described.parent, torch_build=TorchBuild(**build))
    async with app.run_test(size=tuple(asked["size"])) as pilot:
        for number, (state, cards) in enumerate(zip(asked["states"], asked["cards"])):
            described.write_text(state)
            await look(app, pilot, cards)
            screens.append(shown(app))
            if asked["pictures"]:
                app.save_screenshot(f"{asked['pictures']}-{number}.svg")

asyncio.run(main())
Path(asked["answer"]).write_text(json.dumps(screens))
"""


def first_screens(
    library: Path,
    folder: Path,
    *states: tuple[str, list[str]],
    size: tuple[int, int] = (100, 40),
    language: str = "en",
    build: Mapping[str, Any] = CU130,
    pictures: str = "",
) -> list[str]:
    """What the Hardware screen shows of each state of a machine in turn; with each the names of the cards that answer."""
    answer = folder / "screens.json"
    asked = {
        "states": [state for state, _cards in states],
        "cards": [cards for _state, cards in states],
        "described": str(folder / "machine.txt"),
        "answer": str(answer),
        "size": size,
        "language": language,
        "build": dict(build),
        "pictures": pictures,
    }
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    child = subprocess.run(
        [sys.executable, "-c", SHOWING, json.dumps(asked)],
        cwd=CHECKOUT,
        env=clean | {"NVML_STAND_IN": str(folder / "machine.txt"), "LD_LIBRARY_PATH": str(library)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    screens: list[str] = json.loads(answer.read_text())
    return screens
