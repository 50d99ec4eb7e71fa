"""Two runs side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from engine.messages import BadInput, printable
from tui.dialogs.base import Dialog
from tui.text import N_, _, translate
from tui.text.durations import duration
from tui.text.run_states import STATES, epochs_of
from tui.widgets.curve import Curve
from tui.widgets.label import Label
from tui.widgets.table import Table
from tui.wizard.run_comparison import ComparedRun, Comparison, compare
from tui.wizard.run_history import RunHistory
from tui.workers.latest_query import LatestQuery

CURVES = ("val-loss", "map")


class CompareRunsDialog(Dialog[None]):
    """What came of each, then the settings in which they differ; below them both courses."""

    DEFAULT_CSS = """
    CompareRunsDialog { align: center middle; }
    CompareRunsDialog > Vertical { width: 96%; height: 94%; border: round $primary; padding: 0 1; background: $surface; }
    CompareRunsDialog Label { height: auto; }
    CompareRunsDialog Table { background: $surface; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", N_("close"))]

    def __init__(self, runs: tuple[Path, Path]) -> None:
        super().__init__()
        self._runs = runs
        self._reading = LatestQuery[tuple[Path, ...], Comparison](self, compare, self._show, self._refuse)

    def compose(self) -> ComposeResult:
        """The table takes what room there is."""
        with Vertical() as box:
            box.border_title = _("Two runs side by side")
            yield Table(id="compared")
            for name, label in zip(CURVES, (_("val loss"), "mAP50"), strict=True):
                for number in (1, 2):
                    yield Curve(f"{label} {number}", logarithmic=name == "val-loss", id=f"{name}-{number}")
            yield Label(id="said")
            yield Label(_("Esc closes this."), classes="hint")

    def on_mount(self) -> None:
        """Read both."""
        self.query_one("#compared", Table).focus()
        self.query_one("#said", Label).say(_("Reading ..."))
        self._reading.ask(self._runs)

    def on_data_table_row_selected(self) -> None:
        """Enter closes, as it says elsewhere."""
        self.dismiss()

    def _show(self, comparison: Comparison) -> None:
        runs = (comparison.one, comparison.other)
        table = self.query_one("#compared", Table)
        table.add_columns("", "1", "2")
        came = zip(*map(_what_came, runs), strict=True)
        table.fill(
            (
                *((name, one, other) for (name, one), (_same, other) in came),
                *((name, *map(_said, pair)) for name, pair in comparison.differences.items()),
            )
        )
        for number, run in enumerate(runs, 1):
            course = run.course
            self._curve("val-loss", number).show(
                [loss for _epoch, loss in course.validation], _least(course.validation)
            )
            self._curve("map", number).show([map50 for _epoch, map50, _map in course.maps], _most(course.maps))
        self.query_one("#said", Label).say(
            ""
            if comparison.differences
            else _(
                "Their settings are the same, seed included: what differs came from the data set or was interrupted."
            )
        )

    def _curve(self, name: str, number: int) -> Curve:
        return self.query_one(f"#{name}-{number}", Curve)

    def _refuse(self, error: BadInput) -> None:
        self.query_one("#said", Label).say("\n".join(translate(message) for message in error.messages))


def _what_came(run: ComparedRun) -> Iterator[tuple[str, str]]:
    """Names and values; of every run the same names."""
    summary, course = run.summary, run.course
    yield _("run"), printable(summary.name)
    yield _("state"), _(STATES[summary.state])
    yield _("epoch"), epochs_of(summary)
    yield _("steps"), str(course.steps)
    yield _("best mAP50"), _most(course.maps)
    yield _("least val loss"), _least(course.validation)
    yield _("time of a step"), _mean_step(course)


def _mean_step(course: RunHistory) -> str:
    latest = course.latest
    seconds = None if latest is None else course.clock.seconds_per_step(latest.stage)
    return "" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)


def _least(validation: Iterable[tuple[int, float]]) -> str:
    return min((f"{loss:.4f}" for _epoch, loss in validation), key=float, default="")


def _most(maps: Iterable[tuple[int, float, float]]) -> str:
    return max((f"{map50:.3f}" for _epoch, map50, _map in maps), key=float, default="")


def _said(value: Any) -> str:
    """As it stands in a recipe."""
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
