"""The running training; after its end, the reason and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import getters
from textual.binding import ActiveBinding, Binding, BindingType
from textual.widget import Widget

from engine.events import EpochFinished, Evaluated, Event, RunStarted, StageStarted, Stopped
from engine.messages import BadInput
from engine.recipe import MIN_BATCH_SIZE
from engine.runs.folder import find_run
from engine.runs.summary import RunSummary, summarize_run
from tui.dialogs.log import LogDialog
from tui.dialogs.number_prompt import NumberPrompt, epochs_prompt
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.text.run_states import describe_resume, describe_run_end
from tui.widgets.label import Label
from tui.widgets.training_panel import TrainingPanel
from tui.wizard.run_history import RunHistory
from tui.workers.latest_query import LatestQuery
from tui.workers.run_outcome import RunOutcome, run_outcome

if TYPE_CHECKING:
    from tui.workers.training_session import TrainingSession
    from tui.workers.wizard_protocol import Wizard

PERIOD = 1.0
"""Seconds between two redraws, which each cost the training some milliseconds."""
RUNNING_ACTIONS = frozenset({"pause", "stop_and_save", "lower_batch", "extend", "log", "app.show_help"})
ENDED_ACTIONS = frozenset({"forward", "back", "app.show_help", "pause", "extend", "log"})
"""The actions whose keys the footer shows."""


class TrainScreen(WizardScreen):
    """Starts the approved Plan. Without one, shows the training that runs or ended last, or offers to resume a run."""

    screen_name: ClassVar[str] = "train"
    heading: ClassVar[str] = N_("Training")
    reason: ClassVar[str] = N_("You can pause or stop at any step; the training so far is never lost.")

    DEFAULT_CSS = """
    TrainScreen #outcome { height: auto; text-style: bold; }
    TrainScreen #outcome.-failure { color: $error; }
    TrainScreen #outcome.-success { color: $success; }
    TrainScreen #outcome-details, TrainScreen #idle { height: auto; }
    TrainScreen #map-note { height: auto; color: $warning; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", N_("pause")),
        Binding("s", "stop_and_save", N_("stop and save")),
        Binding("b", "lower_batch", N_("smaller batch")),
        Binding("e", "extend", N_("extend")),
        Binding("l", "log", N_("log")),
    ]

    _idle_text = getters.query_one("#idle", Label)
    _panel = getters.query_one(TrainingPanel)
    _outcome_text = getters.query_one("#outcome", Label)
    _outcome_details = getters.query_one("#outcome-details", Label)
    _map_note = getters.query_one("#map-note", Label)

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._mode: Literal["idle", "running", "ended"] = "idle"
        self._outcome: RunOutcome | None = None
        """Set where `_mode` is "ended"."""
        self._last_run: RunSummary | None = None
        """The run that can be resumed where `_mode` is "idle"."""
        self._footer_state: tuple[str, bool, bool] | None = None
        self._drawn_state: tuple[object, ...] | None = None

    def compose_body(self) -> Iterator[Widget]:
        """The numbers and curves; texts for a training that has ended or not started."""
        yield Label(id="idle")
        yield TrainingPanel()
        yield Label(id="outcome")
        yield Label(id="outcome-details")
        yield Label(id="map-note")

    @property
    def session(self) -> TrainingSession:
        """The training of this process."""
        return self.wizard.training

    def on_mount(self) -> None:
        """Start the approved Plan, if there is one."""
        self.session.updates.subscribe(self, self._show_update)
        approved = self.wizard.approved_plan
        if approved is not None and not self.session.is_running:
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
        self._update_mode()
        self._drawn_state = None
        self._redraw()

    def _update_mode(self) -> None:
        """Show the parts for the state of the training."""
        session = self.session
        has_ended = session.last_event is not None or session.input_error is not None or session.crash is not None
        self._mode = "running" if session.is_running else "ended" if has_ended else "idle"
        footer_state = (
            self._mode,
            session.phase in ("pausing", "paused"),
            session.history.last_epoch is None,
        )
        if footer_state != self._footer_state:  # redrawing the footer is slow
            self._footer_state = footer_state
            self.show_error("")
            self.refresh_bindings()
        self._outcome = run_outcome(session, self.wizard) if self._mode == "ended" else None
        self._panel.display = self._mode == "running" or session.history.run is not None
        self._idle_text.display = self._mode == "idle"
        self._show_outcome()
        if self._mode == "idle":
            self._show_idle()
            return
        if session.history.run is not None:
            self._show_verdict()
        self.show_hint("" if self._outcome is None else self._outcome.hint)

    def _show_outcome(self) -> None:
        outcome = self._outcome
        self._outcome_text.display = outcome is not None
        self._outcome_details.display = outcome is not None and bool(outcome.details)
        if outcome is not None:
            self._outcome_text.update(outcome.message)
            self._outcome_text.set_class(not outcome.is_success, "-failure")
            self._outcome_text.set_class(outcome.is_success, "-success")
            self._outcome_details.update(outcome.details)
        self._panel.show_verdict_lines(outcome is None or outcome.is_success)

    def _show_verdict(self) -> None:
        self._panel.show_verdict(self.session.history)
        note = _map_note(self.session.history)
        self._map_note.update(note)
        self._map_note.display = bool(note) and self._mode == "running"

    def _redraw(self) -> None:
        if self._mode == "idle" or not self.is_mounted:
            return
        session = self.session
        state = (session.history, session.history.latest, session.phase, self.wizard.hardware)
        if state != self._drawn_state:
            self._drawn_state = state
            self._panel.show(session.history, session.phase, self.wizard.hardware)

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
        self._last_run = run
        sentences = (_("The last run was {run}.", run=run.name), describe_run_end(run), describe_resume(run))
        self._idle_text.update("\n".join(filter(None, sentences)))
        if run.state == "finished":
            self.show_hint(_("Enter shows the results."))
        elif run.resumable:
            self.show_hint(_("Enter resumes it."))

    # Keys

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """All keys, of which at most six are shown in the footer."""
        bindings = super().active_bindings
        shown = {"running": RUNNING_ACTIONS, "ended": ENDED_ACTIONS}.get(self._mode if self.is_mounted else "")
        if shown is None:
            return bindings
        return {
            key: active._replace(
                binding=replace(
                    active.binding,
                    show=active.binding.show and active.binding.action in shown,
                    description=self._description(active.binding),
                )
            )
            for key, active in bindings.items()
        }

    def _description(self, binding: Binding) -> str:
        is_paused = self.session.phase in ("pausing", "paused")
        if binding.action == "pause" and (self._mode == "ended" or is_paused):
            return _("resume")
        return binding.description

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys of actions that are not possible now."""
        if not self.is_mounted:
            return True
        session = self.session
        match action:
            case "pause":
                return self._mode == "running" or (self._mode == "ended" and isinstance(session.last_event, Stopped))
            case "stop_and_save" | "lower_batch":
                return self._mode == "running"
            case "extend":
                return session.history.last_epoch is not None and session.input_error is None
            case "log":
                return self._mode != "idle"
        return super().check_action(action, parameters)

    def validation_error(self) -> str | None:
        """There are no results before the training has ended."""
        if self._mode == "running":
            return _("The training is still running. S stops and saves it; then you can see the results.")
        return None

    def action_forward(self) -> None:
        """Do what the hint says."""
        if (error := self.validation_error()) is not None:
            self.show_error(error)
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

    def action_pause(self) -> None:
        """Pause after this step; or resume, from a pause or after a stop."""
        run = self.session.run
        if self._mode == "ended" and run is not None:
            self.session.resume(run)
        else:
            self.session.toggle_pause()
        self._update_mode()

    def action_stop_and_save(self) -> None:
        """Save a checkpoint after this step, then stop."""
        self.session.stop()
        self._update_mode()

    def action_lower_batch(self) -> None:
        """Ask for a smaller batch size; half of it is suggested."""
        batch_size = self.session.history.batch_size
        if batch_size is None or batch_size <= MIN_BATCH_SIZE:
            self.show_error(_("The smallest batch size is 2: batch norm needs more than one image."))
            return
        dialog = NumberPrompt(
            _("New batch size?"),
            _(
                "Now {batch}. A smaller batch needs less memory, and the learning rate is adapted. The new size applies to this stage and the next one.",
                batch=batch_size,
            ),
            suggested=max(MIN_BATCH_SIZE, batch_size // 2),
            minimum=MIN_BATCH_SIZE,
            maximum=batch_size,
        )
        self.app.push_screen(dialog, lambda size: None if size is None else self.session.lower_batch(size))

    def action_extend(self) -> None:
        """Ask for the new number of epochs."""
        if (last_epoch := self.session.history.last_epoch) is not None:
            self.app.push_screen(epochs_prompt(last_epoch + 1), self._extend)

    def _extend(self, epochs: int | None) -> None:
        if epochs is not None:
            self.session.extend(epochs)
            self._update_mode()

    def action_log(self) -> None:
        """Show all events."""
        self.app.push_screen(LogDialog(self.session.log))

    def help_text(self) -> str:
        """What the curves mean."""
        return "\n\n".join(
            (
                _(
                    "The train loss is measured on the training images, the validation loss on images that are not used for training. Only the trend of the validation loss matters: falling means that the network learns, flat that it has converged, rising that it overfits. The value depends on how the loss is defined; it does not need to be near 0."
                ),
                _(
                    "mAP50 is the average precision at 50 % overlap, averaged over the classes; 1 is perfect. It is measured every few epochs (eval_period)."
                ),
                _(
                    "Data wait is the share of time that a step waits for images. If it is far above 10 %, increase num_workers or use a faster disk."
                ),
                _(
                    "P pauses, S stops and saves, B lowers the batch size, E extends, L shows the log. The training so far is never lost."
                ),
            )
        )


def _map_note(history: RunHistory) -> str:
    """Why mAP may still be 0; empty if it is not."""
    if not history.maps or history.maps[-1][1] > 0:
        return ""
    if history.advised_steps is not None and history.steps < history.advised_steps:
        if history.unfreeze_step is None:
            return _(
                "mAP is 0 after {steps} steps, and the backbone is still frozen. This is normal so early; wait for the next evaluation.",
                steps=history.steps,
            )
        return _(
            "mAP is 0 after {steps} steps. This is normal so early; wait for the next evaluation.", steps=history.steps
        )
    return _("mAP is 0 after {steps} steps. The Results screen lists possible reasons.", steps=history.steps)
