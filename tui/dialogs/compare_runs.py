"""Two runs side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from engine.messages import BadInput, printable
from tui.dialogs.base import Dialog
from tui.text import N_, _, translate
from tui.text.durations import duration
from tui.text.run_states import STATE_NAMES, format_epochs
from tui.widgets.label import Label
from tui.widgets.plot import Mark, Plot, Point, Series
from tui.widgets.table import Table
from tui.wizard.run_comparison import ComparedRun, Comparison, Difference, compare
from tui.wizard.run_history import RunHistory
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
    CompareRunsDialog > Vertical { width: 96%; height: 94%; border: round $primary; padding: 0 1; background: $surface; }
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
        results = zip(*map(_results, runs), strict=True)
        self._table.fill(
            (
                *((name, left, right) for (name, left), (_name, right) in results if left or right),
                *((name, *map(_setting_text, pair)) for name, pair in comparison.settings.items()),
            )
        )
        self._show_curves(runs)
        sentences = [_limit_text(each, comparison) for each in comparison.limits]
        if not comparison.settings and not sentences:
            sentences = [_("All settings and images are the same, also the seed: only an interruption can differ.")]
        self._message.update("\n".join(sentences))
        self._message.display = bool(sentences)

    def _show_curves(self, runs: tuple[ComparedRun, ComparedRun]) -> None:
        has_validation = all(run.history.validation for run in runs)
        losses = [_validation_losses(run) if has_validation else list(run.summary.losses) for run in runs]
        maps = [[(epoch + 1.0, map50) for epoch, map50, _map in run.history.maps] for run in runs]
        epochs = (0.0, max((epoch for curve in (*losses, *maps) for epoch, _value in curve), default=1.0))
        name = _("val") if has_validation else _("train")
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


def _validation_losses(run: ComparedRun) -> list[Point]:
    return [(epoch + 1.0, loss) for epoch, loss in run.history.validation]


def _limit_text(difference: Difference, comparison: Comparison) -> str:
    """What cannot be compared, and why."""
    left, right = comparison.left, comparison.right
    match difference:
        case "classes":
            return _("The classes differ: neither mAP nor loss can be compared.")
        case "data":
            values = {"left": printable(left.settings["data"]), "right": printable(right.settings["data"])}
            return _("The data sets differ ({left}, {right}): neither mAP nor loss can be compared.", **values)
        case "data_changed":
            return _("The data set was changed between the two runs: neither mAP nor loss can be compared.")
        case "validation_images":
            return _(
                "The splits differ: the runs were validated on other images, so neither mAP nor loss can be compared."
            )
        case "training_images":
            return _("The training images differ. The validation images are the same, so the results can be compared.")
        case "network":
            values = {"left": str(left.settings["network"]), "right": str(right.settings["network"])}
            return _("The networks differ ({left}, {right}): compare mAP, not the losses.", **values)
        case "input_shape":
            values = {"left": _shape_text(left), "right": _shape_text(right)}
            return _("The input sizes differ ({left}, {right}): compare mAP, not the losses.", **values)


def _shape_text(run: ComparedRun) -> str:
    shape = run.settings.get("input_shape")
    return "x".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _results(run: ComparedRun) -> Iterator[tuple[str, str]]:
    """(name, value) pairs; every run has the same names."""
    summary, history = run.summary, run.history
    yield _("run"), printable(summary.name)
    yield _("note"), summary.note
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
