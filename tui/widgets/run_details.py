"""The curves of a run, and what is known about it, below the table of runs."""

from __future__ import annotations

import time

from textual import getters
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engine.messages import printable
from engine.runs.summary import RunSummary
from tui.text import _
from tui.text.run_states import describe_origin, describe_resume, describe_run_end
from tui.widgets.label import Label
from tui.widgets.plot import Plot
from tui.widgets.plot_series import Series


class RunDetails(Vertical):
    """On high screens two plots; how the run ended, how it can be resumed, its note, origin and folder."""

    SCOPED_CSS = False  # the size of the screen decides whether there are plots
    DEFAULT_CSS = """
    RunDetails { height: auto; }
    .-high RunDetails { height: 1fr; }
    RunDetails Label { height: auto; }
    RunDetails #run-path, RunDetails #run-origin { color: $text-muted; }
    RunDetails #run-note { text-style: italic; }
    RunDetails #run-end { color: $warning; }
    RunDetails #run-texts { height: auto; padding-top: 1; }
    RunDetails #run-curves { display: none; height: 1fr; max-height: 16; padding-top: 1; }
    .-high RunDetails #run-curves { display: block; }
    RunDetails #run-curves Plot { width: 1fr; }
    .-high RunDetails #run-curves.-empty { display: none; }
    """

    _run_end = getters.query_one("#run-end", Label)
    _run_resume = getters.query_one("#run-resume", Label)
    _run_origin = getters.query_one("#run-origin", Label)
    _run_note = getters.query_one("#run-note", Label)
    _run_path = getters.query_one("#run-path", Label)
    _curves = getters.query_one("#run-curves", Horizontal)
    _loss_plot = getters.query_one("#run-loss", Plot)
    _map_plot = getters.query_one("#run-map", Plot)

    def compose(self) -> ComposeResult:
        """Empty plots and texts."""
        with Horizontal(id="run-curves", classes="-empty"):
            yield Plot(_("loss"), x_title=_("epoch"), may_be_logarithmic=True, id="run-loss")
            yield Plot("mAP50", x_title=_("epoch"), id="run-map")
        with Vertical(id="run-texts"):
            yield Label(id="run-end")
            yield Label(id="run-resume")
            yield Label(id="run-note")
            yield Label(id="run-origin")
            yield Label(id="run-path")

    def show_message(self, text: str) -> None:
        """Show a text instead of a run."""
        self._run_resume.update(text)
        for label in (self._run_end, self._run_note, self._run_origin, self._run_path):
            label.display = False
        self._curves.add_class("-empty")

    def show(self, run: RunSummary) -> None:
        """Show a run."""
        started = "" if run.started is None else time.strftime("%Y-%m-%d %H:%M  ", time.localtime(run.started))
        texts = {
            self._run_end: describe_run_end(run),
            self._run_note: _("Note: {text}", text=run.note) if run.note else "",
            self._run_origin: printable(describe_origin(run)),
            self._run_path: started + printable(run.path),
        }
        for label, text in texts.items():
            label.update(text)
            label.display = bool(text)
        self._run_resume.update(describe_resume(run))
        self._show_curves(run)

    def _show_curves(self, run: RunSummary) -> None:
        self._curves.set_class(not run.losses, "-empty")
        epochs = (0.0, max((epoch for epoch, _loss in run.losses), default=1.0))
        losses = [Series(_("train"), run.losses, "$train")]
        if run.val_losses:
            losses.append(Series(_("val"), run.val_losses, "$val", dashed=True))
        self._loss_plot.show(losses, x_range=epochs)
        best = "" if run.best_map50 is None else _("best {value}", value=f"{run.best_map50:.3f}")
        self._map_plot.show([Series("", run.maps, "$map", value_text=best)], x_range=epochs, y_range=(0.0, 1.0))
