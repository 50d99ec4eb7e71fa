"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from engine.messages import BadInput
from tui.dialogs.base import Dialog
from tui.text import N_, _, translate
from tui.widgets.label import Label
from tui.widgets.plot import Plot
from tui.widgets.plot_series import Mark, Point, Series
from tui.widgets.table import Table
from tui.wizard.comparison_text import describe_limits, result_rows, setting_label, setting_text
from tui.wizard.run_comparison import Comparison, compare, loss_curves, map_curves
from tui.workers.latest_query import LatestQuery

COLOURS = ("$train", "$val")
"""Of the first and the second run; the second is dashed, so that no colour is needed to tell them apart."""


class CompareRunsDialog(Dialog[None]):
    """The results of both runs, the settings that differ, and the curves over common axes."""

    help_sentence: ClassVar[str] = N_(
        "Above, the results of both runs and the settings that differ; below, their curves: the first run is the solid line, the second "
        "the dashed one. The lower validation loss or the higher mAP50 is better, if both runs were validated on the same images."
    )

    DEFAULT_CSS = """
    CompareRunsDialog { align: center middle; }
    CompareRunsDialog > Vertical { width: 100%; height: 96%; border: round $primary; padding: 0 1; background: $surface; }
    CompareRunsDialog Label { height: auto; }
    CompareRunsDialog #message { color: $warning; }
    CompareRunsDialog Table { background: $surface; height: 1fr; min-height: 4; }
    CompareRunsDialog Horizontal { height: 40%; min-height: 6; }
    CompareRunsDialog Plot { width: 1fr; height: 100%; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", N_("close"))]

    _table = getters.query_one(Table)
    _message = getters.query_one("#message", Label)
    _loss_plot = getters.query_one("#loss", Plot)
    _map_plot = getters.query_one("#map", Plot)

    def __init__(self, runs: tuple[Path, Path]) -> None:
        super().__init__()
        self._runs = runs
        self._comparison = LatestQuery[tuple[Path, ...], Comparison](self, compare, self._show, self._show_error)

    def compose(self) -> ComposeResult:
        """What limits the comparison, the table, the curves."""
        with Vertical() as box:
            box.border_title = _("Two runs side by side")
            yield Label(id="message")
            yield Table()
            with Horizontal():
                yield Plot(_("loss"), x_title=_("epoch"), may_be_logarithmic=True, id="loss")
                yield Plot("mAP50", x_title=_("epoch"), id="map")
            yield Label(_("Esc closes this."), classes="hint")

    def on_mount(self) -> None:
        """Read both run folders."""
        self._table.focus()
        self._message.update(_("Reading ..."))
        self._comparison.submit(self._runs)

    def on_data_table_row_selected(self) -> None:
        """Enter closes the dialog."""
        self.dismiss()

    def _show(self, comparison: Comparison) -> None:
        runs = (comparison.left, comparison.right)
        self._table.add_columns("", "1", "2")
        results = zip(*map(result_rows, runs), strict=True)
        self._table.fill(
            (
                *((name, left, right) for (name, left), (_name, right) in results if left or right),
                *((setting_label(name), *map(setting_text, pair)) for name, pair in comparison.settings.items()),
            )
        )
        self._show_curves(comparison)
        sentences = describe_limits(comparison)
        self._message.update("\n".join(sentences))
        self._message.display = bool(sentences)

    def _show_curves(self, comparison: Comparison) -> None:
        split, losses = loss_curves(comparison)
        maps = map_curves(comparison)
        epochs = (0.0, max((epoch for curve in (*losses, *maps) for epoch, _value in curve), default=1.0))
        name = _("val") if split == "val" else _("train")
        self._loss_plot.show(list(_curves(losses, name)), x_range=epochs, marks=list(_best(losses, min)))
        self._map_plot.show(list(_curves(maps, "")), x_range=epochs, y_range=(0.0, 1.0), marks=list(_best(maps, max)))

    def _show_error(self, error: BadInput) -> None:
        self._message.update("\n".join(map(translate, error.messages)))


def _curves(points: Iterable[list[Point]], name: str) -> Iterator[Series]:
    for number, (curve, colour) in enumerate(zip(points, COLOURS, strict=True), 1):
        yield Series(f"{name} {number}".strip(), curve, colour, dashed=number == 2)


def _best(points: Iterable[list[Point]], choose: Callable[[Iterable[float]], float]) -> Iterator[Mark]:
    """The best value of each run: the lowest or the highest, as `choose` says."""
    for curve, colour in zip(points, COLOURS, strict=True):
        if curve:
            best = choose(value for _epoch, value in curve)
            epoch = next(epoch for epoch, value in curve if value == best)
            yield Mark(epoch, best, f"{best:.3f}", colour)
