"""Plots and sparklines: axes, scales, marks, and what is drawn of few or strange values."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region

from tui.theme import DARK, LIGHT
from tui.widgets.plot import Plot, smooth, tick_rows
from tui.widgets.plot_canvas import BEST, BORDER, POINT
from tui.widgets.plot_scale import Scale
from tui.widgets.plot_series import Border, Mark, Point, Series
from tui.widgets.sparkline import CONSTANT, sparkline

LINE = [(0.0, 1.0), (10.0, 2.0)]


class PlotApp(App[None]):
    """Two plots, one above the other; the lower one has the x axis."""

    CSS = "Screen { overflow: hidden; }"

    def compose(self) -> ComposeResult:
        yield Plot("loss", may_be_logarithmic=True, id="upper")
        yield Plot("mAP50", x_title="轮次", id="lower")

    def on_mount(self) -> None:
        self.register_theme(DARK)
        self.theme = DARK.name


def drawn(show: Callable[[Plot, Plot], None], size: tuple[int, int] = (60, 20)) -> tuple[list[str], list[str]]:
    """The lines of both plots."""
    plots: list[list[str]] = []

    async def run() -> None:
        app = PlotApp()
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            upper, lower = app.query(Plot)
            show(upper, lower)
            plots.extend([plot.render_line(y).text for y in range(plot.size.height)] for plot in (upper, lower))

    asyncio.run(run())
    return plots[0], plots[1]


def drawn_upper(points: list[Point], size: tuple[int, int] = (60, 20)) -> list[str]:
    return drawn(lambda upper, _lower: upper.show([Series("train", points)]), size)[0]


def test_both_axes_are_labelled_and_name_minimum_and_maximum() -> None:
    upper, lower = drawn(
        lambda upper, lower: (
            upper.show([Series("train", [(0, 3.5), (10, 1.25)], value_text="1.25")]),
            lower.show([Series("", LINE)], x_range=(0, 10), y_range=(0, 1)),
        )[0]
    )
    assert "loss" in upper[0]
    assert "━━ train 1.25" in upper[0]
    assert upper[1].strip().startswith("3.5┤")
    assert upper[-1].strip().startswith("1.25┤")
    assert lower[1].strip().startswith("1┤")
    assert lower[-2].strip().startswith("0┤")
    assert lower[-1].rstrip().endswith("轮次")
    axis = lower[-1].replace("─", " ").split()
    assert axis[0] == "└0"
    assert float(axis[1]) > 0


def test_a_border_is_at_the_same_column_in_both_plots_and_has_its_name() -> None:
    border = Border(4, "解冻")

    def show(upper: Plot, lower: Plot) -> None:
        upper.show([Series("train", [(0, 900.0), (10, 800.0)])], x_range=(0, 10), border=border)
        lower.show([], x_range=(0, 10), y_range=(0, 1), border=border)

    upper, lower = drawn(show)
    columns = {line.index(BORDER, 9) for line in (*upper[2:], *lower[1:-1]) if line.count(BORDER) > (line[7] == BORDER)}
    assert len(columns) == 1
    assert any("解冻" in line for line in upper)
    assert any("解冻" in line for line in lower)


@pytest.mark.parametrize("x_range", [(3.8, 5.6), (4, 6), (0, 6), (0, 300)])
def test_an_axis_of_more_than_one_epoch_has_no_parts_of_epochs(x_range: tuple[float, float]) -> None:
    _, lower = drawn(lambda _, lower: lower.show([], x_range=x_range, y_range=(0, 1)))
    numbers = lower[-1].replace("─", " ").replace("└", " ").split()[:-1]
    assert numbers
    assert all(number.isdigit() for number in numbers)


def test_a_border_outside_of_the_axis_is_not_drawn() -> None:
    upper, _ = drawn(
        lambda upper, _: upper.show([Series("train", LINE)], x_range=(0, 10), border=Border(11, "unfreeze"))
    )
    assert not any("unfreeze" in line for line in upper)


@pytest.mark.parametrize(("values", "is_logarithmic"), [((0.5, 6.0), True), ((1.0, 2.0), False), ((0.0, 6.0), False)])
def test_the_scale_is_logarithmic_where_the_values_differ_much(
    values: tuple[float, float], is_logarithmic: bool
) -> None:
    lines = drawn_upper([(0, values[1]), (1, values[0])])
    assert ("(log)" in lines[0]) == is_logarithmic


def test_a_single_value_is_a_point_and_no_bar() -> None:
    lines = drawn_upper([(1.0, 0.7)])
    cells = "".join(line[8:] for line in lines[1:]).split()
    assert cells == [POINT]
    assert any(line.strip().startswith("0.7┤") for line in lines)


def test_the_best_value_is_marked_and_named() -> None:
    upper, _ = drawn(lambda upper, _: upper.show([Series("val", LINE, dashed=True)], marks=[Mark(10, 2, "best 2")]))
    assert "╍╍ val" in upper[0]
    assert f"{BEST} best 2" in upper[0]
    assert BEST in upper[1], "the largest value is in the first row"


def test_what_is_no_number_leaves_a_gap() -> None:
    points = [(0.0, 1.0), (2.0, 2.0), (4.0, math.nan), (6.0, math.inf), (8.0, 1.0), (10.0, 2.0)]
    canvas = [line[8:] for line in drawn_upper(points)[1:]]
    assert all(line[15:35].strip() == "" for line in canvas)
    assert any(line[:15].strip() for line in canvas)
    assert any(line[40:].strip() for line in canvas)


@pytest.mark.parametrize("size", [(1, 1), (9, 8), (12, 4), (200, 60)])
@pytest.mark.parametrize("points", [[], [(0.0, math.nan)], [(3.0, 0.0)], [(0.0, 1e9), (1.0, 1e-9)], [(1.0, 1.0)] * 3])
def test_every_size_and_every_curve_is_drawn_to_the_width(size: tuple[int, int], points: list[Point]) -> None:
    assert {cell_len(line) for line in drawn_upper(points, size)} == {size[0]}


def test_a_line_that_begins_left_of_the_axis_is_drawn_from_its_end() -> None:
    upper, _ = drawn(lambda upper, _: upper.show([Series("val", [(0, 1.0), (10, 3.0)])], x_range=(5, 10)))
    assert upper[-1].strip().startswith("2┤"), "the value there"
    assert upper[-1][8] not in (" ", POINT)


def test_only_rows_that_changed_are_drawn_again() -> None:
    regions: list[Region] = []

    class Watched(Plot):
        def refresh(self, *where: Region, **options: bool) -> Watched:  # type: ignore[override]
            regions.extend(where)
            return super().refresh(*where, **options)

    class WatchedApp(PlotApp):
        def compose(self) -> ComposeResult:
            yield Watched("loss")

    async def run() -> None:
        app = WatchedApp()
        async with app.run_test(size=(60, 20)) as pilot:
            plot = app.query_one(Watched)
            curve = [(number, 1.0 + number % 2) for number in range(50)]
            plot.show([Series("train", curve)], x_range=(0, 100), y_range=(0, 10))
            await pilot.pause()
            regions.clear()
            plot.show([Series("train", curve)], x_range=(0, 100), y_range=(0, 10))
            assert not regions
            plot.show([Series("train", [*curve, (50, 1.0)])], x_range=(0, 100), y_range=(0, 10))
            assert 0 < len(regions) < 6

    asyncio.run(run())


def test_another_theme_is_drawn_in_its_colours() -> None:
    def styles(plot: Plot) -> set[str]:
        return {str(segment.style) for segment in plot.render_line(1)}

    async def run() -> None:
        app = PlotApp()
        async with app.run_test(size=(60, 20)) as pilot:
            plot = app.query(Plot).first()
            plot.show([Series("train", LINE)])
            await pilot.pause()
            dark = styles(plot)
            app.register_theme(LIGHT)
            app.theme = LIGHT.name
            await pilot.pause()
            assert not dark & styles(plot)

    asyncio.run(run())


def test_a_smoothed_point_is_the_mean_of_its_neighbours() -> None:
    raw = [(float(number), 10.0 + (-1) ** number) for number in range(200)]
    smoothed = smooth([*raw, (200.0, math.nan)])
    assert [x for x, _ in smoothed] == [x for x, _ in raw]
    assert smoothed[0] == raw[0], "without neighbours on the left"
    assert all(abs(y - 10) < 0.2 for _, y in smoothed[10:-10])


@pytest.mark.parametrize(
    ("values", "width", "text"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, "▁▂▃▄▅▆▇█"),
        ([1, 2], 4, "▁█  "),
        ([5], 3, f"{CONSTANT}  "),
        ([2, 2, 2], 3, CONSTANT * 3),
        ([], 3, "   "),
        ([math.nan, 1, 2], 3, " ▁█"),
        ([0, 0, 7, 7], 2, "▁█"),
    ],
)
def test_a_sparkline(values: list[float], width: int, text: str) -> None:
    assert sparkline(values, width) == text


def test_a_sparkline_on_a_given_scale() -> None:
    assert sparkline([0.03, 0.03], 2, minimum=0, maximum=1) == "▁▁"


@pytest.mark.parametrize("height", range(6, 30))
def test_the_round_values_of_an_axis_are_even(height: int) -> None:
    rows = tick_rows(Scale(0.0, 1.0), height)
    values = sorted(rows.values())
    steps = [after - before for before, after in pairwise(values)]
    assert len(values) >= 2
    assert all(step == pytest.approx(steps[0]) for step in steps)
    assert not any(row + 1 in rows for row in rows)
