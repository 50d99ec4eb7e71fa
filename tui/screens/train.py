"""The training, live; and, when it has ended, why and how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import ActiveBinding, Binding, BindingType
from textual.widget import Widget

from engine.events import EpochFinished, Evaluated, Event, RunStarted, StageStarted, Stopped
from engine.messages import BadInput
from engine.recipe import LEAST_BATCH
from engine.runs.folder import RunSummary, find_run, summarize_run
from tui.dialogs.log import LogDialog
from tui.dialogs.number_prompt import NumberPrompt, more_epochs
from tui.screens.base import WizardScreen
from tui.text import N_, _
from tui.text.run_states import what_happened, what_resuming_does
from tui.widgets.label import Label
from tui.widgets.training_panel import TrainingPanel
from tui.workers.latest_query import LatestQuery
from tui.workers.run_outcome import RunOutcome, run_outcome

if TYPE_CHECKING:
    from tui.workers.training_session import TrainingSession

PERIOD = 1.0
"""Seconds between two looks at a training: quick enough for the eye. Every look takes milliseconds from the training."""
RUNNING_KEYS = frozenset({"pause", "stop_and_save", "lower_batch", "extend", "log", "app.explain"})
ENDED_KEYS = frozenset({"forward", "back", "app.explain", "pause", "extend", "log"})


class TrainScreen(WizardScreen):
    """The training, live."""

    place: ClassVar[str] = "train"
    heading: ClassVar[str] = N_("Training")
    reason: ClassVar[str] = N_("Every step can be paused or stopped; what was trained so far is never lost.")

    DEFAULT_CSS = """
    TrainScreen #ending { height: auto; text-style: bold; }
    TrainScreen #ending.-bad { color: $error; }
    TrainScreen #ending.-good { color: $success; }
    TrainScreen #more, TrainScreen #idle { height: auto; }
    TrainScreen #hints { height: auto; color: $warning; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", N_("pause")),
        Binding("s", "stop_and_save", N_("stop and save")),
        Binding("b", "lower_batch", N_("lower batch")),
        Binding("e", "extend", N_("extend")),
        Binding("l", "log", N_("log")),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._way_on: RunOutcome | None = None
        self._left: RunSummary | None = None
        self._mode = ""
        self._keys: tuple[str, bool, bool] | None = None
        self._seen: tuple[object, ...] | None = None

    def compose_body(self) -> Iterator[Widget]:
        """The live panel, and the words of an ending under it."""
        yield Label(id="idle")
        yield TrainingPanel()
        yield Label(id="ending")
        yield Label(id="more")
        yield Label(id="hints")

    @property
    def session(self) -> TrainingSession:
        """The app's training."""
        return self.wizard.training

    def on_mount(self) -> None:
        """Begin what Review has handed over; else show what there is."""
        chosen = self.wizard.chosen
        if chosen is not None and not self.session.alive:
            self.wizard.chosen = None
            self.session.start(chosen)
        self._arrange()
        self.set_interval(PERIOD, self._look)
        self.call_after_refresh(self._look)

    # What is shown

    def happened(self, event: Event | None) -> None:
        """Something rare happened in the training, or it ended (None)."""
        if isinstance(event, RunStarted):
            self.state.run = event.run
            self.wizard.keep_state()
        if event is None or isinstance(event, RunStarted | StageStarted | EpochFinished | Evaluated):
            self._show_verdict()
        self._arrange()
        self._seen = None
        self._look()

    def _arrange(self) -> None:
        """Which parts are there: nothing yet, a training, an ended one."""
        session = self.session
        known = session.alive or session.last is not None or session.refusal is not None or session.defect is not None
        mode = "running" if session.alive else "ended" if known else "idle"
        keys = (mode, session.phase in ("pausing", "paused"), session.course.last_epoch is None)
        if keys != self._keys:  # the footer is made anew then, and what was refused before concerns nobody any more
            self._keys, self._mode = keys, mode
            self.show_error("")
            self.refresh_bindings()
        self._way_on = run_outcome(session, self.wizard) if self._mode == "ended" else None
        self.query_one(TrainingPanel).display = self._mode == "running" or session.course.run is not None
        self.query_one("#idle").display = self._mode == "idle"
        self._show_ending()
        if self._mode == "idle":
            self._ask_for_run_left()
        elif session.course.run is not None:
            self._show_verdict()
        self.suggest(self._way_on.enter if self._way_on is not None else "")

    def _show_ending(self) -> None:
        ending, more = self.query_one("#ending", Label), self.query_one("#more", Label)
        ending.display = more.display = self._way_on is not None
        if self._way_on is not None:
            ending.say(self._way_on.said)
            more.say(self._way_on.more)
            more.display = bool(self._way_on.more)
            ending.set_class(not self._way_on.good, "-bad")
            ending.set_class(self._way_on.good, "-good")
        # The verdict makes room for what matters more now.
        for name in ("#verdict", "#lesson", "#why"):
            self.query_one(name).display = self._way_on is None or self._way_on.good

    def _show_verdict(self) -> None:
        course = self.session.course
        self.query_one(TrainingPanel).show_verdict(course)
        hints = self.query_one("#hints", Label)
        hints.say(_map_hint(course.maps, course.steps, course.advised_steps, frozen=course.border is None))
        hints.display = bool(hints.content) and self._mode == "running"

    def _look(self) -> None:
        if self._mode == "idle" or not self.is_mounted:
            return
        session = self.session
        seen = (session.course, session.course.latest, session.phase, self.wizard.hardware)
        if seen != self._seen:
            self._seen = seen
            self.query_one(TrainingPanel).show(session.course, session.phase, self.wizard.hardware)

    # A run that was left on another day

    def _ask_for_run_left(self) -> None:
        words = self.query_one("#idle", Label)
        words.say(_("Nothing trains here now. A training begins in Review; Runs in the menu lists what there was."))
        self.suggest(_("Enter goes to Review."))
        if self.state.run is not None and self._left is None:
            inquiry = LatestQuery(self, _summary, self._run_found, lambda _error: None)
            inquiry.ask((Path(self.state.run), self.wizard.workspace))

    def _run_found(self, summary: RunSummary) -> None:
        if self._mode != "idle":
            return
        self._left = summary
        said = (_("The last run was {run}.", run=summary.name), what_happened(summary), what_resuming_does(summary))
        self.query_one("#idle", Label).say("\n".join(filter(None, said)))
        if summary.state == "finished":
            self.suggest(_("Enter shows the results."))
        elif summary.resumable:
            self.suggest(_("Enter goes on with it."))

    # Keys

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """Six keys at most below: while it trains its own, else the way on."""
        shown = {"running": RUNNING_KEYS, "ended": ENDED_KEYS}.get(self._mode if self.is_mounted else "")
        found = super().active_bindings
        if shown is None:
            return found
        return {
            key: active._replace(
                binding=replace(
                    active.binding,
                    show=active.binding.show and active.binding.action in shown,
                    description=self._description(active.binding),
                )
            )
            for key, active in found.items()
        }

    def _description(self, binding: Binding) -> str:
        if binding.action == "pause" and (self._mode == "ended" or self.session.phase in ("pausing", "paused")):
            return _("go on")
        return binding.description

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key is there that would do nothing."""
        if not self.is_mounted:
            return True
        session = self.session
        match action:
            case "pause":
                return self._mode == "running" or (self._mode == "ended" and isinstance(session.last, Stopped))
            case "stop_and_save" | "lower_batch":
                return self._mode == "running"
            case "extend":
                return session.course.last_epoch is not None and session.refusal is None
            case "log":
                return self._mode != "idle"
        return super().check_action(action, parameters)

    def validation_error(self) -> str | None:
        """Results come when the training has ended."""
        if self._mode == "running":
            return _("It still trains. S stops and saves it; the results come when it has ended.")
        return None

    def action_forward(self) -> None:
        """What is offered: the way on, the run that was left, or Review."""
        if (sentence := self.validation_error()) is not None:
            self.show_error(sentence)
        elif self._way_on is not None:
            self._way_on.act()
            self._arrange()
        elif self._left is not None and self._left.state == "finished":
            self.wizard.go_to("results")
        elif self._left is not None and self._left.resumable:
            self.session.go_on(Path(self._left.path))
            self._arrange()
        else:
            self.wizard.go_to("review")

    def action_pause(self) -> None:
        """Wait after this step; or go on, from a pause or from a stop."""
        run = self.session.run
        if self._mode == "ended" and run is not None:
            self.session.resume(run)
        else:
            self.session.pause_or_go_on()
        self._arrange()

    def action_stop_and_save(self) -> None:
        """Stop after this step, with a checkpoint."""
        self.session.stop()
        self._arrange()

    def action_lower_batch(self) -> None:
        """Ask for a smaller batch, half by suggestion."""
        batch = self.session.course.batch_size
        if batch is None or batch <= LEAST_BATCH:
            self.show_error(_("A batch of 2 is the least there is: batch norm cannot learn from one picture."))
            return
        self.app.push_screen(
            NumberPrompt(
                _("How many pictures in a batch from here on?"),
                _(
                    "Now {batch}. Fewer need less memory, and the learning rate follows; this stage and the next take it.",
                    batch=batch,
                ),
                suggested=max(LEAST_BATCH, batch // 2),
                least=LEAST_BATCH,
                most=batch,
            ),
            lambda size: None if size is None else self.session.lower_batch(size),
        )

    def action_extend(self) -> None:
        """Ask for more epochs."""
        if (last := self.session.course.last_epoch) is not None:
            self.app.push_screen(more_epochs(last + 1), self._extend)

    def _extend(self, epochs: int | None) -> None:
        if epochs is not None:
            self.session.extend(epochs)
            self._arrange()

    def action_log(self) -> None:
        """Everything that happened, in words."""
        self.app.push_screen(LogDialog(self.session.log))

    def explain(self) -> str:
        """What the curves mean."""
        return "\n\n".join(
            (
                _(
                    "The train loss is measured on the pictures it learns from, the validation loss on pictures it never learns from. Only its trend says anything: falling means learning, flat means converged, rising means that it learns its own pictures by heart. The value depends on how the loss is defined; near 0 is no aim."
                ),
                _(
                    "mAP50 is the share of objects that are found and named rightly, averaged over the classes; 1 is perfect. It is measured every few epochs (eval_period)."
                ),
                _(
                    "Data wait is the share of the time in which the step waits for pictures. Much above 10 %: more num_workers, or a faster disk."
                ),
                _(
                    "P pauses, S stops and saves, B lowers the batch, E extends, L shows the log. What was trained so far is never lost."
                ),
            )
        )


def _summary(asked: tuple[Path, Path]) -> RunSummary:
    run, workspace = asked
    try:
        return summarize_run(find_run(run, workspace))
    except OSError as error:
        raise BadInput from error


def _map_hint(maps: list[tuple[int, float, float]], steps: int, advised: int | None, *, frozen: bool) -> str:
    """Why nothing may have been found yet."""
    if not maps or maps[-1][1] > 0:
        return ""
    if advised is not None and steps < advised:
        if frozen:
            return _(
                "mAP 0 after {steps} steps, the backbone still frozen: it is early. Wait for the next measurement.",
                steps=steps,
            )
        return _("mAP 0 after {steps} steps: it is early. Wait for the next measurement.", steps=steps)
    return _("mAP 0 after {steps} steps: look at Results for what may be the reason.", steps=steps)
