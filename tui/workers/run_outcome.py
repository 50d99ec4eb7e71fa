"""How a training ended, what that means, and what Enter does about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.events import CARD_STOPPED, Failed, Finished, LossNotFinite, OutOfMemory, Stopped
from engine.runs.folder import BEST_WEIGHTS, LAST_CHECKPOINT
from tui.text import _, translate
from tui.text.events import OTHER_WAYS, ending

if TYPE_CHECKING:
    from tui.app import Freezetui
    from tui.workers.training_session import TrainingSession

MOST_IMAGES = 3
LOWER = 4
"""A loss that broke is tried again with a learning rate so many times lower."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """An ending. `enter` says what Enter does, `act` does it."""

    said: str
    enter: str
    act: Callable[[], object]
    more: str = ""
    good: bool = False


def run_outcome(session: TrainingSession, wizard: Freezetui) -> RunOutcome:
    """What follows the end of the session's training."""
    if session.refusal is not None:
        said = "\n".join(translate(message) for message in session.refusal.messages)
        if session.run is None:
            return RunOutcome(said, _("Enter goes back to Review."), lambda: wizard.go_to("review"))
        return _from_last_checkpoint(session, said)
    match session.last:
        case Finished():
            return RunOutcome(
                ending(session.last), _("Enter shows the results."), lambda: wizard.go_to("results"), good=True
            )
        case Stopped():
            more = _("P goes on from the last step, exactly; E trains for more epochs.")
            return RunOutcome(
                ending(session.last), _("Enter shows the results so far."), lambda: wizard.go_to("results"), more, True
            )
        case OutOfMemory():
            return _after_out_of_memory(session.last, session, wizard)
        case LossNotFinite():
            return _after_broken_loss(session.last, session, wizard)
        case Failed() if session.last.code == CARD_STOPPED:
            # What a card that failed leaves behind in a process cannot be mended; a new process begins afresh.
            then = _("Only a new start can use the card again; Review begins the training then.")
            if session.last.checkpoint is not None:
                then = _("Only a new start can use the card again; Runs goes on then.")
            more = _("{then} What happened: {reason}", then=then, reason=session.last.message)
            return RunOutcome(ending(session.last), _("Enter quits."), lambda: wizard.leave(0), more)
        case Failed() if session.last.code != "defect":
            return _from_last_checkpoint(session, ending(session.last))
    reason = session.defect or _("unknown")
    return _from_last_checkpoint(session, _("An error of ours ended the training: {reason}", reason=reason))


def _from_last_checkpoint(session: TrainingSession, said: str) -> RunOutcome:
    run = session.run
    if run is None or not (run / LAST_CHECKPOINT).is_file():
        return RunOutcome(said, "", lambda: None)
    return RunOutcome(said, _("Enter goes on from the last checkpoint."), lambda: session.resume(run))


def _after_out_of_memory(event: OutOfMemory, session: TrainingSession, wizard: Freezetui) -> RunOutcome:
    run, smaller, said = session.run, event.suggested_batch_size, ending(event)
    if run is None or smaller is None or event.checkpoint is None:
        return RunOutcome(said, _("Enter goes back to Tune."), lambda: wizard.go_to("tune"), _(OTHER_WAYS))
    if event.during == "validation":
        return RunOutcome(
            said,
            _("Enter goes on from the last step and validates {batch} pictures at a time.", batch=smaller),
            lambda: session.go_on(run),
            _("Nothing is lost: the training stands at its last step."),
        )
    return RunOutcome(
        said,
        _("Enter goes on from the last step with batch size {batch}.", batch=smaller),
        lambda: session.go_on(run),
        _("Nothing is lost: the training stands at its last step. The learning rate follows the batch size."),
    )


def _after_broken_loss(event: LossNotFinite, session: TrainingSession, wizard: Freezetui) -> RunOutcome:
    names = [Path(image).name for image in event.images[:MOST_IMAGES]]
    if len(event.images) > MOST_IMAGES:
        names.append(_("and {count} more", count=len(event.images) - MOST_IMAGES))
    look = _("Look at the pictures of that step and their labels: {images}.", images=", ".join(names))
    best = None if session.run is None else session.run / BEST_WEIGHTS
    lr = session.course.recipe.get("init_lr")
    if best is None or not best.is_file() or not isinstance(lr, int | float):
        return RunOutcome(
            ending(event),
            _("Enter goes back to Tune: take a smaller init_lr, or precision fp32."),
            lambda: wizard.go_to("tune"),
            look,
        )
    lower = float(f"{lr / LOWER:.2g}")

    def reset() -> None:
        wizard.state.start, wizard.state.model_path = "whole", str(best)
        wizard.state.settings["init_lr"] = lower
        wizard.go_to("review")

    return RunOutcome(
        ending(event),
        _("Enter prepares a new training from the best weights so far, with init_lr {lr}.", lr=f"{lower:g}"),
        reset,
        look,
    )
