"""The list of what is in logs/, and what can be done with each run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import DataTable

from engine.messages import printable
from engine.runs.delete import delete_run
from engine.runs.folder import RunSummary, list_runs
from tui.dialogs.compare_runs import CompareRunsDialog
from tui.dialogs.confirm import ConfirmDialog
from tui.dialogs.number_prompt import more_epochs
from tui.dialogs.prediction import NO_WEIGHTS, prediction_dialog
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.text.events import STAGES
from tui.text.run_states import STATES, epochs_of, what_happened, what_resuming_does
from tui.widgets.label import Label
from tui.widgets.table import Table
from tui.workers.latest_query import LatestQuery

PERIOD = 5.0
"""Seconds between two looks at logs/: other processes train there too."""
KEYS = frozenset({"forward", "extend", "delete", "compare", "predict", "show_results"})
MARK = "●"


class RunsScreen(WizardScreen):
    """The list of what is in logs/."""

    place: ClassVar[str] = "runs"
    heading: ClassVar[str] = N_("Runs")
    reason: ClassVar[str] = N_("Every training is kept in a folder of its own, complete in itself.")

    DEFAULT_CSS = """
    RunsScreen #about-run { height: auto; padding-top: 1; }
    RunsScreen #about-run Label { height: auto; }
    RunsScreen #run-path { color: $text-muted; }
    RunsScreen #run-happened { color: $warning; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "extend", N_("extend")),
        Binding("v", "show_results", N_("results")),
        Binding("w", "predict", N_("predict")),
        Binding("m", "compare", N_("compare")),
        Binding("d", "delete", N_("delete")),
        Binding("c", "copy_path", N_("copy path")),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[str, RunSummary] = {}
        self._compared: str | None = None
        """The run that another will be compared with."""
        self._list = LatestQuery(self, list_runs, self._show, self.show_refusal)
        self._remove = LatestQuery(self, self._deleted, self._show, self.show_refusal)

    def compose_body(self) -> Iterator[Widget]:
        """The list, and below it more about the one run that is marked."""
        yield Table(id="list")
        with Vertical(id="about-run"):
            yield Label(id="run-happened")
            yield Label(id="run-next")
            yield Label(id="run-path")

    def on_mount(self) -> None:
        """Read logs/."""
        table = self.query_one("#list", Table)
        table.add_columns(
            "", *(_(name) for name in (N_("run"), N_("state"), N_("stage"), N_("epoch"), "mAP50", N_("val loss")))
        )
        table.focus()
        self.query_one("#run-next", Label).say(_("Reading ..."))
        self._read()
        self.set_interval(PERIOD, self._read)

    def _read(self) -> None:
        if not self._list.pending:
            self._list.ask(self.wizard.workspace)

    def _deleted(self, run: Path) -> tuple[RunSummary, ...]:
        delete_run(run)
        return list_runs(self.wizard.workspace)

    # What is shown

    def _show(self, runs: tuple[RunSummary, ...]) -> None:
        """The newest first; the mark stays on the run where it was."""
        if not self.is_mounted:
            return
        shown = {run.name: run for run in reversed(runs)}
        if shown == self._runs and shown:
            return
        if self._compared not in shown:
            self._compared = None
        self._fill(shown)

    def _fill(self, shown: dict[str, RunSummary]) -> None:
        marked = self.marked
        table = self.query_one("#list", Table)
        table.fill((MARK if name == self._compared else "", *_row(run)) for name, run in shown.items())
        if marked is not None and marked.name in shown:
            table.move_cursor(row=list(shown).index(marked.name))
        self._runs = shown
        self._show_marked()

    @property
    def marked(self) -> RunSummary | None:
        """The run under the cursor."""
        number = self.query_one("#list", Table).cursor_row
        runs = list(self._runs.values())
        return runs[number] if 0 <= number < len(runs) else None

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Another run is marked."""
        event.stop()
        self._show_marked()

    def _show_marked(self) -> None:
        run = self.marked
        happened = self.query_one("#run-happened", Label)
        if run is None:
            self.query_one("#run-next", Label).say(_("Nothing has been trained here yet."))
            self.query_one("#run-path", Label).say("")
            happened.display = False
            self.suggest("")
            return
        happened.say(what_happened(run))
        happened.display = bool(happened.content)
        self.query_one("#run-next", Label).say(what_resuming_does(run))
        began = "" if run.started is None else time.strftime("%Y-%m-%d %H:%M  ", time.localtime(run.started))
        self.query_one("#run-path", Label).say(began + printable(run.path))
        self.suggest(_("Enter goes on with it.") if run.resumable else _("Enter shows the results."))
        self.show_error("")

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """Six keys at most below."""
        found = {
            key: active._replace(
                binding=replace(active.binding, show=active.binding.show and active.binding.action in KEYS)
            )
            for key, active in super().active_bindings.items()
        }
        if (enter := found.pop("enter", None)) is not None:
            # The list takes Enter for itself and hands it on.
            found = {
                "enter": enter._replace(binding=replace(enter.binding, description=_("go on"), show=True)),
                **found,
            }
        return found

    # Keys

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a second click."""
        event.stop()
        self.action_forward()

    def action_forward(self) -> None:
        """Go on with the marked run where that can be; else show what came out of it."""
        run = self.marked
        if run is None:
            self.action_back()
        elif run.resumable:
            self._train(run)
        else:
            self.action_show_results()

    def action_back(self) -> None:
        """Where one came from."""
        self.wizard.back_to_path()

    def action_show_results(self) -> None:
        """What came out of the marked run; the one that trains here is shown live."""
        run = self.marked
        if run is None:
            return
        self.state.run = run.path
        self.wizard.go_to("train" if self._is_here(run) else "results")

    def action_extend(self) -> None:
        """Ask for more epochs, then train them."""
        run = self.marked
        if run is None or run.last_epoch is None:
            return
        if self._busy(run):
            return
        self.app.push_screen(
            more_epochs(run.last_epoch + 1), lambda more: None if more is None else self._train(run, more)
        )

    def _train(self, run: RunSummary, epochs: int | None = None) -> None:
        if self._busy(run):
            return
        self.state.run = run.path
        if epochs is None:
            self.wizard.training.go_on(Path(run.path))
        else:
            self.wizard.training.resume(Path(run.path), {"unfreeze_epoch": epochs})
        self.wizard.go_to("train")

    def action_predict(self) -> None:
        """Its best weights at work on the user's own pictures."""
        if (run := self.marked) is not None:
            dialog = prediction_dialog(Path(run.path), self.state.data)
            if dialog is None:
                self.show_error(_(NO_WEIGHTS))
            else:
                self.app.push_screen(dialog)

    def action_compare(self) -> None:
        """The first run is remembered, the second stands beside it."""
        run = self.marked
        if run is None:
            return
        before, self._compared = self._compared, None
        if before is None:
            self._compared = run.name
            self.show_error(_("Go to another run and press M again to compare it with {run}.", run=run.name))
        elif before != run.name:
            self.app.push_screen(CompareRunsDialog((Path(self._runs[before].path), Path(run.path))))
        self._fill(self._runs)

    def action_delete(self) -> None:
        """Ask, then remove the folder."""
        run = self.marked
        if run is None:
            return
        if run.state == "running":
            self.show_error(_("It trains now; stop it before anything else is done with it."))
            return
        self.app.push_screen(
            ConfirmDialog(
                _("Delete {run}?", run=run.name),
                _("Its weights, checkpoints and curves are removed from the disk and cannot be brought back."),
                deed=_("Delete"),
                key="d",
                else_=_("Keep it"),
            ),
            lambda sure: self._delete(run) if sure else None,
        )

    def _delete(self, run: RunSummary) -> None:
        if self.state.run == run.path:
            self.state.run = None
        self._list.drop()
        self._remove.ask(Path(run.path))

    def action_copy_path(self) -> None:
        """The path of the run's folder."""
        if (run := self.marked) is not None:
            self.app.copy_to_clipboard(run.path)
            self.notify(_("Copied: {path}", path=run.path), markup=False)

    def _busy(self, run: RunSummary) -> bool:
        """Whether something trains that stands in the way; says so."""
        if run.state == "running":
            self.show_error(_("It trains now; stop it before anything else is done with it."))
        elif self.wizard.training.alive:
            self.show_error(_("Another training runs in this wizard; stop it first (Train, S)."))
        else:
            return False
        return True

    def _is_here(self, run: RunSummary) -> bool:
        training = self.wizard.training
        return training.alive and training.run is not None and training.run == Path(run.path)

    def explain(self) -> str:
        """What can be done here."""
        return "\n\n".join(
            (
                _(self.reason),
                _(
                    "Going on is exact: the run ends as if it had never been interrupted. Extending is another thing: it rebuilds the learning rate's schedule over the new length."
                ),
                _(
                    "W lets its best weights look at pictures of yours. M compares two runs. C copies the path of its folder. Esc leads back."
                ),
                _(
                    "A run that was killed by the machine has lost the steps since its last checkpoint, which is never older than three minutes or an epoch."
                ),
            )
        )


def _row(run: RunSummary) -> tuple[str, ...]:
    best_map = "" if run.best_map50 is None else f"{run.best_map50:.3f}"
    best_loss = "" if run.best_val_loss is None else f"{run.best_val_loss:.4f}"
    stage = "" if run.stage is None else _(STAGES.get(run.stage, run.stage))
    return (printable(run.name), _(STATES[run.state]), stage, epochs_of(run), best_map, best_loss)
