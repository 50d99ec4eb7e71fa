"""Where several cards can train together, the Recipe screen proposes that; M takes it, and a second M takes it back."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.recipe import make_recipe
from engine.recipe.presets import find_preset
from tests.given_hardware import GIB, PROCESSOR_ONLY, RTX_3060, GivenHardware
from tests.tui.driving import drive, shown, until, until_shown
from tui.app import Freezetui
from tui.text import set_language
from tui.widgets.card_choice import describe_card_option
from tui.wizard.card_choice import TOGETHER, card_options
from tui.wizard.recipe_draft import recipe_draft
from tui.wizard.state import WizardState

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no DDP on Windows")
FOUR = replace(
    PROCESSOR_ONLY,
    cards=tuple(replace(RTX_3060, number=number, cuda_index=number, memory_free=11 * GIB) for number in range(4)),
)


def test_m_switches_between_all_cards_and_one(tmp_path: Path) -> None:
    chosen: list[dict[str, object]] = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until_shown(app, pilot, "○ all cards together (DDP): 4 × RTX 3060", "● one card: RTX 3060")
        await pilot.press("m")
        await until_shown(app, pilot, "● all cards together (DDP)", "○ one card")
        assert "of yours appl" not in shown(app), "it is the choice of this screen, not one of an earlier training"
        chosen.append(dict(app.state.settings))
        await pilot.press("m")
        await until_shown(app, pilot, "● one card")

    state = drive(
        tmp_path,
        script,
        size=(100, 40),
        open_hardware=GivenHardware(FOUR).open,
        screen_name="recipe",
        start="whole",
    )
    assert chosen == [TOGETHER]
    assert state.settings == {}


def test_one_card_offers_no_choice(tmp_path: Path) -> None:
    one = replace(FOUR, cards=FOUR.cards[:1])

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "recommended" in shown(app))
        await pilot.press("m")
        await pilot.pause()
        assert "cards together" not in shown(app)

    state = drive(tmp_path, script, open_hardware=GivenHardware(one).open, screen_name="recipe", start="whole")
    assert state.settings == {}


def test_the_chosen_cards_are_in_the_recipe(tmp_path: Path) -> None:
    state = WizardState(start="whole", preset="modern-whole", settings=dict(TOGETHER))
    assert recipe_draft(state, tmp_path).recipe().parallel == "ddp"


def test_a_card_in_use_is_not_among_those_that_are_proposed() -> None:
    set_language("en")
    busy = replace(FOUR, cards=(*FOUR.cards[:2], replace(FOUR.cards[2], memory_free=GIB), FOUR.cards[3]))
    preset, state = find_preset("modern-whole"), WizardState(start="whole")
    together, one = card_options(state, preset, {"train": 2000, "val": 100}, busy)
    assert describe_card_option(together).startswith("all cards together (DDP): 3 × RTX 3060, about")
    assert together.seconds is not None
    assert one.seconds is not None
    assert together.seconds < one.seconds
    assert card_options(replace(state, settings={"devices": [1]}), preset, None, busy) == ()
    assert make_recipe({**preset.settings, **TOGETHER}).devices == ()
