"""A real wizard on a workspace of its own, driven by keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from tui.app import Freezetui
from tui.wizard.state import WizardState

Script = Callable[[Freezetui, Pilot[int]], Awaitable[None]]


def drive(workspace: Path, script: Script, *, size: tuple[int, int] = (80, 24), **entered: object) -> WizardState:
    """Run `script` on a wizard that begins with `entered` (fields of WizardState); its state at the end."""
    state = WizardState(**{"language": "en", **entered})  # type: ignore[arg-type]

    async def run() -> None:
        app = Freezetui(state, workspace)
        async with app.run_test(size=size) as pilot:
            await script(app, pilot)

    asyncio.run(run())
    return state


async def until(pilot: Pilot[int], met: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that another thread brings about."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, f"waited in vain:\n{shown(pilot.app)}"  # type: ignore[arg-type]
        await pilot.pause(0.05)


def shown(app: Freezetui) -> str:
    """All that is on the screen, as lines of text."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())
