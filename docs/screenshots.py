"""Makes the screenshots in docs/screens/ from a real run: `python docs/screenshots.py WORKSPACE [LANGUAGE ...]`.

WORKSPACE contains model_data/yolov4-tiny.weights. The sample set is drawn there and trained for a few epochs for each
language: some minutes on two cores, which nothing else should use. The pictures show the folder above it as /home/me.
"""

from __future__ import annotations

import asyncio
import html
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.cells import cell_len
from textual.pilot import Pilot

from tui.app import Freezetui
from tui.dialogs.confirm import ConfirmDialog
from tui.wizard.state import WizardState

SIZE = (100, 30)
FOLDER = Path(__file__).parent / "screens"
SHOWN_PARENT = "/home/me"
CELL = 12.2
"""Width of a column in the pictures."""
TEXT = re.compile(r'(<text [^>]*textLength=")[^"]*("[^>]*>)([^<]*)(?=</text>)')


async def main(workspace: Path, language: str) -> None:
    """Go through the screens with Enter and save a screenshot of each."""
    (FOLDER / language).mkdir(parents=True, exist_ok=True)
    state = WizardState(language=language, preset="quick-cpu", settings={"unfreeze_epoch": 12, "eval_period": 3})  # type: ignore[arg-type]
    app = Freezetui(state, workspace)
    async with app.run_test(size=SIZE) as pilot:

        async def save(name: str, seconds: float = 3.0) -> None:
            await pilot.pause(seconds)
            path = Path(app.save_screenshot(f"{name}.svg", str(FOLDER / language)))
            drawn = path.read_text(encoding="utf-8").replace(str(workspace.parent), SHOWN_PARENT)
            path.write_text(with_true_widths(drawn), encoding="utf-8")

        await save("hardware", 4)
        await pilot.press("enter")
        await pilot.pause(2)
        await pilot.press("enter")
        await until(pilot, lambda: app.inspection is not None, 120)
        await save("data", 8)
        for name, seconds in (("weights", 6), ("recipe", 3), ("tune", 12), ("review", 60)):
            await pilot.press("enter")
            if name == "tune":
                state.settings.update({"unfreeze_epoch": 12, "eval_period": 3})
            await save(name, seconds)
        await pilot.press("enter")
        await pilot.pause(2)
        if isinstance(app.screen, ConfirmDialog):  # another process trains on this machine
            await pilot.press("s")
        await until(pilot, lambda: app.training.history.steps > 110, 600)
        await save("train", 1)
        await until(pilot, lambda: not app.training.is_running, 900)
        app.show_screen("results")
        await save("results", 6)
        await pilot.press("enter", "enter")  # Weights, then Images
        await save("images", 4)
        app.show_screen("runs")
        await save("runs", 3)


def with_true_widths(drawn: str) -> str:
    """Give each piece of text the width of its columns: Textual counts a Chinese character as one, and it has two."""

    def widened(match: re.Match[str]) -> str:
        columns = cell_len(html.unescape(match[3]))
        return f"{match[1]}{columns * CELL:g}{match[2]}{match[3]}"

    return TEXT.sub(widened, drawn)


async def until(pilot: Pilot[int], met: Callable[[], bool], seconds: float) -> None:
    """Wait until `met` is true.

    Raises:
        TimeoutError: it is still false after `seconds`.
    """
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            raise TimeoutError
        await pilot.pause(0.2)


if __name__ == "__main__":
    for code in sys.argv[2:] or ["en", "zh_CN"]:
        asyncio.run(main(Path(sys.argv[1]).absolute(), code))
