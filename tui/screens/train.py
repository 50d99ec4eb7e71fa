"""The running training; after its end, the reason and what to do next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.binding import ActiveBinding, Binding, BindingType
from textual.widget import Widget

from engine.events import CommandAnswered, EpochFinished, Evaluated, Event, RunStarted, StageStarted
from engine.messages import BadInput
from engine.recipe import MIN_BATCH_SIZE
from engine.runs.folder import find_run
from engine.runs.summary import RunSummary, summarize_run
from tui.dialogs.folder_picker import FolderPicker
from tui.dialogs.log import LogDialog
from tui.dialogs.number_prompt import batch_prompt, epochs_prompt
from tui.screens.base import WizardScreen, described
from tui.text import N_, _, translate
from tui.text.training_help import training_help
from tui.widgets.dataset_path import holds_labels
from tui.widgets.label import Label
from tui.widgets.run_details import RunDetails
from tui.widgets.training_keys import Mode, TrainingKeys
from tui.widgets.training_panel import TrainingPanel
from tui.wizard.map_note import map_note
from tui.workers.latest_query import LatestQuery
from tui.workers.run_outcome import RunOutcome, run_outcome
from tui.workers.watch_notice import watch_notice

if TYPE_CHECKING:
    from tui.workers.training_session import TrainingSession
    from tui.workers.wizard_protocol import Wizard

PERIOD = 1.0
"""Seconds between two redraws, which each cost the training some milliseconds."""
WIDE = 100
"""Columns of a window whose footer has room for all keys."""
ROWS_WITHOUT_EVENTS = 34
"""A screen that is higher shows the last events in the rows that it has more."""
MAX_EVENT_ROWS = 8
EVENTS_PER_ROW = 4
"""Some events, such as saved checkpoints, have no line."""


class TrainScreen(WizardScreen):
    """Starts the approved Plan. Without one, shows the training that runs or ended last, or offers to resume a run."""

    screen_name: ClassVar[str] = "train"
    heading: ClassVar[str] = N_("Training")
    reason: ClassVar[str] = N_("You can pause or stop at any step; the training so far is never lost.")

    DEFAULT_CSS = """
    TrainScreen.-low.-shows-run #head { display: none; }
    TrainScreen #outcome { height: auto; text-style: bold; }
    TrainScreen #outcome.-failure { color: $error; }
    TrainScreen #outcome.-success { color: $success; }
    TrainScreen #outcome-details, TrainScreen #idle { height: auto; }
    TrainScreen #map-note { height: auto; color: $warning; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", N_("pause")),
        Binding("s", "stop_and_save", N_("stop and save")),
        Binding("b", "lower_batch", N_("batch")),
        Binding("e", "extend", N_("epochs")),
        Binding("d", "detach", N_("detach")),
        Binding("c", "next_view", N_("classes")),
        Binding("n", "next_image", N_("image")),
        Binding("z", "zoom", N_("zoom")),
        Binding("l", "log", N_("log")),
    ]

    _reason = getters.query_one("#reason", Label)
    _idle_text = getters.query_one("#idle", Label)
    _last_run_details = getters.query_one(RunDetails)
    _panel = getters.query_one(TrainingPanel)
    _outcome_text = getters.query_one("#outcome", Label)
    _outcome_details = getters.query_one("#outcome-details", Label)
    _map_note = getters.query_one("#map-note", Label)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._mode: Mode = "idle"
        self._outcome: RunOutcome | None = None
        """Set where `_mode` is "ended"."""
        self._last_run: RunSummary | None = None
        """The run that can be resumed where `_mode` is "idle"."""
        self._can_steer = True
        """Whether commands reach the training."""
        self._footer_state: tuple[object, ...] | None = None
        self._drawn_state: tuple[object, ...] | None = None

    def compose_body(self) -> Iterator[Widget]:
        """The numbers and curves; texts for a training that has ended or not started."""
        yield Label(id="idle")
        details = RunDetails()
        details.display = False
        yield details
        yield TrainingPanel()
        yield Label(id="outcome")
        yield Label(id="outcome-details")
        yield Label(id="map-note")

    @property
    def session(self) -> TrainingSession:
        """The training of this process, or the one that is watched."""
        return self.wizard.training

    def on_mount(self) -> None:
        """Start the approved Plan, if there is one."""
        self.session.updates.subscribe(self, self._show_update)
        approved = self.wizard.approved_plan
        if approved is not None and not self.wizard.is_training:
            self.wizard.approved_plan = None
            self.session.start(approved)
        self._update_mode()
        self.set_interval(PERIOD, self._redraw)
        self.call_after_refresh(self._redraw)

    def on_unmount(self) -> None:
        """Signals keep their subscribers alive."""
        self.session.updates.unsubscribe(self)

    # What is shown

    def _show_update(self, event: Event | None) -> None:
        """Show an event other than a step; None: the training has ended."""
        if event is None or isinstance(event, RunStarted | StageStarted | EpochFinished | Evaluated):
            self._show_verdict()
        if isinstance(event, Evaluated | RunStarted):
            self._panel.show_evaluation(self.session.history)
        self._update_mode()
        if isinstance(event, CommandAnswered) and event.message is not None and self.session.is_own_command(event):
            self.show_error(translate(event.message))
        self._show_events()
        self._drawn_state = None
        self._redraw()

    def _update_mode(self) -> None:
        """Show the parts for the state of the training."""
        session = self.session
        has_ended = session.last_event is not None or session.input_error is not None or session.crash is not None
        self._mode = "running" if session.is_running else "ended" if has_ended else "idle"
        self._outcome = run_outcome(session, self.wizard) if self._mode == "ended" else None
        self._update_footer()
        self._panel.display = self._mode == "running" or session.history.run is not None
        self.set_class(self._panel.display, "-shows-run")
        self._idle_text.display = self._mode == "idle"
        self._last_run_details.display = self._mode == "idle" and self._last_run is not None
        self._show_outcome()
        if self._mode == "idle":
            self._show_idle()
            return
        if session.history.run is not None:
            self._show_verdict()
        self._update_hint()

    def _update_hint(self) -> None:
        """Say what Enter does; while a training runs, what is said above it where there is space."""
        if self._mode != "idle":
            watched = self.session.watched
            self._can_steer = watched is None or watched.steering_problem() is None
            reason = _(self.reason) if watched is None else watch_notice(watched)
            self._reason.update(reason)
            reason = reason if self.has_class("-low") else ""
            self.show_hint(reason if self._outcome is None else self._outcome.hint)

    def _update_footer(self) -> None:
        """Redraw the keys, which is slow, if others can do something now."""
        history, panel = self.session.history, self._panel
        footer_state = (
            self._mode,
            self.session.phase,
            history.last_epoch,
            history.batch_size,
            panel.view,
            panel.is_zoomed,
            self._can_steer,
            self._outcome and self._outcome.key,
        )
        if footer_state != self._footer_state:
            self._footer_state = footer_state
            self.show_error("")
            self.refresh_bindings()

    def _show_outcome(self) -> None:
        outcome = self._outcome
        self._outcome_text.display = outcome is not None
        self._outcome_details.display = outcome is not None and bool(outcome.details)
        if outcome is not None:
            self._outcome_text.update(outcome.message)
            self._outcome_text.set_class(not outcome.is_success, "-failure")
            self._outcome_text.set_class(outcome.is_success, "-success")
            self._outcome_details.update(outcome.details)
        has_note = bool(map_note(self.session.history)) and self._mode == "running"
        self._panel.show_verdict_lines(outcome is None or outcome.is_success, steps=not has_note)
        self._map_note.display = has_note

    def _show_verdict(self) -> None:
        self._panel.show_verdict(self.session.history)
        self._map_note.update(map_note(self.session.history))

    def _redraw(self) -> None:
        if self._mode == "idle" or not self.is_mounted:
            return
        session = self.session
        state = (session.history, session.history.latest, session.phase, self.wizard.hardware)
        if state != self._drawn_state:
            self._drawn_state = state
            self._panel.show(session.history, session.phase, self.wizard.hardware, is_local=session.watched is None)
            self._update_footer()

    def _show_events(self) -> None:
        rows = min(MAX_EVENT_ROWS, max(0, self.size.height - ROWS_WITHOUT_EVENTS))
        self._panel.show_events(tuple(self.session.log)[-EVENTS_PER_ROW * rows :], rows)

    def on_resize(self) -> None:
        """Show as many events as there is space for. Textual calls this in addition to the `on_resize` of the base class."""
        self._drawn_state = None
        self._show_events()
        self.call_after_refresh(self._update_hint)
        self.call_after_refresh(self._redraw)

    # The last run, where nothing is training

    def _show_idle(self) -> None:
        self._idle_text.update(
            _("No training is running. Start one on the Review screen; the Runs screen lists all runs.")
        )
        self.show_hint(_("Enter goes to Review."))
        if self.state.run is not None and self._last_run is None:
            query = LatestQuery(self, self._read_summary, self._show_last_run, None)
            query.submit(Path(self.state.run))

    def _read_summary(self, named: Path) -> RunSummary:
        try:
            return summarize_run(find_run(named, self.wizard.workspace))
        except OSError as error:
            raise BadInput from error

    def _show_last_run(self, run: RunSummary) -> None:
        if self._mode != "idle":
            return
        if run.state == "running":
            self.session.watch(Path(run.path))
            self._update_mode()
            return
        self._last_run = run
        self._idle_text.update(_("The last run was {run}.", run=run.name))
        self._last_run_details.display = True
        self._last_run_details.show(run)
        if run.state == "finished":
            self.show_hint(_("Enter shows the results."))
        elif run.resumable:
            self.show_hint(_("Enter resumes it."))

    # Keys

    @property
    def _keys(self) -> TrainingKeys:
        return TrainingKeys(self._mode, self.session, self._panel, self._can_steer, self.size.width >= WIDE)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """All keys, with their descriptions; the footer shows those that do something and for which there is room."""
        bindings = super().active_bindings
        if not self.is_mounted:
            return bindings
        keys = {} if self._outcome is None or not self._outcome.key else {"enter": self._outcome.key}
        return described(self._keys.for_footer(bindings), keys)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys of actions that are not possible now."""
        if not self.is_mounted:
            return True
        is_possible = self._keys.is_possible(action)
        return super().check_action(action, parameters) if is_possible is None else is_possible

    def validation_error(self) -> str | None:
        """There are no results before the training has ended."""
        if self._mode == "running":
            return _("The training is still running. S stops and saves it; then you can see the results.")
        return None

    def action_forward(self) -> None:
        """Do what the hint says."""
        if (error := self.validation_error()) is not None:
            self.show_error(error)
        elif self._outcome is not None and self._outcome.needs_data_folder:
            self.app.push_screen(FolderPicker(self.wizard.workspace, holds_labels), self._resume_with_data)
        elif self._outcome is not None:
            self._outcome.on_enter()
            self._update_mode()
        elif self._last_run is not None and self._last_run.state == "finished":
            self.wizard.show_screen("results")
        elif self._last_run is not None and self._last_run.resumable:
            self.session.resume(Path(self._last_run.path))
            self._update_mode()
        else:
            self.wizard.show_screen("review")

    def _resume_with_data(self, folder: Path | None) -> None:
        if folder is not None:
            self.session.resume_on_moved_data(folder)
            self._update_mode()

    def action_pause(self) -> None:
        """Pause after this step; or resume, from a pause or after a stop."""
        run = self.session.run
        if self._mode == "ended" and run is not None:
            self.session.resume(run)
            self._update_mode()
        else:
            self._send(self.session.toggle_pause)

    def action_stop_and_save(self) -> None:
        """Save a checkpoint after this step, then stop."""
        self._send(self.session.stop)

    def _send(self, command: Callable[[], None]) -> None:
        """Send a command to the training; show why it cannot be sent."""
        try:
            command()
        except BadInput as error:
            self.show_bad_input(error)
        self._update_mode()

    def action_lower_batch(self) -> None:
        """Ask for a smaller batch size; half of it is suggested."""
        batch_size = self.session.history.batch_size
        if batch_size is None or batch_size <= MIN_BATCH_SIZE:
            self.show_error(_("The smallest batch size is 2: batch norm needs more than one image."))
            return
        dialog = batch_prompt(batch_size, self.session.history.recipe.get("method"))
        self.app.push_screen(
            dialog, lambda size: None if size is None else self._send(lambda: self.session.lower_batch(size))
        )

    def action_extend(self) -> None:
        """Ask for the new number of epochs."""
        history = self.session.history
        if history.last_epoch is not None:
            done = history.epochs_begun if self._mode == "running" else math.ceil(history.epochs_done)
            self.app.push_screen(epochs_prompt(history.last_epoch + 1, done), self._extend)

    def _extend(self, epochs: int | None) -> None:
        last_epoch = self.session.history.last_epoch
        if epochs is not None and last_epoch is not None and epochs != last_epoch + 1:
            self._send(lambda: self.session.extend(epochs))

    def action_detach(self) -> None:
        """Move the training into the background, where it outlives the wizard."""
        self._send(self.session.detach)

    def action_next_view(self) -> None:
        """Show classes instead of curves, then images, then curves again."""
        self._panel.next_view(self.session.history, self.wizard.hardware)
        self._update_footer()

    def action_back(self) -> None:
        """Show the curves again where something else is shown; otherwise the previous screen."""
        if self._shows_curves:
            super().action_back()
        else:
            self._panel.show_view("curves", self.session.history, self.wizard.hardware)
            self._update_footer()

    @property
    def _shows_curves(self) -> bool:
        return not self._panel.display or self._panel.view == "curves"

    def action_next_image(self) -> None:
        """Show another sample image."""
        self._panel.change_image(1)

    def action_zoom(self) -> None:
        """Show the last third of the epochs in the plots, or all of them again."""
        self._panel.zoom(self.session.history)
        self._update_footer()

    def action_log(self) -> None:
        """Show all events."""
        self.app.push_screen(LogDialog(self.session.log))

    def help_text(self) -> str:
        """What the curves and keys mean."""
        return training_help()
