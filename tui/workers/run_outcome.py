"""How a training ended, and what Enter does next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.dataset.stored_splits import DATA_CHANGED, DATA_MISSING
from engine.events import CARD_STOPPED, Failed, Finished, LossNotFinite, OutOfMemory, Stopped
from engine.messages import join_names
from engine.runs.folder import BEST_WEIGHTS, LAST_CHECKPOINT
from tui.text import _, translate
from tui.text.events import describe_end
from tui.text.learning_rates import describe_batch_effect

if TYPE_CHECKING:
    from tui.workers.training_session import TrainingSession
    from tui.workers.wizard_protocol import Wizard

SHOWN_IMAGES = 3
LR_DIVISOR = 4
"""After a loss that was not finite, a new training is proposed with the learning rate divided by this."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a training ended, and the action that is offered next."""

    message: str
    hint: str
    """What Enter does."""
    key: str
    """The same in a word, for the footer."""
    on_enter: Callable[[], object]
    details: str = ""
    is_success: bool = False
    needs_data_folder: bool = False
    """Whether Enter first asks where the data set is now, then resumes with it."""


def run_outcome(session: TrainingSession, wizard: Wizard) -> RunOutcome:
    """The outcome of the training that ended last."""
    if session.input_error is not None:
        message = "\n".join(map(translate, session.input_error.messages))
        if session.input_error.messages[0].code == DATA_CHANGED:
            return RunOutcome(
                message,
                _("Enter trains on with the data as it is now; Esc goes back."),
                _("resume"),
                session.resume_on_changed_data,
                _("If you restore the data instead, the run ends as if nothing had happened."),
            )
        if session.input_error.messages[0].code == DATA_MISSING:
            return RunOutcome(
                message,
                _("Enter chooses the folder where the data set is now; Esc goes back."),
                _("folder"),
                lambda: None,
                _("If you move the data set back instead, resume the run in Runs."),
                needs_data_folder=True,
            )
        if session.run is None:
            return RunOutcome(message, _("Enter returns to Review."), _("Review"), lambda: wizard.show_screen("review"))
        return _from_last_checkpoint(session, message)
    match session.last_event:
        case Finished():
            return RunOutcome(
                describe_end(session.last_event),
                _("Enter shows the results."),
                _("results"),
                lambda: wizard.show_screen("results"),
                is_success=True,
            )
        case Stopped():
            details = _("P resumes from the last step; E extends the training.")
            return RunOutcome(
                describe_end(session.last_event),
                _("Enter shows the results so far."),
                _("results"),
                lambda: wizard.show_screen("results"),
                details,
                True,
            )
        case OutOfMemory():
            return _after_out_of_memory(session.last_event, session, wizard)
        case LossNotFinite():
            return _after_non_finite_loss(session.last_event, session, wizard)
        case Failed() if session.last_event.code == CARD_STOPPED:
            # A process cannot use a card again that failed in it; a new process can.
            details = _("freezetui must be restarted to use the card again. Then start the training in Review.")
            if session.last_event.checkpoint is not None:
                details = _("freezetui must be restarted to use the card again. Then resume the run in Runs.")
            return RunOutcome(
                describe_end(session.last_event), _("Enter quits."), _("quit"), lambda: wizard.leave(0), details
            )
        case Failed() if session.last_event.code != "defect":
            return _from_last_checkpoint(session, describe_end(session.last_event))
    reason = session.crash or _("unknown")
    return _from_last_checkpoint(session, _("A bug in freezetui ended the training: {reason}", reason=reason))


def _from_last_checkpoint(session: TrainingSession, message: str) -> RunOutcome:
    run = session.run
    if run is None or not (run / LAST_CHECKPOINT).is_file():
        return RunOutcome(message, "", "", lambda: None)
    return RunOutcome(message, _("Enter resumes from the last checkpoint."), _("resume"), lambda: session.resume(run))


def _after_out_of_memory(event: OutOfMemory, session: TrainingSession, wizard: Wizard) -> RunOutcome:
    run, batch_size, message = session.run, event.suggested_batch_size, describe_end(event)
    if run is not None and event.suggested_checkpointing and event.checkpoint is not None:
        return RunOutcome(
            message,
            _("Enter resumes from the last step with the same batch, a quarter slower (activation checkpointing)."),
            _("resume"),
            lambda: session.resume(run),
            _("Nothing is lost: the last step is saved."),
        )
    if run is None or batch_size is None or event.checkpoint is None:
        details = "" if event.hint is None else translate(event.hint)
        return RunOutcome(message, _("Enter returns to Tune."), _("Tune"), lambda: wizard.show_screen("tune"), details)
    if event.during == "validation":
        return RunOutcome(
            message,
            _("Enter resumes from the last step and validates {batch} images at a time.", batch=batch_size),
            _("resume"),
            lambda: session.resume(run),
            _("Nothing is lost: the last step is saved."),
        )
    return RunOutcome(
        message,
        _("Enter resumes from the last step with batch size {batch}.", batch=batch_size),
        _("resume"),
        lambda: session.resume(run),
        _("Nothing is lost: the last step is saved.")
        + " "
        + describe_batch_effect(session.history.recipe.get("method")),
    )


def _after_non_finite_loss(event: LossNotFinite, session: TrainingSession, wizard: Wizard) -> RunOutcome:
    images = join_names((Path(image).name for image in event.images), SHOWN_IMAGES)
    details = _("Check the images of that step and their labels: {images}.", images=images)
    best_weights = None if session.run is None else session.run / BEST_WEIGHTS
    lr = session.history.recipe.get("init_lr")
    if best_weights is None or not best_weights.is_file() or not isinstance(lr, int | float):
        return RunOutcome(
            describe_end(event),
            _("Enter returns to Tune: set a smaller init_lr, or precision fp32."),
            _("Tune"),
            lambda: wizard.show_screen("tune"),
            details,
        )
    lower_lr = float(f"{lr / LR_DIVISOR:.2g}")

    def prepare_new_training() -> None:
        wizard.state.start, wizard.state.model_path = "whole", str(best_weights)
        wizard.state.settings["init_lr"] = lower_lr
        wizard.show_screen("review")

    return RunOutcome(
        describe_end(event),
        _("Enter prepares a new training from the best weights of this run, with init_lr {lr}.", lr=f"{lower_lr:g}"),
        _("Review"),
        prepare_new_training,
        details,
    )
