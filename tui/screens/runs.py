"""The runs in logs/, and what can be done with each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.binding import ActiveBinding, Binding, BindingType
from textual.widget import Widget
from textual.widgets import DataTable

from engine.runs.delete import delete_run
from engine.runs.live import other_trainings
from engine.runs.note import write_note
from engine.runs.summary import RunSummary, list_runs
from tui.dialogs.compare_runs import CompareRunsDialog
from tui.dialogs.confirm import ConfirmDialog
from tui.dialogs.number_prompt import epochs_prompt
from tui.dialogs.prediction import NO_WEIGHTS, prediction_dialog
from tui.dialogs.run_note import RunNoteDialog
from tui.dialogs.second_training import second_training_dialog
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.widgets.run_cells import WIDE, run_cells, run_columns
from tui.widgets.run_details import RunDetails
from tui.widgets.table import Table
from tui.workers.latest_query import LatestQuery

if TYPE_CHECKING:
    from tui.workers.wizard_protocol import Wizard

PERIOD = 5.0
"""Seconds between two reads of logs/: other processes may train there."""
FOOTER_ACTIONS = frozenset(
    {"extend", "delete", "compare", "predict", "show_results", "edit_note", "back", "app.show_help"}
)
HIDDEN_ACTIONS_OF_NARROW = frozenset({"delete", "predict"})
"""What the footer has no room for at 80 columns."""
RUN_ACTIONS = frozenset({"extend", "delete", "compare", "predict", "show_results", "edit_note", "copy_path"})
"""The actions that need a run under the cursor."""
STOPPED_RUN_ACTIONS = frozenset({"extend", "delete"})
"""The actions that need a run that no process trains."""
COMPARE_MARK = "●"


class RunsScreen(WizardScreen):
    """A table of all runs, newest first; the keys act on the run under the cursor."""

    screen_name: ClassVar[str] = "runs"
    heading: ClassVar[str] = N_("Runs")
    reason: ClassVar[str] = N_("Every run has a folder of its own with all its files.")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "extend", N_("extend")),
        Binding("v", "show_results", N_("results")),
        Binding("w", "predict", N_("predict")),
        Binding("m", "compare", N_("compare")),
        Binding("n", "edit_note", N_("note")),
        Binding("d", "delete", N_("delete")),
        Binding("c", "copy_path", N_("copy path")),
    ]

    _table = getters.query_one(Table)
    _details = getters.query_one(RunDetails)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._runs: dict[str, RunSummary] = {}
        """By name, in the order of the table."""
        self._run_to_compare: str | None = None
        """The first of two runs to compare."""
        self._shown_run: RunSummary | None = None
        """The run whose details are shown."""
        self._columns: tuple[str, ...] = ()
        self._list_query = LatestQuery(self, list_runs, self._show_runs, self.show_bad_input)
        self._delete_query = LatestQuery(self, self._delete_and_list, self._show_runs, self.show_bad_input)

    def compose_body(self) -> Iterator[Widget]:
        """The table, and details of the run under the cursor."""
        yield Table()
        yield RunDetails()

    def on_mount(self) -> None:
        """Read logs/ now and from time to time."""
        self._set_columns()
        self._table.focus()
        self._details.show_message(_("Reading ..."))
        self._read()
        self.set_interval(PERIOD, self._read)

    def on_resize(self) -> None:
        """Show the columns for which there is room."""
        if self.is_mounted and self._columns != run_columns(self.size.width):
            self._set_columns()
            self._fill_table(self._runs)

    def _set_columns(self) -> None:
        self._columns = run_columns(self.size.width)
        self._table.clear(columns=True)
        self._table.add_columns("", *map(_, self._columns))

    def _read(self) -> None:
        if not self._list_query.is_pending:
            self._list_query.submit(self.wizard.workspace)

    def _delete_and_list(self, run: Path) -> tuple[RunSummary, ...]:
        """In a thread."""
        delete_run(run)
        return list_runs(self.wizard.workspace)

    # The table

    def _show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        if not self.is_mounted:
            return
        newest_first = {run.name: run for run in reversed(runs)}
        if newest_first == self._runs and newest_first:
            return
        if self._run_to_compare not in newest_first:
            self._run_to_compare = None
        if list(newest_first) == list(self._runs):
            self._update_table(newest_first)
        else:
            self._fill_table(newest_first)

    def _update_table(self, runs: dict[str, RunSummary]) -> None:
        """Change the rows of runs that have changed: in a training, usually one row of many."""
        changed = [index for index, (name, run) in enumerate(runs.items()) if run != self._runs[name]]
        self._runs = runs
        for index in changed:
            self._table.set_row(index, self._row(list(runs.values())[index]))
        self._show_current_run()

    def _row(self, run: RunSummary) -> tuple[str, ...]:
        cells = run_cells(run)
        mark = COMPARE_MARK if run.name == self._run_to_compare else ""
        return (mark, *(cells[column] for column in self._columns))

    def _fill_table(self, runs: dict[str, RunSummary]) -> None:
        """Replace all rows; the cursor stays on its run."""
        current = self.current_run
        self._table.fill(map(self._row, runs.values()))
        if current is not None and current.name in runs:
            self._table.move_cursor(row=list(runs).index(current.name))
        self._runs = runs
        self._show_current_run()

    @property
    def current_run(self) -> RunSummary | None:
        """The run under the cursor."""
        runs = list(self._runs.values())
        row = self._table.cursor_row
        return runs[row] if 0 <= row < len(runs) else None

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show details of the run."""
        event.stop()
        self._show_current_run()

    def _show_current_run(self) -> None:
        run = self.current_run
        previous, self._shown_run = self._shown_run, run
        if run is None:
            self._details.show_message(_("No runs yet."))
            self.show_hint("")
        else:
            self._details.show(run)
            self.show_hint(self._enter_text(run))
            if previous is None or run.name != previous.name:  # an error is about the run before
                self.show_error("")
        if (previous and (previous.name, previous.state)) != (run and (run.name, run.state)):
            self.refresh_bindings()

    def _enter_text(self, run: RunSummary) -> str:
        if self._is_training_here(run) or (run.state == "running" and not self.wizard.is_training):
            return _("Enter shows the training.")
        if not run.resumable:
            return _("Enter shows the results.")
        if self.wizard.is_training:
            return _("A training is running in this wizard. Once it has ended, Enter resumes this run.")
        return _("Enter resumes it.")

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """All keys; the footer shows those for which there is room."""
        shown = FOOTER_ACTIONS if self.size.width >= WIDE else FOOTER_ACTIONS - HIDDEN_ACTIONS_OF_NARROW
        bindings = {
            key: active._replace(
                binding=replace(active.binding, show=active.binding.show and active.binding.action in shown)
            )
            for key, active in super().active_bindings.items()
        }
        if (enter := bindings.pop("enter", None)) is not None:
            # The binding of the table, which selects a row; the screen handles that in `on_data_table_row_selected`.
            run = self.current_run if self.is_mounted else None
            description = _("results") if run is not None and not run.resumable else _("resume")
            if run is not None and run.state == "running":
                description = _("show training")
            binding = replace(enter.binding, description=description, show=run is not None)
            bindings = {"enter": enter._replace(binding=binding), **bindings}
            if (
                run is not None
                and not run.resumable
                and run.state != "running"
                and (results := bindings.get("v")) is not None
            ):
                bindings["v"] = results._replace(binding=replace(results.binding, show=False))  # Enter does the same
        last = {"escape", "f1"}  # the keys of all screens
        return dict(sorted(bindings.items(), key=lambda item: item[0] in last))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a run, hide the keys that act on one; gray out those that it cannot have while it trains."""
        if action in RUN_ACTIONS:
            run = self.current_run if self.is_mounted else None
            if run is not None and action in STOPPED_RUN_ACTIONS and run.state == "running":
                return None
            return run is not None
        return super().check_action(action, parameters)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a second click."""
        event.stop()
        self.action_forward()

    def action_forward(self) -> None:
        """Resume the run if possible; otherwise show its results."""
        run = self.current_run
        if run is None:
            self.action_back()
        elif run.state == "running" and not self._is_training_here(run):
            self._watch(run)
        elif run.resumable:
            self._train(run)
        else:
            self.action_show_results()

    def _watch(self, run: RunSummary) -> None:
        """Show the training of another process."""
        if self.wizard.is_training:
            self.show_error(_("Another training is running in this wizard. Stop it first (S on the Train screen)."))
            return
        self.state.run = run.path
        self.wizard.training.watch(Path(run.path))
        self.wizard.show_screen("train")

    def action_show_results(self) -> None:
        """Show the results of the run; if it is training here, show the Train screen."""
        run = self.current_run
        if run is not None:
            self.state.run = run.path
            self.wizard.show_screen("train" if self._is_training_here(run) else "results")

    def action_extend(self) -> None:
        """Ask for the new number of epochs, then resume the run with it."""
        run = self.current_run
        if run is not None and run.last_epoch is not None and not self._is_busy(run):
            self.app.push_screen(
                epochs_prompt(run.last_epoch + 1, 0 if run.epoch is None else run.epoch + 1),
                lambda epochs: None if epochs is None else self._train(run, epochs),
            )

    def _train(self, run: RunSummary, epochs: int | None = None) -> None:
        if self._is_busy(run):
            return
        overrides = None if epochs is None else {"unfreeze_epoch": epochs}
        others = other_trainings(self.wizard.workspace)
        if not others:
            self._resume(run, overrides)
            return
        dialog = second_training_dialog(others, self.wizard.hardware)
        self.app.push_screen(dialog, lambda confirmed: self._resume(run, overrides) if confirmed else None)

    def _resume(self, run: RunSummary, overrides: dict[str, int] | None) -> None:
        self.state.run = run.path
        self.wizard.training.resume(Path(run.path), overrides)
        self.wizard.show_screen("train")

    def action_predict(self) -> None:
        """Show what the best weights of the run detect in any images."""
        if (run := self.current_run) is not None:
            dialog = prediction_dialog(Path(run.path), self.state.data)
            if dialog is None:
                self.show_error(_(NO_WEIGHTS))
            else:
                self.app.push_screen(dialog)

    def action_compare(self) -> None:
        """Mark the first run; at the second run, show both."""
        run = self.current_run
        if run is None:
            return
        if len(self._runs) == 1:
            self.show_error(_("M compares two runs; so far there is only this one."))
            return
        first, self._run_to_compare = self._run_to_compare, None
        if first is None:
            self._run_to_compare = run.name
            self.show_error(_("Go to another run and press M again to compare it with {run}.", run=run.name))
        elif first == run.name:
            self.show_error("")
        else:
            self.app.push_screen(CompareRunsDialog((Path(self._runs[first].path), Path(run.path))))
        self._fill_table(self._runs)

    def action_edit_note(self) -> None:
        """Ask for the note of the run."""
        if (run := self.current_run) is not None:
            dialog = RunNoteDialog(run.name, run.note, lambda text: write_note(Path(run.path), text))
            self.app.push_screen(dialog, lambda note: None if note is None else self._show_note(run, note))

    def _show_note(self, run: RunSummary, note: str) -> None:
        if run.name in self._runs:
            self._list_query.cancel()  # it may have read the note before
            self._update_table({**self._runs, run.name: replace(self._runs[run.name], note=note)})
        self._read()

    def action_delete(self) -> None:
        """Ask, then delete the folder."""
        run = self.current_run
        if run is None:
            return
        dialog = ConfirmDialog(
            _("Delete {run}?", run=run.name),
            _("Its weights, checkpoints and curves are deleted from the disk. This cannot be undone."),
            confirm=_("Delete"),
            key="d",
            cancel=_("Keep it"),
        )
        self.app.push_screen(dialog, lambda confirmed: self._delete(run) if confirmed else None)

    def _delete(self, run: RunSummary) -> None:
        path = Path(run.path)
        if self.state.run is not None and self.wizard.workspace / self.state.run == path:
            self.state.run = None
        self.wizard.training.forget(path)
        self._list_query.cancel()
        self._delete_query.submit(path)

    def action_copy_path(self) -> None:
        """Copy the path of the run folder."""
        if (run := self.current_run) is not None:
            self.app.copy_to_clipboard(run.path)
            self.notify(_("Copied: {path}", path=run.path), markup=False)

    def _is_busy(self, run: RunSummary) -> bool:
        """Whether a running training prevents this run from being resumed; shows the reason."""
        if run.state == "running":
            self.show_error(_("It is training now. It can be extended, resumed and deleted once it has stopped."))
        elif self.wizard.is_training:
            self.show_error(_("Another training is running in this wizard. Stop it first (S on the Train screen)."))
        else:
            return False
        return True

    def _is_training_here(self, run: RunSummary) -> bool:
        return self.wizard.shows_training and self.wizard.training.run == Path(run.path)

    def help_text(self) -> str:
        """What the keys do."""
        return "\n\n".join(
            (
                _(self.reason),
                _(
                    "A resumed run ends exactly as if it had not been interrupted. Extending is different: it rebuilds the learning rate schedule for the new length."
                ),
                _(
                    "W shows what its best weights detect in your images. M compares two runs. N writes a note about a run. C copies the "
                    "path of its folder. Esc goes back."
                ),
                _(
                    "A run that was killed loses the steps since its last checkpoint. A checkpoint is saved every three minutes and after every epoch."
                ),
            )
        )
