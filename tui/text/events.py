"""The events of a training as text, for the wizard and the command line alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.events import (
    CARD_STOPPED,
    BatchChanged,
    CheckpointSaved,
    CommandAnswered,
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
    ThreadsChanged,
    WeightsLoaded,
)
from engine.messages import Message
from tui.text.durations import duration
from tui.text.stages import STAGE_EXPLANATIONS, STAGE_NAMES
from tui.text.translate import N_, _, ngettext, translate

COMMAND_NAMES: Final[Mapping[str, str]] = {
    "pause": N_("A pause is requested."),
    "resume": N_("The end of the pause is requested."),
    "stop": N_("A stop is requested."),
    "lower_batch": N_("Batch size {value} is requested."),
    "extend": N_("{value} epochs are requested."),
    "detach": N_("The training moves into the background."),
}
"""Commands that were accepted, see `engine.runs.commands`."""


def epoch_number(epoch: int, epochs: int | None) -> str:
    """The number of an epoch, which counts from 0, as people count: "47/140" where the number of all epochs is known."""
    return f"{epoch + 1}" if epochs is None else f"{epoch + 1}/{epochs}"


def describe_event(event: Event, epochs: int | None = None) -> str | None:
    """The event as text of one or more lines; None for single steps. `epochs`: how many the training has."""
    match event:
        case RunStarted() | WeightsLoaded() | StageStarted() | BatchChanged():
            return _describe_start(event)
        case EpochFinished() | Evaluated():
            return _describe_epoch(event, epochs)
        case CheckpointSaved():
            return _("Checkpoint saved in {seconds} s.", seconds=f"{event.seconds:.1f}")
        case ImageSkipped():
            return _("Image skipped ({count} so far): {reason}", count=event.count, reason=event.reason)
        case Paused():
            epoch = epoch_number(event.epoch, epochs)
            return _("Paused after step {step} of epoch {epoch}.", step=event.step, epoch=epoch)
        case Resumed():
            return _("Resumed.")
        case ThreadsChanged():
            return _describe_threads(event)
        case CommandAnswered():
            return _describe_command(event)
        case OutOfMemory() | LossNotFinite() | Failed() | Stopped() | Finished():
            return describe_end(event)
    return None


def _describe_threads(event: ThreadsChanged) -> str:
    return ngettext(
        "Other programs take {percent} % of the processor: from here on {count} thread computes.",
        "Other programs take {percent} % of the processor: from here on {count} threads compute.",
        event.threads,
        percent=round(event.others * 100),
    )


def _describe_command(event: CommandAnswered) -> str:
    if event.message is not None:
        return _("A command was refused: {reason}", reason=event.message)
    sentence = COMMAND_NAMES.get(event.command)
    return event.command if sentence is None else _(sentence, value=event.value)


def _describe_start(event: RunStarted | WeightsLoaded | StageStarted | BatchChanged) -> str:
    match event:
        case RunStarted():
            text = _("Training in {run}", run=event.run)
            if event.continued:
                text = _("Resuming {run} at epoch {epoch}.", run=event.run, epoch=event.epoch + 1)
            return text if event.note is None else f"{text}\n{translate(event.note)}"
        case WeightsLoaded():
            text = _(
                "Weights of {matched} of {total} convolutions loaded from {file}.",
                matched=event.matched,
                total=event.total,
                file=event.file,
            )
            return "\n".join((text, *map(translate, event.skipped)))
        case StageStarted():
            text = _(
                "Stage {stage} starts: batch size {batch}, learning rate up to {lr}.",
                stage=_(STAGE_NAMES[event.stage]),
                batch=event.batch_size,
                lr=f"{event.init_lr:.2g}",
            )
            return f"{text}\n{_(STAGE_EXPLANATIONS[event.stage])}"
        case BatchChanged():
            values = {"batch": event.batch_size, "lr": f"{event.init_lr:.2g}"}
            if event.activation_checkpointing:
                return _("From here on: batch size {batch}, with activation checkpointing.", batch=event.batch_size)
            if event.accumulate > 1:
                return _(
                    "From here on: batch size {batch}, {count} batches per step, learning rate up to {lr}.",
                    count=event.accumulate,
                    **values,
                )
            return _("From here on: batch size {batch}, learning rate up to {lr}.", **values)


def _describe_epoch(event: EpochFinished | Evaluated, epochs: int | None) -> str:
    epoch = epoch_number(event.epoch, epochs)
    match event:
        case EpochFinished():
            values = {"loss": f"{event.train_loss:.4f}", "time": duration(event.seconds)}
            if event.val_loss is None:
                return _("Epoch {epoch}: train loss {loss} ({time}).", epoch=epoch, **values)
            return _(
                "Epoch {epoch}: train loss {loss}, validation loss {val_loss} ({time}).",
                epoch=epoch,
                val_loss=f"{event.val_loss:.4f}",
                **values,
            )
        case Evaluated():
            values = {"map50": f"{event.map50:.3f}", "map": f"{event.map50_95:.3f}"}
            if event.best:
                return _("Epoch {epoch}: mAP50 {map50}, mAP50-95 {map}; the best so far.", epoch=epoch, **values)
            return _("Epoch {epoch}: mAP50 {map50}, mAP50-95 {map}.", epoch=epoch, **values)


def describe_end(event: Event | None) -> str:
    """How a training ended, and why. `event` is its last one."""
    match event:
        case OutOfMemory() | LossNotFinite():
            return translate(event.message)
        case Failed():
            return describe_failure(event.message)
        case Stopped():
            return _("Stopped; a checkpoint is saved and nothing is lost.")
        case Finished() if event.map50 is None:
            return _("Finished in {time}.", time=_total_time(event.seconds))
        case Finished():
            return _(
                "Finished in {time}, best mAP50 {map50}.", time=_total_time(event.seconds), map50=f"{event.map50:.3f}"
            )
    return _("The training has ended.")


def _total_time(seconds: float) -> str:
    """A measured duration: none is 0 s."""
    return duration(seconds) if seconds >= 1 else _("less than a second")


def describe_failure(message: Message) -> str:
    """The message of `Failed` as a sentence about the training."""
    if message.code == CARD_STOPPED:
        return translate(message)
    return _("The training ended early: {reason}", reason=message)
