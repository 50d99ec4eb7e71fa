"""Every word on every screen comes from a catalogue."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.driving import drive, shown, until
from tests.tui.untranslated import untranslated
from tui.app import Freezetui
from tui.screens.registry import SCREENS, screen_class
from tui.text import _
from tui.wizard.state import WizardState


@pytest.mark.parametrize("screen_name", SCREENS)
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_every_word_of_a_step_comes_from_the_catalogue(tmp_path: Path, screen_name: str, size: tuple[int, int]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.hardware is not None)
        await pilot.pause()
        assert (
            _(screen_class(screen_name).heading)
            == f"⟦{screen_class(screen_name).heading}{'~' * (len(screen_class(screen_name).heading) // 3)}⟧"
        )
        assert f"⟦{screen_class(screen_name).heading}" in shown(app)
        assert untranslated(app.screen, data=(tmp_path,)) == {}

    drive(tmp_path, script, size=size, screen_name=screen_name, furthest_screen="results", language="pseudo")


def test_every_word_of_what_lies_over_a_step_comes_from_the_catalogue(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.press("f1")
        await until(pilot, lambda: "⟦Esc closes this." in shown(app))
        assert untranslated(app.screen) == {}
        await pilot.press("escape")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "⟦Start over" in shown(app))
        assert app.screen.query_one(Input).placeholder.startswith("⟦")

    drive(tmp_path, script, size=(120, 60), language="pseudo")


def test_every_word_of_the_offer_to_go_on_comes_from_the_catalogue(tmp_path: Path) -> None:
    async def run() -> None:
        app = Freezetui(
            WizardState(data="somewhere", screen_name="recipe", language="pseudo"), tmp_path, offer_resume=True
        )
        async with app.run_test() as pilot:
            await pilot.pause()
            assert untranslated(app.screen, data=("somewhere",)) == {}

    asyncio.run(run())


def test_an_untranslated_word_is_found(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.hardware is not None)
        app.screen.query_one("#enter-hint").update("Oversight")  # type: ignore[attr-defined]
        app.screen.query_one("#machine").border_title = "Title"
        assert untranslated(app.screen).keys() == {"Oversight", "Title"}

    drive(tmp_path, script, language="pseudo")
