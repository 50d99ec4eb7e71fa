"""Two runs side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from engine.messages import BadInput, printable
from tui.dialogs.base import Dialog
from tui.text import N_, _, translate
from tui.text.durations import duration
from tui.text.run_states import STATE_NAMES, format_epochs
from tui.widgets.curve import Curve
from tui.widgets.label import Label
from tui.widgets.table import Table
from tui.wizard.run_comparison import ComparedRun, Comparison, compare
from tui.wizard.run_history import RunHistory
from tui.workers.latest_query import LatestQuery

CURVES = ("val-loss", "map")


class CompareRunsDialog(Dialog[None]):
    """The results of both runs, the settings that differ, and the curves."""

    help_sentence: ClassVar[str] = N_(
        "The results of both runs, then the settings that differ, then the curves. The lower validation loss or the higher mAP50 is better."
    )

    DEFAULT_CSS = """
    CompareRunsDialog { align: center middle; }
    CompareRunsDialog > Vertical { width: 96%; height: 94%; border: round $primary; padding: 0 1; background: $surface; }
    CompareRunsDialog Label { height: auto; }
    CompareRunsDialog Table { background: $surface; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", N_("close"))]

    _table = getters.query_one(Table)
    _message = getters.query_one("#message", Label)

    def __init__(self, runs: tuple[Path, Path]) -> None:
        super().__init__()
        self._runs = runs
        self._comparison = LatestQuery[tuple[Path, ...], Comparison](self, compare, self._show, self._show_error)

    def compose(self) -> ComposeResult:
        """The table takes the height that the curves leave."""
        with Vertical() as box:
            box.border_title = _("Two runs side by side")
            yield Table()
            for name, label in zip(CURVES, (_("val loss"), "mAP50"), strict=True):
                for number in (1, 2):
                    yield Curve(f"{label} {number}", logarithmic=name == "val-loss", id=f"{name}-{number}")
            yield Label(id="message")
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
        results = zip(*map(_results, runs), strict=True)
        self._table.fill(
            (
                *((name, left, right) for (name, left), (_name, right) in results),
                *((name, *map(_setting_text, pair)) for name, pair in comparison.differences.items()),
            )
        )
        for number, run in enumerate(runs, 1):
            history = run.history
            losses, maps = (
                [loss for _epoch, loss in history.validation],
                [map50 for _epoch, map50, _map in history.maps],
            )
            self.query_one(f"#val-loss-{number}", Curve).show(losses, _lowest_loss(losses))
            self.query_one(f"#map-{number}", Curve).show(maps, _best_map(maps))
        self._message.update(
            ""
            if comparison.differences
            else _("All settings are the same, including the seed. Only the data set or an interruption can differ.")
        )

    def _show_error(self, error: BadInput) -> None:
        self._message.update("\n".join(map(translate, error.messages)))


def _results(run: ComparedRun) -> Iterator[tuple[str, str]]:
    """(name, value) pairs; every run has the same names."""
    summary, history = run.summary, run.history
    yield _("run"), printable(summary.name)
    yield _("state"), _(STATE_NAMES[summary.state])
    yield _("epoch"), format_epochs(summary)
    yield _("steps"), str(history.steps)
    yield _("best mAP50"), _best_map(map50 for _epoch, map50, _map in history.maps)
    yield _("lowest val loss"), _lowest_loss(loss for _epoch, loss in history.validation)
    yield _("time per step"), _time_per_step(history)


def _time_per_step(history: RunHistory) -> str:
    latest = history.latest
    seconds = None if latest is None else history.timer.seconds_per_step(latest.stage)
    return "" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)


def _lowest_loss(losses: Iterable[float]) -> str:
    return min((f"{loss:.4f}" for loss in losses), key=float, default="")


def _best_map(maps: Iterable[float]) -> str:
    return max((f"{map50:.3f}" for map50 in maps), key=float, default="")


def _setting_text(value: Any) -> str:
    """The value as in a recipe file."""
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
