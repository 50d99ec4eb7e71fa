"""The running training; after its end, the reason and what to do next."""

from __future__ import annotations

import math
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
from tui.text.learning_rates import describe_batch_effect
from tui.text.run_states import describe_resume, describe_run_end
from tui.widgets.label import Label
from tui.widgets.training_panel import TrainingPanel, View
from tui.wizard.run_history import RunHistory
from tui.workers.latest_query import LatestQuery
from tui.workers.run_outcome import RunOutcome, run_outcome

if TYPE_CHECKING:
    from tui.workers.training_session import TrainingSession
    from tui.workers.wizard_protocol import Wizard

PERIOD = 1.0
"""Seconds between two redraws, which each cost the training some milliseconds."""
VIEW_ACTIONS = frozenset({"next_view", "next_image", "zoom", "log", "app.show_help"})
RUNNING_ACTIONS = VIEW_ACTIONS | {"pause", "stop_and_save", "lower_batch", "extend"}
ENDED_ACTIONS = VIEW_ACTIONS | {"forward", "back", "pause", "extend"}
"""The actions whose keys the footer shows, as far as they do something."""
ROWS_WITHOUT_EVENTS = 34
"""A screen that is higher shows the last events in the rows that it has more."""
MAX_EVENT_ROWS = 8
EVENTS_PER_ROW = 4
"""Some events, such as saved checkpoints, have no line."""
NEXT_VIEWS: dict[View, str] = {"curves": N_("classes"), "classes": N_("images"), "images": N_("curves")}


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
        Binding("c", "next_view", N_("classes")),
        Binding("n", "next_image", N_("image")),
        Binding("z", "zoom", N_("zoom")),
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
        self._footer_state: tuple[object, ...] | None = None
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
        if isinstance(event, Evaluated):
            self._panel.show_evaluation(self.session.history)
        self._update_mode()
        self._show_events()
        self._drawn_state = None
        self._redraw()

    def _update_mode(self) -> None:
        """Show the parts for the state of the training."""
        session = self.session
        has_ended = session.last_event is not None or session.input_error is not None or session.crash is not None
        self._mode = "running" if session.is_running else "ended" if has_ended else "idle"
        self._update_footer()
        self._outcome = run_outcome(session, self.wizard) if self._mode == "ended" else None
        self._panel.display = self._mode == "running" or session.history.run is not None
        self.set_class(self._panel.display, "-shows-run")
        self._idle_text.display = self._mode == "idle"
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
            reason = _(self.reason) if self.has_class("-low") else ""
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
        has_note = bool(_map_note(self.session.history)) and self._mode == "running"
        self._panel.show_verdict_lines(outcome is None or outcome.is_success, steps=not has_note)
        self._map_note.display = has_note

    def _show_verdict(self) -> None:
        self._panel.show_verdict(self.session.history)
        self._map_note.update(_map_note(self.session.history))

    def _redraw(self) -> None:
        if self._mode == "idle" or not self.is_mounted:
            return
        session = self.session
        state = (session.history, session.history.latest, session.phase, self.wizard.hardware)
        if state != self._drawn_state:
            self._drawn_state = state
            self._panel.show(session.history, session.phase, self.wizard.hardware)
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
        if not self._shows_curves:
            shown = (shown | {"back"}) - {"lower_batch"}  # 80 columns have no room for more
        return {
            key: active._replace(
                binding=replace(
                    active.binding,
                    show=active.binding.show and active.binding.action in shown and self._is_useful(active.binding),
                    description=self._description(active.binding),
                )
            )
            for key, active in bindings.items()
        }

    def _is_useful(self, binding: Binding) -> bool:
        """Whether the key does more than say why it cannot do anything."""
        return binding.action != "lower_batch" or (self.session.history.batch_size or 0) > MIN_BATCH_SIZE

    def _description(self, binding: Binding) -> str:
        is_paused = self.session.phase in ("pausing", "paused")
        if binding.action == "pause" and (self._mode == "ended" or is_paused):
            return _("resume")
        if binding.action == "next_view":
            return _(NEXT_VIEWS[self._panel.view])
        if binding.action == "zoom" and self._panel.is_zoomed:
            return _("whole")
        return binding.description

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys of actions that are not possible now."""
        if not self.is_mounted:
            return True
        session = self.session
        is_training = session.phase in ("training", "pausing", "paused")
        match action:
            case "pause":
                is_stopped = self._mode == "ended" and isinstance(session.last_event, Stopped)
                return is_stopped or (self._mode == "running" and is_training)
            case "stop_and_save":
                return self._mode == "running" and session.phase != "stopping"
            case "lower_batch":
                return self._mode == "running" and is_training
            case "extend":
                is_known = session.history.last_epoch is not None and session.input_error is None
                return is_known and (is_training or self._mode == "ended")
            case "log" | "next_view":
                return self._mode != "idle" and self._panel.display
            case "zoom":
                return self._panel.display and self._panel.view == "curves" and session.history.latest is not None
            case "next_image":
                return self._panel.display and self._panel.view == "images"
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
                "Now {batch}. A smaller batch needs less memory. The new size applies to this stage and the next one. {effect}",
                batch=batch_size,
                effect=describe_batch_effect(self.session.history.recipe.get("method")),
            ),
            suggested=max(MIN_BATCH_SIZE, batch_size // 2),
            minimum=MIN_BATCH_SIZE,
            maximum=batch_size,
        )
        self.app.push_screen(dialog, lambda size: None if size is None else self.session.lower_batch(size))

    def action_extend(self) -> None:
        """Ask for the new number of epochs."""
        history = self.session.history
        if history.last_epoch is not None:
            done = history.epochs_begun if self._mode == "running" else math.ceil(history.epochs_done)
            self.app.push_screen(epochs_prompt(history.last_epoch + 1, done), self._extend)

    def _extend(self, epochs: int | None) -> None:
        last_epoch = self.session.history.last_epoch
        if epochs is not None and last_epoch is not None and epochs != last_epoch + 1:
            self.session.extend(epochs)
            self._update_mode()

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
        """What the curves mean."""
        return "\n\n".join(
            (
                _(
                    "The train loss is measured on the training images, the validation loss on images that are not used for training. Only the trend of the validation loss matters: falling means that the network learns, flat that it has converged once the advised steps are done, rising that it overfits. The value depends on how the loss is defined; it does not need to be near 0."
                ),
                _(
                    "mAP50 is the average precision at 50 % overlap, averaged over the classes; 1 is perfect. It is measured every few epochs (eval_period)."
                ),
                _(
                    "Data wait is the share of time that a step waits for images. If it is far above 10 %, increase num_workers or use a faster disk."
                ),
                _(
                    "P pauses, S stops and saves, B lowers the batch size, E changes the number of epochs, L shows the log. The training so far is never lost."
                ),
                _(
                    "C shows how well each class is detected and what is detected in a few validation images, N the next image. Z shows only the last third of the curves. The faint train curve is that of the single steps, the strong one its mean. ◆ marks the best value."
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
