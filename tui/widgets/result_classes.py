"""The scores of each class, the weakest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical

from engine.messages import printable
from tui.text import N_, _, ngettext
from tui.text.datasets import split_name
from tui.widgets.label import Label
from tui.widgets.table import Table

if TYPE_CHECKING:
    from engine.evaluation.run_report import RunReport

COLUMNS = (N_("class"), N_("boxes"), "AP50", "AP50-95", N_("precision"), N_("recall"), "F1", N_("best threshold"))


class ResultClasses(Vertical):
    """A title with the means, and a table."""

    DEFAULT_CSS = "ResultClasses Label { height: auto; }"

    _title = getters.query_one("#scores-title", Label)
    _scores = getters.query_one("#scores", Table)

    def compose(self) -> ComposeResult:
        """Both."""
        yield Label(id="scores-title")
        yield Table(id="scores")

    def on_mount(self) -> None:
        """Name the columns."""
        self._scores.add_columns(*map(_, COLUMNS))

    def show_message(self, message: str) -> None:
        """Say why there are no scores."""
        self._title.update(message)

    def show_report(self, report: RunReport) -> None:
        """Show the scores of an evaluation."""
        scores = report.scores
        self._title.update(
            ngettext(
                "{count} image ({split}): mAP50 {map50}, mAP50-95 {map}; precision, recall and F1 at threshold {threshold}",
                "{count} images ({split}): mAP50 {map50}, mAP50-95 {map}; precision, recall and F1 at threshold {threshold}",
                scores.images,
                split=split_name(report.split),
                map50=f"{scores.map50:.3f}",
                map=f"{scores.map50_95:.3f}",
                threshold=f"{scores.threshold:.2f}",
            )
        )
        self._scores.fill(_score_rows(report))


def _score_rows(report: RunReport) -> Iterator[tuple[str, ...]]:
    """The classes, the weakest first; those without boxes last, with blank scores."""
    per_class = report.scores.per_class
    for name in sorted(per_class, key=lambda name: (not per_class[name].boxes, per_class[name].ap50)):
        score, best = per_class[name], report.details.per_class[name].best_threshold
        values = (score.ap50, score.ap50_95, score.precision, score.recall, score.f1)
        cells = (f"{value:.3f}" if score.boxes else "" for value in values)
        yield printable(name), str(score.boxes), *cells, "" if best is None else f"{best:.2f}"
