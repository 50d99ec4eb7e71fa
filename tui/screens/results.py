"""The results of a run: an overview, weights, images, classes, curves, and the next steps."""

from __future__ import annotations

from collections.abc import Iterator
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
from engine.runs.folder import DETECTIONS
from tui.dialogs.prediction import NO_WEIGHTS, prediction_dialog
from tui.screens.base import WizardScreen
from tui.text import N_, _, ngettext
from tui.text.map_verdicts import describe_verdicts
from tui.text.mistake_kinds import KIND_EXPLANATIONS, KIND_NAMES
from tui.widgets.detection_images import DetectionImages
from tui.widgets.image_keys import IMAGE_BINDINGS, ImageKeys, image_keys_help
from tui.widgets.label import Label
from tui.widgets.result_overview import ResultOverview
from tui.widgets.run_description import describe_next_steps, describe_run
from tui.widgets.table import Table
from tui.widgets.training_curves import Curves
from tui.wizard.stored_run import StoredRun, read_stored_run, training_facts
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.metrics import ClassScore
    from engine.evaluation.mistakes import Kind
    from engine.evaluation.run_report import RunReport
    from tui.workers.wizard_protocol import Wizard


class ResultsScreen(ImageKeys, WizardScreen):
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
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next_image", N_("next image")),
        *IMAGE_BINDINGS,
        Binding("m", "next_kind", N_("mistakes")),
        Binding("w", "predict", N_("predict")),
        Binding("c", "copy_path", N_("copy path")),
    ]

    _pages = getters.query_one(TabbedContent)
    _overview = getters.query_one(ResultOverview)
    _reason = getters.query_one("#reason", Label)
    _about = getters.query_one("#about", Label)
    _images = getters.query_one("#images", DetectionImages)
    _kinds = getters.query_one("#kinds", Label)
    _scores_title = getters.query_one("#scores-title", Label)
    _scores = getters.query_one("#scores", Table)
    _curves = getters.query_one(Curves)
    _next_steps = getters.query_one("#what-next", Label)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._run: StoredRun | None = None
        self.report: RunReport | None = None
        self._kind: Kind | None = None
        self._run_query = LatestQuery[Path, StoredRun](
            self, lambda run: read_stored_run(run, wizard.workspace), self._show_run, self._show_run_error
        )
        self._report_query = LatestQuery[StoredRun, "RunReport"](
            self, lambda run: _evaluate(run, wizard.datasets), self._show_report, self._show_query_error
        )

    def compose_body(self) -> Iterator[Widget]:
        """Six pages."""
        with TabbedContent():
            with TabPane(_("Overview"), id="page-overview"):
                yield ResultOverview()
            with TabPane(_("Weights"), id="page-weights"), VerticalScroll(can_focus=False):
                yield Label(id="about")
            with TabPane(_("Images"), id="page-images"), Vertical():
                yield Label(id="kinds")
                yield DetectionImages(id="images")
            with TabPane(_("Classes"), id="page-classes"), Vertical():
                yield Label(id="scores-title")
                yield Table(id="scores")
            with TabPane(_("Curves"), id="page-curves"), Vertical():
                yield Curves()
            with TabPane(_("Next steps"), id="page-next"), VerticalScroll(can_focus=False):
                yield Label(id="what-next")

    def on_mount(self) -> None:
        """Read the run that the Train screen showed last."""
        columns = (N_("class"), N_("boxes"), "AP50", "AP50-95", N_("precision"), N_("recall"), "F1")
        self._scores.add_columns(*map(_, columns))
        self._update_hint()
        if self.state.run is None:
            self._overview.show_message(_("No runs yet."))
            self._about.update(_("No runs yet."))
            return
        self._overview.show_message(_("Reading ..."))
        self._run_query.submit(Path(self.state.run))

    # The run folder

    def _show_run(self, run: StoredRun) -> None:
        self._run = run
        self._reason.update(_("The best weights of {run}", run=printable(run.summary.name)))
        self._about.update(describe_run(run))
        self._curves.show(run.history, self.wizard.hardware)
        self._next_steps.update(describe_next_steps(run, self.wizard.workspace))
        if self.wizard.is_training:
            self._show_evaluation_status(_("The results are measured when the training has ended."))
        else:
            self._show_evaluation_status(_("Evaluating the best weights on the validation images ..."))
            self._report_query.submit(run)

    def _show_evaluation_status(self, status: str) -> None:
        self._overview.show_message(status)
        self._scores_title.update(status)
        self._images.show_message(status)

    def _show_run_error(self, error: BadInput) -> None:
        self._show_query_error(error)
        self._overview.show_message(_("The run that was shown last no longer exists."))

    def _show_query_error(self, error: BadInput) -> None:
        self.show_bad_input(error)
        self._overview.show_message(_("There are no results to show."))
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
        if self._run is not None:
            folder = self._run.folder / DETECTIONS
            self._overview.show_report(report, self._run.history.maps, folder)
            self._show_kind(None)

    def _show_kind(self, kind: Kind | None) -> None:
        """Show the images with mistakes of one kind, or all images."""
        if self.report is None or self._run is None:
            return
        report, self._kind = self.report, kind
        images = report.images if kind is None else report.images_by_kind[kind]
        self._kinds.update(_describe_kinds(report, kind))
        self._images.show_images(
            len(images),
            lambda index: report.prediction_of(images[index]),
            threshold=report.threshold,
            save_folder=self._run.folder / DETECTIONS,
        )

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

    def shown_images(self) -> DetectionImages | None:
        """Those of the overview or of the page of images."""
        if not self.is_mounted:
            return None
        return {"page-overview": self._overview.images, "page-images": self._images}.get(self._pages.active)

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Render the image: its page had no size while it was hidden."""
        event.stop()
        self._update_hint()
        self.refresh_bindings()
        if (images := self.shown_images()) is not None:
            self.call_after_refresh(images.render_current)

    # Keys

    def action_next_image(self) -> None:
        """Show the next image; on a page without images, the page of images."""
        if (images := self.shown_images()) is not None:
            images.change_image(1)
        else:
            self._pages.active = "page-images"

    def action_next_kind(self) -> None:
        """Show the images of the next kind of mistake that was made; after the last one all images."""
        if self.report is not None:
            kinds = [None, *self.report.images_by_kind]
            self._show_kind(kinds[(kinds.index(self._kind) + 1) % len(kinds)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The key of the kinds works on the page of images."""
        if action == "next_kind":
            is_shown = self.is_mounted and self._pages.active == "page-images"
            return is_shown and self.report is not None and bool(self.report.images_by_kind)
        return super().check_action(action, parameters)

    def action_copy_path(self) -> None:
        """Copy the path of the best weights."""
        if self._run is not None:
            path = str(self._run.best_weights)
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
        """What the scores mean, and what the keys of the images do."""
        return "\n\n".join(
            (
                _(
                    "AP50 is the average precision of a class at 50 % overlap: the area under its precision-recall curve, where a detection is correct if it overlaps the true box by at least half (IoU 0.5). AP50-95 is the mean over overlaps from 50 % to 95 %, so it also measures how exact the boxes are. mAP is the mean over all classes."
                ),
                describe_verdicts(),
                _(
                    "Precision: the share of detected boxes that are correct. Recall: the share of objects that are detected. F1 combines both; the confidence threshold with the best F1 is stored with the weights."
                ),
                _(
                    "Whatever a training computes in, its weights are evaluated in fp32: during the training, here and by the commands. So the same weights have the same scores everywhere."
                ),
                image_keys_help(),
                _("M shows the images with one kind of mistake after another; those with the most are first."),
                "\n".join(f"{_(KIND_NAMES[kind])}: {_(meaning)}" for kind, meaning in KIND_EXPLANATIONS.items()),
            )
        )


def _describe_kinds(report: RunReport, shown: Kind | None) -> Content:
    """The kinds of mistakes that were made with their numbers; the one that is shown stands out."""
    kinds: list[tuple[Kind | None, str]] = [(None, _("all images"))]
    kinds.extend((kind, f"{_(KIND_NAMES[kind])} {report.kinds[kind]}") for kind in report.images_by_kind)
    styled = (Content.styled(text, "reverse" if kind == shown else "$text-muted") for kind, text in kinds)
    return Content("  ").join(styled)


def _score_cells(score: ClassScore) -> Iterator[str]:
    """Blank for a class without boxes."""
    for value in (score.ap50, score.ap50_95, score.precision, score.recall, score.f1):
        yield f"{value:.3f}" if score.boxes else ""


def _evaluate(run: StoredRun, datasets: DatasetReader) -> RunReport:
    from engine.evaluation.run_report import run_report

    return run_report(run.folder, training_facts(run), open_data=datasets.open)
