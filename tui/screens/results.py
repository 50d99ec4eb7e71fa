"""What came out of a training: weights, curves, classes, pictures, and what to do next."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, TabbedContent, TabPane

from engine.messages import BadInput, printable
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS, RunSummary, find_run, read_events, summarize_run
from tui.dialogs.prediction import NO_WEIGHTS, prediction_dialog
from tui.screens.base import WizardScreen
from tui.text import N_, _, ngettext, translate
from tui.text.run_states import epochs_of, what_happened
from tui.text.sizes import gibibytes
from tui.widgets.detection_images import DetectionImages
from tui.widgets.label import Label
from tui.widgets.table import Table
from tui.widgets.training_panel import Curves
from tui.wizard.run_history import RunHistory
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from engine.evaluation.metrics import ClassScore
    from engine.evaluation.run_report import RunReport


@dataclass(frozen=True, slots=True)
class RunLooked:
    """What a run's folder tells at once."""

    run: Path
    summary: RunSummary
    course: RunHistory
    data: str


class ResultsScreen(WizardScreen):
    """What came out of the training."""

    place: ClassVar[str] = "results"
    heading: ClassVar[str] = N_("What it has learned")
    reason: ClassVar[str] = N_("The best weights are chosen by mAP where it was measured.")

    DEFAULT_CSS = """
    ResultsScreen #body { padding-top: 0; }
    ResultsScreen TabbedContent { height: 1fr; }
    ResultsScreen TabPane { padding: 0; }
    ResultsScreen Label { height: auto; }
    ResultsScreen .label { color: $text-muted; }
    ResultsScreen DetectionImages { height: 1fr; }
    ResultsScreen Curve { height: 2; }
    ResultsScreen.-high Curve { height: 3; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy_path", N_("copy path")),
        Binding("n", "next_picture", N_("next picture")),
        Binding("w", "predict", N_("predict")),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._looked_at: RunLooked | None = None
        self._outcome: RunReport | None = None
        self._look = LatestQuery(self, _look, self._show_run, self._refused)
        self._judge = LatestQuery(self, _judge, self._show_outcome, self._refused)

    def compose_body(self) -> Iterator[Widget]:
        """Five pages."""
        with TabbedContent():
            with TabPane(_("Weights"), id="page-weights"), VerticalScroll(can_focus=False):
                yield Label(id="about")
                yield Label(id="checks")
            with TabPane(_("Pictures"), id="page-pictures"):
                yield DetectionImages()
            with TabPane(_("Classes"), id="page-classes"), Vertical():
                yield Label(id="scored")
                yield Table(id="scores")
            with TabPane(_("Curves"), id="page-curves"), Vertical():
                yield Curves()
            with TabPane(_("Next"), id="page-next"), VerticalScroll(can_focus=False):
                yield Label(id="next")

    def on_mount(self) -> None:
        """Look at the run that Train showed last."""
        self.query_one("#scores", Table).add_columns(
            *(_(name) for name in (N_("class"), N_("boxes"), "AP50", "AP50-95", N_("precision"), N_("recall"), "F1"))
        )
        self._suggest()
        if self.state.run is None:
            self.query_one("#about", Label).say(_("Nothing has been trained here yet."))
            return
        self.query_one("#about", Label).say(_("Reading ..."))
        self._look.ask((Path(self.state.run), self.wizard.workspace))

    def _refused(self, error: BadInput) -> None:
        self.show_refusal(error)
        self.query_one(DetectionImages).say(_("There is no picture to show."))

    # The run's folder

    def _show_run(self, looked: RunLooked) -> None:
        self._looked_at = looked
        self.query_one("#about", Label).say(_about(looked))
        self.query_one(Curves).show(looked.course, self.wizard.hardware)
        self.query_one("#next", Label).say(_next_steps(looked))
        waits = _("It is measured once more when the training has ended.")
        if self.wizard.training.alive:
            self.query_one("#scored", Label).say(waits)
            self.query_one(DetectionImages).say(waits)
            return
        working = _("The best weights look at the validation pictures ...")
        self.query_one("#scored", Label).say(working)
        self.query_one(DetectionImages).say(working)
        self._judge.ask(looked)

    # What the weights find

    def _show_outcome(self, outcome: RunReport) -> None:
        self._outcome = outcome
        scores = outcome.scores
        self.query_one("#scored", Label).say(
            ngettext(
                "{count} picture ({split}): mAP50 {map50}, mAP50-95 {map}; the rest at threshold {threshold}",
                "{count} pictures ({split}): mAP50 {map50}, mAP50-95 {map}; the rest at threshold {threshold}",
                scores.images,
                split=outcome.split,
                map50=f"{scores.map50:.3f}",
                map=f"{scores.map50_95:.3f}",
                threshold=f"{scores.threshold:.2f}",
            )
        )
        self.query_one("#scores", Table).fill(
            (printable(name), str(one.boxes), *_values(one)) for name, one in scores.per_class.items()
        )
        checks = self.query_one("#checks", Label)
        checks.say(_checklist(outcome))
        checks.display = bool(outcome.checks)
        self.query_one(DetectionImages).browse(len(outcome.predictions), outcome.predictions.__getitem__)

    def _next_page(self) -> TabPane | None:
        """The page that Enter shows; None on the last, and where nothing was trained."""
        if self.state.run is None:
            return None
        tabs = self.query_one(TabbedContent)
        pages = list(tabs.query(TabPane))
        shown = next((number for number, page in enumerate(pages) if page.id == tabs.active), 0)
        return pages[shown + 1] if shown + 1 < len(pages) else None

    def _suggest(self) -> None:
        page = self._next_page()
        self.suggest(
            _("Enter shows all runs.")
            if page is None
            else _("Enter shows the next page: {page}.", page=self.query_one(TabbedContent).get_tab(page).label_text)
        )

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """A page that was hidden has had no size."""
        event.stop()
        self._suggest()
        if event.pane.id == "page-pictures":
            self.call_after_refresh(self.query_one(DetectionImages).ask)

    # Keys

    def action_next_picture(self) -> None:
        """The next picture; the page comes forward where it is hidden."""
        tabs = self.query_one(TabbedContent)
        if tabs.active == "page-pictures":
            self.query_one(DetectionImages).turn(1)
        else:
            tabs.active = "page-pictures"

    def action_copy_path(self) -> None:
        """The path of the best weights, for another program."""
        if self._looked_at is None:
            return
        path = str(self._looked_at.run / BEST_WEIGHTS)
        self.app.copy_to_clipboard(path)
        self.notify(_("Copied: {path}", path=path), markup=False)

    def action_predict(self) -> None:
        """The best weights at work on the user's own pictures."""
        if self._looked_at is not None:
            dialog = prediction_dialog(self._looked_at.run, self.state.data)
            if dialog is None:
                self.show_error(_(NO_WEIGHTS))
            else:
                self.app.push_screen(dialog)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter in the table means what it means elsewhere."""
        event.stop()
        self.action_forward()

    def action_forward(self) -> None:
        """Page by page; after the last, all runs."""
        page = self._next_page()
        if page is None:
            self.wizard.go_to("runs")
        elif page.id is not None:
            self.query_one(TabbedContent).active = page.id

    def explain(self) -> str:
        """What the figures mean."""
        return "\n\n".join(
            (
                _(
                    "AP50 is the share of a class's objects that are found, over all thresholds, where a box counts that overlaps the true one by half; AP50-95 asks for ever more exact boxes."
                ),
                _(
                    "Precision: how many of the boxes it draws are right. Recall: how many of the objects it finds. F1 is between the two; the threshold where it is best comes with the weights."
                ),
            )
        )


def _values(score: ClassScore) -> Iterator[str]:
    """Blank where there was nothing to find."""
    for value in (score.ap50, score.ap50_95, score.precision, score.recall, score.f1):
        yield f"{value:.3f}" if score.boxes else ""


def _look(asked: tuple[Path, Path]) -> RunLooked:
    named, workspace = asked
    run = find_run(named, workspace)
    from engine.runs.folder import load_plan

    return RunLooked(run, summarize_run(run), RunHistory().take_all(read_events(run)), load_plan(run).data.path)


def _judge(looked: RunLooked) -> RunReport:
    from engine.evaluation.run_report import Trained, run_report

    course = looked.course
    frozen_only = course.stage is None or course.stage.stage == "freeze"
    return run_report(looked.run, Trained(course.steps, course.advised_steps, frozen_only))


def _about(looked: RunLooked) -> Content:
    run, summary, course = looked.run, looked.summary, looked.course
    lines: list[Content | str] = []

    def line(label: str, value: str) -> None:
        lines.append(Content.assemble((f"{label}  ", "$text-muted"), value))

    line(_("run"), f"{printable(summary.name)}  {_('epoch {epochs}', epochs=epochs_of(summary))}")
    if (sentence := what_happened(summary)) != "":
        lines.append(Content.styled(sentence, "$warning"))
    for label, name in ((_("best weights"), BEST_WEIGHTS), (_("last weights"), LAST_WEIGHTS)):
        path = run / name
        line(label, _sized(path) if path.is_file() else _("none yet; the first come after the first epoch"))
        if path.is_file():
            lines.append(Content(printable(path)))
    if course.maps:
        epoch, map50, map50_95 = max(course.maps, key=lambda point: (point[1], point[2]))
        line(_("best mAP50"), f"{map50:.3f}  (mAP50-95 {map50_95:.3f}, {_('epoch {epochs}', epochs=epoch + 1)})")
    if course.best is not None:
        line(_("least val loss"), f"{course.best[1]:.4f}  ({_('epoch {epochs}', epochs=course.best[0] + 1)})")
    return Content("\n").join(lines)


def _sized(path: Path) -> str:
    return gibibytes(path.stat().st_size) if path.stat().st_size > 2**30 else f"{path.stat().st_size / 1e6:.1f} MB"


def _checklist(outcome: RunReport) -> Content:
    if not outcome.checks:
        return Content("")
    lines = [Content.styled(_("It finds nothing yet. What may be the reason:"), "bold")]
    for check in outcome.checks:
        mark, style = ("!", "$warning") if check.suspect else ("✓", "$text-muted")
        lines.append(Content.styled(f"{mark} {translate(check.message)}", style))
    return Content("\n").join(lines)


def _next_steps(looked: RunLooked) -> Content:
    weights, data = str(looked.run / BEST_WEIGHTS), looked.data
    last = looked.course.last_epoch
    steps: list[tuple[str, Sequence[str]]] = [
        (
            _("Find objects in your own pictures (W does it here):"),
            ("predict", "--weights", weights, "PICTURES", "--save", "found"),
        ),
        (_("Measure it on other data:"), ("evaluate", "--weights", weights, "--data", data)),
    ]
    if last is not None:
        words = ("resume", looked.summary.name, "--set", f"unfreeze_epoch={2 * (last + 1)}")
        steps.append((_("Train it for more epochs (Runs does it too):"), words))
    lines: list[Content] = []
    for sentence, arguments in steps:
        lines += [Content(sentence), Content.styled(f"  freezetui {_as_typed(arguments)}", "$primary"), Content("")]
    return Content("\n").join(lines)


def _as_typed(words: Sequence[str]) -> str:
    """As a command line of this system's own shell."""
    return printable(subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words))
