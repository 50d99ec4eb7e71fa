"""The Hardware screen on machines with other cards, as the NVML stand-in reports them."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from tests.given_hardware import GivenHardware
from tests.nvml_stand_in import hardware_of
from tests.tui.driving import drive, shown, until
from tui.app import Freezetui


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
