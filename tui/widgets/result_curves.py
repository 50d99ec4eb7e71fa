"""The curves of a run's results: of its training, precision and recall, and all of it over the threshold; and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from textual import getters
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from engine.hardware import Hardware
from engine.messages import printable
from tui.text import N_, _
from tui.widgets.confusion_table import ConfusionTable
from tui.widgets.label import Label
from tui.widgets.plot import Plot
from tui.widgets.plot_series import Mark, Series
from tui.widgets.training_curves import Curves
from tui.wizard.evaluation_curves import (
    best_f1,
    mean_curve,
    precision_points,
    precision_recall_points,
    threshold_points,
    weakest_classes,
)
from tui.wizard.run_history import RunHistory

if TYPE_CHECKING:
    from engine.evaluation.run_report import RunReport

CurveView = Literal["training", "precision_recall", "threshold", "confusion"]
VIEW_NAMES: Mapping[CurveView, str] = {
    "training": N_("training"),
    "precision_recall": N_("precision and recall"),
    "threshold": N_("threshold"),
    "confusion": N_("confusion matrix"),
}
MAX_CLASSES = 5
"""Curves beside the mean: more cannot be told apart. N shows each class alone."""


class ResultCurves(Vertical):
    """One view at a time; `next_view` shows the next one, `next_class` one class after another, the weakest first."""

    DEFAULT_CSS = """
    ResultCurves #curve-views, ResultCurves #curve-status { height: auto; }
    ResultCurves Curves, ResultCurves Plot, ResultCurves ConfusionTable { height: 1fr; }
    """

    _views = getters.query_one("#curve-views", Label)
    _status = getters.query_one("#curve-status", Label)
    _training = getters.query_one(Curves)
    _precision_recall = getters.query_one("#precision-recall", Plot)
    _threshold = getters.query_one("#threshold-curves", Plot)
    _confusion = getters.query_one(ConfusionTable)

    def __init__(self) -> None:
        super().__init__()
        self.view: CurveView = "training"
        self._report: RunReport | None = None
        self._missing = ""
        """Why there is no report."""
        self._class: str | None = None
        """The class that is shown alone; None: the mean and the weakest ones."""

    def compose(self) -> ComposeResult:
        """The names of the views, and all of them."""
        yield Label(id="curve-views")
        yield Label(id="curve-status")
        yield Curves()
        yield Plot(_("precision"), x_title=_("recall"), id="precision-recall")
        yield Plot(_("at IoU 0.5"), x_title=_("confidence threshold"), id="threshold-curves")
        yield ConfusionTable()

    def on_mount(self) -> None:
        """Show the training."""
        self._show_view()

    def show_training(self, history: RunHistory, hardware: Hardware | None) -> None:
        """Show the curves of the training."""
        self._training.show(history, hardware)

    def show_message(self, message: str) -> None:
        """Say why there are no other curves yet."""
        self._report, self._missing = None, message
        self._show_view()

    def show_report(self, report: RunReport) -> None:
        """Show the curves of an evaluation."""
        self._report, self._class = report, None
        self._show_view()

    def next_view(self) -> None:
        """Show the next view."""
        views = list(VIEW_NAMES)
        self.view = views[(views.index(self.view) + 1) % len(views)]
        self._show_view()

    @property
    def has_classes(self) -> bool:
        """Whether the view shows classes."""
        return self._report is not None and self.view in ("precision_recall", "threshold")

    def next_class(self) -> None:
        """Show the next class alone; after the last one, all."""
        if self._report is not None:
            choices = [None, *weakest_classes(self._report)]
            self._class = choices[(choices.index(self._class) + 1) % len(choices)]
            self._show_view()

    def _show_view(self) -> None:
        styles = ((name, "reverse" if view == self.view else "$text-muted") for view, name in VIEW_NAMES.items())
        self._views.update(Content("  ").join(Content.styled(_(name), style) for name, style in styles))
        report, is_training = self._report, self.view == "training"
        has_plot = is_training or report is not None
        self._status.display = not has_plot
        self._status.update(self._missing)
        self._training.display = is_training
        self._precision_recall.display = self.view == "precision_recall" and has_plot
        self._threshold.display = self.view == "threshold" and has_plot
        self._confusion.display = self.view == "confusion" and has_plot
        if report is None or is_training:
            return
        match self.view:
            case "precision_recall":
                self._show_precision_recall(report)
            case "threshold":
                self._show_threshold(report)
            case "confusion":
                self._confusion.show(report.confusion.tolist(), tuple(report.scores.per_class))

    def _show_precision_recall(self, report: RunReport) -> None:
        from engine.evaluation.colours import colour_of

        numbers = {name: number for number, name in enumerate(report.scores.per_class)}

        def series(name: str) -> Series:
            style = "rgb({},{},{})".format(*colour_of(numbers[name]))
            value = f"AP50 {report.scores.per_class[name].ap50:.3f}"
            return Series(printable(name), precision_recall_points(report, name), style, value_text=value)

        if self._class is not None:
            shown = [series(self._class)]
        else:
            classes = weakest_classes(report)
            shown = [series(name) for name in classes[:MAX_CLASSES]]
            if len(classes) != 1:
                mean = mean_curve(precision_recall_points(report, name) for name in classes)
                # First in the legend, which has no room for all in a narrow window.
                value = f"mAP50 {report.scores.map50:.3f}"
                shown.insert(0, Series(_("mean"), mean, "$foreground", value_text=value, dashed=True))
        self._precision_recall.show(shown, x_range=(0.0, 1.0), y_range=(0.0, 1.0))

    def _show_threshold(self, report: RunReport) -> None:
        details = report.details
        classes = [self._class] if self._class is not None else weakest_classes(report)
        f1 = mean_curve(threshold_points(report, name, "f1") for name in classes)
        best = best_f1(
            f1, details.best_threshold if self._class is None else details.per_class[self._class].best_threshold
        )
        marks = []
        if best is not None:
            text = _("best F1 {f1} at {threshold}", f1=f"{best[1]:.3f}", threshold=f"{best[0]:.2f}")
            marks.append(Mark(*best, text))
        self._threshold.set_title(_("mean of the classes") if self._class is None else printable(self._class))
        recall = mean_curve(threshold_points(report, name, "recall") for name in classes)
        self._threshold.show(
            [
                Series(_("precision"), mean_curve(precision_points(report, name) for name in classes), "$train"),
                Series(_("recall"), recall, "$val", dashed=True),
                Series("F1", f1, "$map"),
            ],
            x_range=(0.0, 1.0),
            y_range=(0.0, 1.0),
            marks=marks,
        )
