"""A real wizard on a workspace of its own, driven by keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from tests.given_hardware import GivenHardware
from tui.app import Freezetui
from tui.wizard.state import WizardState
from tui.workers.hardware_monitor import OpenHardwareSource

Script = Callable[[Freezetui, Pilot[int]], Awaitable[None]]
NO_CARD = GivenHardware()
PATIENCE = 120.0
"""Seconds after which a test fails that waits in vain; on a machine that is busy with other things everything takes long."""


def drive(
    workspace: Path,
    script: Script,
    *,
    size: tuple[int, int] = (80, 24),
    open_hardware: OpenHardwareSource | None = NO_CARD.open,
    **entered: object,
) -> WizardState:
    """Run `script` on a wizard.

    Args:
        workspace: its folder.
        script: what is pressed and checked.
        size: columns and rows of the terminal.
        open_hardware: the hardware it finds; by default a processor and no card; None: this machine.
        entered: fields of the WizardState with which it begins.

    Returns:
        Its state at the end.
    """
    state = WizardState(**{"language": "en", **entered})  # type: ignore[arg-type]

    async def run() -> None:
        app = Freezetui(state, workspace, open_hardware=open_hardware)
        async with app.run_test(size=size) as pilot:
            await script(app, pilot)

    asyncio.run(run())
    return state


async def until(pilot: Pilot[int], met: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `met` is true, and until the messages that are on their way then are processed."""
    end = time.monotonic() + seconds
    while not met():
        assert pilot.app.is_running, "the wizard has ended"
        assert time.monotonic() < end, f"waited in vain:\n{shown(pilot.app)}"  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
    await pilot.pause(0)


async def until_shown(app: Freezetui, pilot: Pilot[int], *texts: str) -> None:
    """Wait until all `texts` are on the screen."""
    await until(pilot, lambda: all(text in shown(app) for text in texts))


def shown(app: Freezetui) -> str:
    """All that is on the screen, as lines of text."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())
