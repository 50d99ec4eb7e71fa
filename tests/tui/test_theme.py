"""The palette: readable text in every theme, colours of one plot that anyone can tell apart, saved names that still load."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from textual.color import Color
from textual.pilot import Pilot
from textual.theme import BUILTIN_THEMES, Theme

from engine.evaluation.thumbnail import thumbnail
from tests.small_training import PROJECT
from tests.tui.driving import drive, until_shown
from tui.app import Freezetui
from tui.theme import DARK, LIGHT, MIN_CONTRAST, SERIES, contrast, readable
from tui.widgets.terminal_image import TerminalImage

OURS = (DARK, LIGHT)
STATES = ("success", "warning", "error", "primary")
BACKGROUNDS = ("background", "surface", "panel", "block-cursor-background")
TEXT_COLOR = re.compile(r"(?<![-\w])color: \$([\w-]+)(?: (\d+)%)?")
BACKGROUND = re.compile(r"(?<![-\w])background: \$([\w-]+(?: \d+%)?)")
STYLE = re.compile(r"[\"'](?:bold |dim )?\$([\w-]+)(?: (\d+)%)?[\"']")

NORMAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881))
"""Machado, Oliveira, Fernandes 2009, severity 1; for linear RGB."""


def colors_of(theme: Theme) -> dict[str, str]:
    """All variables of a theme."""
    return {**theme.to_color_system().generate(), **theme.variables}


def used_text_colors() -> set[tuple[str, int]]:
    """(variable, opacity in percent) of every text colour in styles and texts of the wizard."""
    found = set()
    for path in [*(PROJECT / "tui").rglob("*.py"), *(PROJECT / "tui").rglob("*.tcss")]:
        source = path.read_text(encoding="utf-8")
        for name, percent in TEXT_COLOR.findall(source) + STYLE.findall(source):
            found.add((name, int(percent or 100)))
    return found


def linear(color: Color) -> list[float]:
    """Linear RGB of a colour."""
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in color.normalized]


def lab(color: Color, vision: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    """CIE L*a*b* of a colour as it is seen with `vision`."""
    seen = [min(1.0, max(0.0, sum(a * b for a, b in zip(row, linear(color), strict=True)))) for row in vision]
    red, green, blue = seen
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.072175 * blue
    z = (0.0193339 * red + 0.119192 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def difference(one: str, other: str) -> float:
    """The CIE76 distance of two colours for the eye that sees the least of it."""
    pair = Color.parse(one), Color.parse(other)
    return min(
        sum((a - b) ** 2 for a, b in zip(*(lab(color, vision) for color in pair), strict=True)) ** 0.5
        for vision in (NORMAL, PROTANOPIA, DEUTERANOPIA)
    )


def downgraded(color: str, system: ColorSystem) -> int | None:
    """The number of a colour in a terminal with fewer colours."""
    return RichColor.parse(color).downgrade(system).number


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(Color.parse("#000000"), Color.parse("#ffffff")) == pytest.approx(21)
    assert contrast(Color.parse("#777777"), Color.parse("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", OURS, ids=lambda theme: theme.name)
def test_every_text_colour_is_readable_on_every_background(theme: Theme) -> None:
    colors = colors_of(theme)
    too_faint = []
    for (name, percent), background in itertools.product(used_text_colors(), BACKGROUNDS):
        if background == "block-cursor-background" and (name in SERIES or percent < 100):
            continue  # plots have no cursor
        if name in ("primary-muted", "accent-muted") or "auto" in colors[name]:
            continue  # lines; Textual chooses black or white
        behind = Color.parse(colors["foreground" if name in BACKGROUNDS else background])  # reversed text
        text = behind.blend(Color.parse(colors[name]), percent / 100, alpha=1)
        if (ratio := contrast(text, behind)) < MIN_CONTRAST:
            too_faint.append((name, percent, background, round(ratio, 2)))
    assert too_faint == []


def test_no_other_background_is_used_below_a_text() -> None:
    sources = [*(PROJECT / "tui").rglob("*.py"), *(PROJECT / "tui").rglob("*.tcss")]
    used = {name for path in sources for name in BACKGROUND.findall(path.read_text(encoding="utf-8"))}
    reversed_text, below_a_dialog = "foreground", "background 60%"
    assert used - {*BACKGROUNDS, reversed_text, below_a_dialog} == set()


@pytest.mark.parametrize("name", [name for name, theme in BUILTIN_THEMES.items() if not theme.ansi])
def test_themes_of_textual_become_readable(name: str) -> None:
    colors = colors_of(readable(BUILTIN_THEMES[name]))
    for text, background in itertools.product(
        (*SERIES, *STATES, "foreground", "text-muted", "text-disabled"), BACKGROUNDS
    ):
        assert contrast(Color.parse(colors[text]), Color.parse(colors[background])) >= MIN_CONTRAST, (text, background)


@pytest.mark.parametrize("theme", OURS, ids=lambda theme: theme.name)
@pytest.mark.parametrize("group", [SERIES, STATES], ids=["series", "states"])
def test_colours_of_a_group_can_be_told_apart_with_any_vision(theme: Theme, group: tuple[str, ...]) -> None:
    colors = colors_of(theme)
    for one, other in itertools.combinations(group, 2):
        assert difference(colors[one], colors[other]) >= 18, (one, other)


@pytest.mark.parametrize("theme", OURS, ids=lambda theme: theme.name)
def test_terminals_with_fewer_colours_show_different_ones(theme: Theme) -> None:
    colors = colors_of(theme)
    everything = [colors[name] for name in (*SERIES, *STATES)]
    assert len({downgraded(color, ColorSystem.EIGHT_BIT) for color in everything}) == len(everything)
    backgrounds = {downgraded(colors[name], ColorSystem.STANDARD) for name in ("background", "surface", "panel")}
    cursor = downgraded(colors["block-cursor-background"], ColorSystem.STANDARD)
    assert cursor not in backgrounds
    for group in (SERIES, STATES):
        sixteen = {downgraded(colors[name], ColorSystem.STANDARD) for name in group}
        assert len(sixteen) == len(group)
    for name in (*SERIES, *STATES, "foreground", "text-muted", "text-disabled", "primary-muted"):
        assert downgraded(colors[name], ColorSystem.STANDARD) not in backgrounds, name


@pytest.mark.parametrize("name", [*BUILTIN_THEMES, DARK.name, LIGHT.name])
def test_a_saved_theme_is_used_again(tmp_path: Path, name: str) -> None:
    themes = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        themes.append((app.theme, set(SERIES) <= set(app.theme_variables)))

    drive(tmp_path, script, theme=name)
    assert themes == [(name, True)]


def test_a_theme_that_is_gone_and_no_theme_give_ours(tmp_path: Path) -> None:
    themes = []

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        await pilot.pause()
        themes.append(app.theme)
        app.set_theme(LIGHT.name)
        await pilot.pause()
        themes.append(str(app.screen.styles.background.hex).lower())

    drive(tmp_path, script, theme="no such theme")
    drive(tmp_path, script)
    assert themes == [DARK.name, str(LIGHT.background)] * 2


def test_without_colours_an_image_with_named_boxes_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    named = thumbnail(
        np.zeros((40, 80, 3), np.uint8), np.array([[10, 10, 60, 30]], np.float32), np.array([0], np.int32), ("cat",), 40, 20,
        name="a.png", texts=["cat 0.90"],
    )  # fmt: skip

    async def script(app: Freezetui, pilot: Pilot[int]) -> None:
        image = TerminalImage()
        await app.screen.query_one("#machine").mount(image)
        image.styles.height = 12
        await pilot.pause()
        image.show(named)
        await until_shown(app, pilot, "cat 0.90")

    drive(tmp_path, script)
