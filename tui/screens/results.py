"""The results of a run: weights, images, classes, curves, and the next steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, TabbedContent, TabPane

from engine.messages import BadInput, printable
from engine.planning.request import DatasetReader
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS, find_run, load_plan, read_events
from engine.runs.summary import RunSummary, summarize_run
from tui.dialogs.prediction import NO_WEIGHTS, prediction_dialog
from tui.screens.base import WizardScreen
from tui.text import N_, _, ngettext, translate
from tui.text.run_states import describe_run_end, format_epochs
from tui.text.sizes import format_size
from tui.widgets.detection_images import DetectionImages
from tui.widgets.label import Label
from tui.widgets.table import Table
from tui.widgets.training_panel import Curves
from tui.wizard.cli_equivalent import command_line
from tui.wizard.run_history import RunHistory
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.metrics import ClassScore
    from engine.evaluation.run_report import RunReport
    from tui.workers.wizard_protocol import Wizard


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What a run folder contains."""

    folder: Path
    summary: RunSummary
    history: RunHistory
    data: str
    """Path of its data set."""


class ResultsScreen(WizardScreen):
    """Enter shows one page after another, then the Runs screen."""

    screen_name: ClassVar[str] = "results"
    heading: ClassVar[str] = N_("Results")
    reason: ClassVar[str] = N_("The best weights are those with the highest mAP, if it was measured.")

    DEFAULT_CSS = """
    ResultsScreen #body { padding-top: 0; }
    ResultsScreen TabbedContent { height: 1fr; }
    ResultsScreen TabPane { padding: 0; }
    ResultsScreen Label { height: auto; }
    ResultsScreen DetectionImages { height: 1fr; }
    ResultsScreen Curve { height: 2; }
    ResultsScreen.-high Curve { height: 3; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy_path", N_("copy path")),
        Binding("n", "next_image", N_("next image")),
        Binding("w", "predict", N_("predict")),
    ]

    _pages = getters.query_one(TabbedContent)
    _about = getters.query_one("#about", Label)
    _checks = getters.query_one("#checks", Label)
    _images = getters.query_one(DetectionImages)
    _scores_title = getters.query_one("#scores-title", Label)
    _scores = getters.query_one("#scores", Table)
    _curves = getters.query_one(Curves)
    _next_steps = getters.query_one("#next-steps", Label)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._run: StoredRun | None = None
        self.report: RunReport | None = None
        self._run_query = LatestQuery(self, self._read_run, self._show_run, self._show_run_error)
        self._report_query = LatestQuery[StoredRun, "RunReport"](
            self, lambda run: _evaluate(run, wizard.datasets), self._show_report, self._show_query_error
        )

    def compose_body(self) -> Iterator[Widget]:
        """Five pages."""
        with TabbedContent():
            with TabPane(_("Weights"), id="page-weights"), VerticalScroll(can_focus=False):
                yield Label(id="about")
                yield Label(id="checks")
            with TabPane(_("Images"), id="page-images"):
                yield DetectionImages()
            with TabPane(_("Classes"), id="page-classes"), Vertical():
                yield Label(id="scores-title")
                yield Table(id="scores")
            with TabPane(_("Curves"), id="page-curves"), Vertical():
                yield Curves()
            with TabPane(_("Next steps"), id="page-next"), VerticalScroll(can_focus=False):
                yield Label(id="next-steps")

    def on_mount(self) -> None:
        """Read the run that the Train screen showed last."""
        columns = (N_("class"), N_("boxes"), "AP50", "AP50-95", N_("precision"), N_("recall"), "F1")
        self._scores.add_columns(*map(_, columns))
        self._update_hint()
        if self.state.run is None:
            self._about.update(_("No runs yet."))
            return
        self._about.update(_("Reading ..."))
        self._run_query.submit(Path(self.state.run))

    # The run folder

    def _read_run(self, named: Path) -> StoredRun:
        folder = find_run(named, self.wizard.workspace)
        history = RunHistory().apply_all(read_events(folder))
        return StoredRun(folder, summarize_run(folder), history, load_plan(folder).data.path)

    def _show_run(self, run: StoredRun) -> None:
        self._run = run
        self._about.update(_describe_run(run))
        self._curves.show(run.history, self.wizard.hardware)
        self._next_steps.update(_describe_next_steps(run))
        if self.wizard.is_training:
            self._show_evaluation_status(_("The results are measured when the training has ended."))
        else:
            self._show_evaluation_status(_("Evaluating the best weights on the validation images ..."))
            self._report_query.submit(run)

    def _show_evaluation_status(self, status: str) -> None:
        self._scores_title.update(status)
        self._images.show_message(status)

    def _show_run_error(self, error: BadInput) -> None:
        self._about.update(_("The run that was shown last no longer exists."))
        self._show_query_error(error)

    def _show_query_error(self, error: BadInput) -> None:
        self.show_bad_input(error)
        self._scores_title.update("")
        self._images.show_message(_("There are no images to show."))

    # The evaluation

    def _show_report(self, report: RunReport) -> None:
        self.report = report
        scores = report.scores
        self._scores_title.update(
            ngettext(
                "{count} image ({split}): mAP50 {map50}, mAP50-95 {map}; precision, recall and F1 at threshold {threshold}",
                "{count} images ({split}): mAP50 {map50}, mAP50-95 {map}; precision, recall and F1 at threshold {threshold}",
                scores.images,
                split=report.split,
                map50=f"{scores.map50:.3f}",
                map=f"{scores.map50_95:.3f}",
                threshold=f"{scores.threshold:.2f}",
            )
        )
        self._scores.fill(
            (printable(name), str(score.boxes), *_score_cells(score)) for name, score in scores.per_class.items()
        )
        self._checks.update(_describe_checks(report))
        self._checks.display = bool(report.checks)
        self._images.show_images(len(report.predictions), report.predictions.__getitem__)

    # Pages

    def _next_page(self) -> TabPane | None:
        """The page that Enter shows; None on the last one, and if there is no run."""
        if self.state.run is None:
            return None
        pages = list(self._pages.query(TabPane))
        index = next((index for index, page in enumerate(pages) if page.id == self._pages.active), 0)
        return pages[index + 1] if index + 1 < len(pages) else None

    def _update_hint(self) -> None:
        page = self._next_page()
        if page is None:
            self.show_hint(_("Enter shows all runs."))
        else:
            self.show_hint(_("Enter shows the next page: {page}.", page=self._pages.get_tab(page).label_text))

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Render the image: its page had no size while it was hidden."""
        event.stop()
        self._update_hint()
        if event.pane.id == "page-images":
            self.call_after_refresh(self._images.render_current)

    # Keys

    def action_next_image(self) -> None:
        """Show the page of images, or its next image."""
        if self._pages.active == "page-images":
            self._images.change_image(1)
        else:
            self._pages.active = "page-images"

    def action_copy_path(self) -> None:
        """Copy the path of the best weights."""
        if self._run is not None:
            path = str(self._run.folder / BEST_WEIGHTS)
            self.app.copy_to_clipboard(path)
            self.notify(_("Copied: {path}", path=path), markup=False)

    def action_predict(self) -> None:
        """Show what the best weights detect in any images."""
        if self._run is not None:
            dialog = prediction_dialog(self._run.folder, self.state.data)
            if dialog is None:
                self.show_error(_(NO_WEIGHTS))
            else:
                self.app.push_screen(dialog)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter in the table does the same as elsewhere."""
        event.stop()
        self.action_forward()

    def action_forward(self) -> None:
        """Show the next page; after the last one, the Runs screen."""
        page = self._next_page()
        if page is None:
            self.wizard.show_screen("runs")
        elif page.id is not None:
            self._pages.active = page.id

    def help_text(self) -> str:
        """What the scores mean."""
        return "\n\n".join(
            (
                _(
                    "AP50 is the average precision of a class at 50 % overlap: the area under its precision-recall curve, where a detection is correct if it overlaps the true box by at least half (IoU 0.5). AP50-95 is the mean over overlaps from 50 % to 95 %, so it also measures how exact the boxes are. mAP is the mean over all classes."
                ),
                _(
                    "Precision: the share of detected boxes that are correct. Recall: the share of objects that are detected. F1 combines both; the confidence threshold with the best F1 is stored with the weights."
                ),
            )
        )


def _score_cells(score: ClassScore) -> Iterator[str]:
    """Blank for a class without boxes."""
    for value in (score.ap50, score.ap50_95, score.precision, score.recall, score.f1):
        yield f"{value:.3f}" if score.boxes else ""


def _evaluate(run: StoredRun, datasets: DatasetReader) -> RunReport:
    from engine.evaluation.run_report import run_report
    from engine.evaluation.zero_map_checks import TrainingFacts

    history = run.history
    frozen_only = history.stage is None or history.stage.stage == "freeze"
    facts = TrainingFacts(history.steps, history.advised_steps, frozen_only)
    return run_report(run.folder, facts, open_data=datasets.open)


def _describe_run(run: StoredRun) -> Content:
    summary, history = run.summary, run.history
    lines: list[Content] = []

    def add_line(label: str, value: str) -> None:
        lines.append(Content.assemble((f"{label}  ", "$text-muted"), value))

    add_line(_("run"), f"{printable(summary.name)}  {_('epoch {epochs}', epochs=format_epochs(summary))}")
    if (sentence := describe_run_end(summary)) != "":
        lines.append(Content.styled(sentence, "$warning"))
    for label, name in ((_("best weights"), BEST_WEIGHTS), (_("last weights"), LAST_WEIGHTS)):
        path = run.folder / name
        if path.is_file():
            add_line(label, format_size(path.stat().st_size))
            lines.append(Content(printable(path)))
        else:
            add_line(label, _("none yet; the first are saved after the first epoch"))
    if history.maps:
        epoch, map50, map50_95 = max(history.maps, key=lambda point: (point[1], point[2]))
        add_line(_("best mAP50"), f"{map50:.3f}  (mAP50-95 {map50_95:.3f}, {_('epoch {epochs}', epochs=epoch + 1)})")
    if history.lowest_loss is not None:
        epoch, loss = history.lowest_loss
        add_line(_("lowest val loss"), f"{loss:.4f}  ({_('epoch {epochs}', epochs=epoch + 1)})")
    return Content("\n").join(lines)


def _describe_checks(report: RunReport) -> Content:
    if not report.checks:
        return Content("")
    lines = [Content.styled(_("No objects are detected yet. Possible reasons:"), "bold")]
    for check in report.checks:
        mark, style = ("!", "$warning") if check.suspect else ("✓", "$text-muted")
        lines.append(Content.styled(f"{mark} {translate(check.message)}", style))
    return Content("\n").join(lines)


def _describe_next_steps(run: StoredRun) -> Content:
    weights, last_epoch = str(run.folder / BEST_WEIGHTS), run.history.last_epoch
    steps: list[tuple[str, Sequence[str]]] = [
        (
            _("Detect objects in your own images (here: key W):"),
            ("predict", "--weights", weights, "IMAGES", "--save", "detections"),
        ),
        (_("Evaluate it on a data set:"), ("evaluate", "--weights", weights, "--data", run.data)),
    ]
    if last_epoch is not None:
        extend = ("resume", run.summary.name, "--set", f"unfreeze_epoch={2 * (last_epoch + 1)}")
        steps.append((_("Train for more epochs (here: key E on the Runs screen):"), extend))
    lines: list[Content] = []
    for sentence, arguments in steps:
        command = printable(command_line(["freezetui", *arguments]))
        lines += [Content(sentence), Content.styled(f"  {command}", "$primary"), Content("")]
    return Content("\n").join(lines)
