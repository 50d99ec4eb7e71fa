"""The results of a run: an overview, weights, images, classes, curves, and the next steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, TabbedContent, TabPane

from engine.messages import BadInput, printable
from engine.planning.request import DatasetReader
from engine.runs.folder import DETECTIONS
from tui.dialogs.label_images import LabelImagesDialog
from tui.dialogs.prediction import NO_WEIGHTS, prediction_dialog
from tui.screens.base import WizardScreen, described
from tui.text import N_, _
from tui.text.mistake_kinds import KIND_NAMES
from tui.widgets.detection_images import DetectionImages
from tui.widgets.image_keys import IMAGE_BINDINGS, ImageKeys, image_keys_help
from tui.widgets.label import Label
from tui.widgets.result_classes import ResultClasses
from tui.widgets.result_curves import ResultCurves
from tui.widgets.result_overview import ResultOverview
from tui.widgets.run_description import describe_next_steps, describe_run
from tui.wizard.labelling_text import describe_enlarged
from tui.wizard.results_help import results_help
from tui.wizard.stored_run import StoredRun, read_stored_run, training_facts
from tui.wizard.train_again import start_from_run
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.labelling.enlarged_dataset import EnlargedDataset
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
        Binding("v", "next_view", N_("next view")),
        Binding("w", "predict", N_("predict")),
        Binding("l", "label", N_("label")),
        Binding("c", "copy_path", N_("copy path")),
        Binding("down", "scroll_page(1)", show=False),
        Binding("up", "scroll_page(-1)", show=False),
    ]

    _pages = getters.query_one(TabbedContent)
    _overview = getters.query_one(ResultOverview)
    _reason = getters.query_one("#reason", Label)
    _about = getters.query_one("#about", Label)
    _images = getters.query_one("#images", DetectionImages)
    _kinds = getters.query_one("#kinds", Label)
    _classes_page = getters.query_one(ResultClasses)
    _curves = getters.query_one(ResultCurves)
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
            with TabPane(_("Classes"), id="page-classes"):
                yield ResultClasses()
            with TabPane(_("Curves"), id="page-curves"), Vertical():
                yield ResultCurves()
            with TabPane(_("Next steps"), id="page-next"), VerticalScroll(can_focus=False):
                yield Label(id="what-next")

    def on_mount(self) -> None:
        """Read the run that the Train screen showed last."""
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
        self._curves.show_training(run.history, self.wizard.hardware)
        self._next_steps.update(describe_next_steps(run, self.wizard.workspace))
        if self.wizard.is_training:
            self._show_evaluation_status(_("The results are measured when the training has ended."))
        else:
            self._show_evaluation_status(_("Evaluating the best weights on the validation images ..."))
            self._report_query.submit(run)

    def _show_evaluation_status(self, status: str) -> None:
        self._overview.show_message(status)
        self._classes_page.show_message(status)
        self._images.show_message(status)
        self._curves.show_message(status)

    def _show_run_error(self, error: BadInput) -> None:
        self._show_query_error(error)
        self._overview.show_message(_("The run that was shown last no longer exists."))

    def _show_query_error(self, error: BadInput) -> None:
        self.show_bad_input(error)
        self._overview.show_message(_("There are no results to show."))
        self._classes_page.show_message("")
        self._images.show_message(_("There are no images to show."))
        self._curves.show_message(_("There are no results to show."))

    # The evaluation

    def _show_report(self, report: RunReport) -> None:
        self.report = report
        self._classes_page.show_report(report)
        self._curves.show_report(report)
        self.refresh_bindings()
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
            kind=kind,
        )
        self._images.show_labels(kind == "missed")  # these are boxes of labels

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
        """Show the next image; on the page of curves the next class; on another page without images, the page of images."""
        if (images := self.shown_images()) is not None:
            images.change_image(1)
        elif self._shows_classes:
            self._curves.next_class()
        else:
            self._pages.active = "page-images"

    def action_next_view(self) -> None:
        """Show other curves."""
        self._curves.next_view()
        self.refresh_bindings()

    def action_scroll_page(self, lines: int) -> None:
        """Scroll a page of text that is longer than the window."""
        if (pane := self._pages.active_pane) is not None:
            for area in pane.query(VerticalScroll):
                area.scroll_relative(y=lines, animate=False)

    def action_next_kind(self) -> None:
        """Show the images of the next kind of mistake that was made; after the last one all images."""
        if self.report is not None:
            kinds = [None, *self.report.images_by_kind]
            self._show_kind(kinds[(kinds.index(self._kind) + 1) % len(kinds)])

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """What N and Enter do depends on the page."""
        bindings = super().active_bindings
        descriptions = {}
        if self._shows_classes:
            descriptions["n"] = _("next class")
        elif self.shown_images() is None:
            descriptions["n"] = _("images")
        if self.is_mounted and self._next_page() is None:
            descriptions["enter"] = _("runs")
        return described(bindings, descriptions)

    @property
    def _shows_classes(self) -> bool:
        return self.is_mounted and self._pages.active == "page-curves" and self._curves.has_classes

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that do something on one page only."""
        if action == "next_kind":
            is_shown = self.is_mounted and self._pages.active == "page-images"
            return is_shown and self.report is not None and bool(self.report.images_by_kind)
        if action == "next_view":
            return self.is_mounted and self._pages.active == "page-curves"
        if action == "copy_path":
            return self.is_mounted and self._run is not None and self._pages.active in ("page-overview", "page-weights")
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

    def action_label(self) -> None:
        """Label new images with the best weights."""
        run, report = self._run, self.report
        if run is None or not run.best_weights.is_file():
            self.show_error(_(NO_WEIGHTS))
        elif self.wizard.is_training:
            self.show_error(_("Images can be labelled when the training has ended."))
        else:
            best = {} if report is None else report.class_thresholds()
            dialog = LabelImagesDialog(self.wizard, run, None if report is None else report.threshold, best)
            self.app.push_screen(dialog, self._train_again)

    def _train_again(self, enlarged: EnlargedDataset | None) -> None:
        """Open the steps of a training on the enlarged data set that starts from the best weights."""
        if enlarged is None or self._run is None:
            return
        try:
            start_from_run(self.state, self._run, enlarged.folder)
        except BadInput as error:
            self.show_bad_input(error)
            return
        self.notify(describe_enlarged(enlarged), markup=False, timeout=15)
        self.wizard.show_screen("data")

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
        """What the scores mean, and what the keys do."""
        return results_help(image_keys_help())


def _describe_kinds(report: RunReport, shown: Kind | None) -> Content:
    """The kinds of mistakes that were made with their numbers; the one that is shown stands out."""
    kinds: list[tuple[Kind | None, str]] = [(None, _("all images"))]
    kinds.extend((kind, f"{_(KIND_NAMES[kind])} {report.kinds[kind]}") for kind in report.images_by_kind)
    styled = (Content.styled(text, "reverse" if kind == shown else "$text-muted") for kind, text in kinds)
    return Content("  ").join(styled)


def _evaluate(run: StoredRun, datasets: DatasetReader) -> RunReport:
    from engine.evaluation.run_report import run_report

    return run_report(run.folder, training_facts(run), open_data=datasets.open)
