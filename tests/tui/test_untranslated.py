"""Every word on every screen comes from a catalogue."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.driving import drive, shown, until
from tests.tui.untranslated import untranslated
from tui.app import SCREENS, Freezetui
from tui.text import _
from tui.wizard.state import WizardState


@pytest.mark.parametrize("place", SCREENS)
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_every_word_of_a_step_comes_from_the_catalogue(tmp_path: Path, place: str, size: tuple[int, int]) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.hardware is not None)
        await pilot.pause(0.2)
        assert _(SCREENS[place].heading) == f"⟦{SCREENS[place].heading}{'~' * (len(SCREENS[place].heading) // 3)}⟧"
        assert f"⟦{SCREENS[place].heading}" in shown(app)
        assert untranslated(app.screen, data=(tmp_path,)) == {}

    drive(tmp_path, script, size=size, place=place, furthest="results", language="pseudo")


def test_every_word_of_what_lies_over_a_step_comes_from_the_catalogue(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        await pilot.press("f1")
        await until(pilot, lambda: "⟦Esc closes this." in shown(app))
        assert untranslated(app.screen) == {}
        await pilot.press("escape")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "⟦Begin anew" in shown(app))
        assert app.screen.query_one(Input).placeholder.startswith("⟦")

    drive(tmp_path, script, size=(120, 60), language="pseudo")


def test_every_word_of_the_offer_to_go_on_comes_from_the_catalogue(tmp_path: Path) -> None:
    async def run() -> None:
        app = Freezetui(WizardState(data="somewhere", place="recipe", language="pseudo"), tmp_path, offer=True)
        async with app.run_test() as pilot:
            await pilot.pause()
            assert untranslated(app.screen, data=("somewhere",)) == {}

    asyncio.run(run())


def test_an_untranslated_word_is_found(tmp_path: Path) -> None:
    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: app.hardware is not None)
        app.screen.query_one("#suggestion").update("Oversight")  # type: ignore[attr-defined]
        app.screen.query_one("#machine").border_title = "Title"
        assert untranslated(app.screen).keys() == {"Oversight", "Title"}

    drive(tmp_path, script, language="pseudo")
