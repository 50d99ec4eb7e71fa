"""Events of a training, each in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from engine.events import (
    CARD_STOPPED,
    BatchChanged,
    CheckpointSaved,
    EpochFinished,
    Evaluated,
    Event,
    Failed,
    Finished,
    ImageSkipped,
    LossNotFinite,
    OutOfMemory,
    Paused,
    Resumed,
    RunStarted,
    StageStarted,
    Stopped,
    WeightsLoaded,
)
from tui.text.durations import duration
from tui.text.translate import N_, _

STAGES: Final[Mapping[str, str]] = {"freeze": N_("freeze"), "unfreeze": N_("unfreeze")}
"""What the stages are called."""

WHY: Final[Mapping[str, str]] = {
    "freeze": N_("Freeze: the backbone keeps what it has learned from many pictures; only the rest learns yours."),
    "unfreeze": N_("Unfreeze: now everything learns. The loss may rise for a moment, since more moves at once."),
}
"""One line at the border between the stages."""

OTHER_WAYS: Final = N_(
    "A batch of 2 is the least there is: go back to Tune and take a smaller input_shape, precision bf16, or the network "
    "yolov4-tiny."
)


def describe_event(event: Event) -> str | None:
    """What happened, for people; None where it is not worth a line."""
    match event:
        case RunStarted() | WeightsLoaded() | StageStarted() | BatchChanged():
            return _beginning(event)
        case EpochFinished() | Evaluated() | CheckpointSaved() | ImageSkipped():
            return _on_the_way(event)
        case Paused():
            return _("Paused after step {step} of epoch {epoch}.", step=event.step, epoch=event.epoch + 1)
        case Resumed():
            return _("Goes on.")
        case OutOfMemory() | LossNotFinite() | Failed() | Stopped() | Finished():
            return ending(event)
    return None


def _beginning(event: RunStarted | WeightsLoaded | StageStarted | BatchChanged) -> str:
    match event:
        case RunStarted():
            run = PurePath(event.run).name
            if event.continued:
                return _("Goes on with {run} from epoch {epoch}.", run=run, epoch=event.epoch + 1)
            return _("Trains in {run}.", run=run)
        case WeightsLoaded():
            return _(
                "{matched} of {total} convolutions come from {file}.",
                matched=event.matched,
                total=event.total,
                file=PurePath(event.file).name,
            )
        case StageStarted():
            return _(
                "Stage {stage} begins: batch {batch}, learning rate up to {lr}.",
                stage=_(STAGES[event.stage]),
                batch=event.batch_size,
                lr=f"{event.init_lr:.2g}",
            )
        case BatchChanged():
            return _(
                "From here on {batch} images at a time, learning rate up to {lr}.",
                batch=event.batch_size,
                lr=f"{event.init_lr:.2g}",
            )


def _on_the_way(event: EpochFinished | Evaluated | CheckpointSaved | ImageSkipped) -> str:
    match event:
        case EpochFinished() if event.val_loss is None:
            return _("Epoch {epoch}: train loss {loss}.", epoch=event.epoch + 1, loss=f"{event.train_loss:.4f}")
        case EpochFinished():
            return _(
                "Epoch {epoch}: train loss {loss}, validation loss {val_loss}.",
                epoch=event.epoch + 1,
                loss=f"{event.train_loss:.4f}",
                val_loss=f"{event.val_loss:.4f}",
            )
        case Evaluated():
            values = {"epoch": event.epoch + 1, "map50": f"{event.map50:.3f}", "map": f"{event.map50_95:.3f}"}
            if event.best:
                return _("Epoch {epoch}: mAP50 {map50}, mAP50-95 {map}; the best so far.", **values)
            return _("Epoch {epoch}: mAP50 {map50}, mAP50-95 {map}.", **values)
        case CheckpointSaved():
            return _("Checkpoint saved in {time}.", time=f"{event.seconds:.1f} s")
        case ImageSkipped():
            return _("A picture cannot be read and is left out: {image}", image=event.image)


def ending(event: Event | None) -> str:
    """How a training ended, and why."""
    match event:
        case OutOfMemory():
            return out_of_memory(event)
        case LossNotFinite():
            return _(
                "The loss is no longer a number, in epoch {epoch}, step {step}. The last checkpoint and the weights are good.",
                epoch=event.epoch + 1,
                step=event.step + 1,
            )
        case Failed() if event.code == CARD_STOPPED and event.checkpoint is None:
            return _("The card does not work; nothing was trained, and nothing is lost.")
        case Failed() if event.code == CARD_STOPPED:
            return _("The card stopped working. The last checkpoint is good: nothing before it is lost.")
        case Failed():
            return _("The training ended early: {reason}", reason=event.message)
        case Stopped():
            return _("Stopped and saved; nothing is lost.")
        case Finished() if event.map50 is None:
            return _("Finished in {time}.", time=duration(event.seconds))
        case Finished():
            return _(
                "Finished in {time}, best mAP50 {map50}.", time=duration(event.seconds), map50=f"{event.map50:.3f}"
            )
    return _("The training has ended.")


def out_of_memory(event: OutOfMemory) -> str:
    """The stage, the batch, and that the data set's size plays no part."""
    if event.during == "start":
        return _(
            "Memory does not suffice for the network and its optimizer alone. How many pictures there are plays no part."
        )
    values = {"stage": _(STAGES[event.stage]), "batch": event.batch_size}
    if event.during == "validation":
        return _(
            "Memory ran out in the validation of stage {stage}, {batch} pictures at a time. How many pictures the data set "
            "holds plays no part in it: memory holds one batch, never all of them.",
            **values,
        )
    return _(
        "Memory ran out in stage {stage} at batch size {batch}. How many pictures the data set holds plays no part in it: "
        "memory holds one batch, never all of them.",
        **values,
    )
