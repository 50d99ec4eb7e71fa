"""Watches over a training: writes down what happens, words what ends it early, and goes on after out of memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from engine.dataset.index import Dataset
from engine.events import CARD_STOPPED, Event, Failed, LossNotFinite, OutOfMemory, RunStarted, WeightsLoaded
from engine.messages import BadInput, Message, phrase
from engine.network.yolov4 import Detector
from engine.plan import Plan
from engine.planning.memory.oom import smaller_batch
from engine.runs.folder import LAST_CHECKPOINT, run_lock, save_plan, write_process_info
from engine.training.checkpoint import Checkpoint, load_newest
from engine.training.control import Control
from engine.training.determinism import exact
from engine.training.oom import is_out_of_memory, release_memory
from engine.training.run_log import RunLog
from engine.training.step_reports import NonFiniteLoss
from engine.training.trainer import PartialStep, Trainer

OnOutOfMemory = Literal["stop", "retry", "accumulate"]
"""What follows when memory runs out: the end, or smaller batches; `accumulate` adds up as many of them as give the old step."""

MOST_RETRIES = 3


@dataclass(slots=True)
class StartState:
    """Where a training begins, or goes on: from weights that were loaded, or from a checkpoint. `note` says what was changed.

    The checkpoint holds as much memory as the training itself and is dropped once it is restored.
    """

    loaded: WeightsLoaded | None = None
    checkpoint: Checkpoint | None = None
    note: str = ""


def supervise(
    run: Path,
    plan: Plan,
    dataset: Dataset,
    network: Detector,
    control: Control,
    start_state: StartState,
    on_out_of_memory: OnOutOfMemory,
) -> Iterator[Event]:
    """Events of one process training into `run`, each written into the run folder before it is yielded."""
    with run_lock(run):
        write_process_info(run)
        checkpoint = start_state.checkpoint
        if start_state.note:
            save_plan(run, plan)
        first_epoch = plan.stages[0].first_epoch if checkpoint is None else checkpoint.progress.epoch
        run_log = RunLog(run, plan, {} if checkpoint is None else checkpoint.logs, first_epoch)
        del checkpoint
        with closing(run_log), exact(plan):
            yield from _Supervision(run, plan, dataset, run_log, on_out_of_memory).events(network, control, start_state)


class _Supervision:
    """One training and what is done when it breaks. Every event is written down before it is yielded."""

    def __init__(self, run: Path, plan: Plan, dataset: Dataset, run_log: RunLog, on_oom: OnOutOfMemory) -> None:
        self.run = run
        self.plan = plan
        self.dataset = dataset
        self.run_log = run_log
        self.on_oom = on_oom

    def events(self, network: Detector, control: Control, start_state: StartState) -> Iterator[Event]:
        """From the run's first event to its last."""
        yield from self._opening(start_state)
        trainer = yield from self._build(network, control, start_state.checkpoint)
        if trainer is None:
            return
        self.trainer = trainer
        start_state.checkpoint = None
        for retries_left in reversed(range(MOST_RETRIES + 1)):
            exhausted = yield from self._train()
            if not exhausted or not (yield from self._after_out_of_memory(retries_left)):
                return

    def _opening(self, start_state: StartState) -> Iterator[Event]:
        checkpoint = start_state.checkpoint
        yield self._say(
            RunStarted(
                run=str(self.run),
                plan=self.plan.to_json(),
                epoch=self.plan.stages[0].first_epoch if checkpoint is None else checkpoint.progress.epoch,
                step=0 if checkpoint is None else checkpoint.progress.step,
                continued=checkpoint is not None,
                note=start_state.note,
            )
        )
        if start_state.loaded is not None:
            yield self._say(start_state.loaded)

    def _build(
        self, network: Detector, control: Control, checkpoint: Checkpoint | None
    ) -> Generator[Event, None, Trainer | None]:
        """The trainer; None where the device has no room for what it starts with or does not work, which has been said then."""
        try:
            return Trainer(self.run, self.plan, self.dataset, network, control, checkpoint)
        except Exception as error:
            ending: Event
            if is_out_of_memory(error):
                ending = _no_room_at_all(self.run, self.plan)
            elif stopped_working(error):
                ending = self._failed(CARD_STOPPED, str(_card_never_worked(self.plan, error)), 2)
            else:
                yield self._say(self._defect(error))
                raise
        release_memory(torch.device(self.plan.device))  # only now: until here the error held the half-made trainer
        yield self._say(ending)
        return None

    def _train(self) -> Generator[Event, None, bool]:
        """Train to the end that it comes to; whether memory ran out."""
        try:
            for event in self.trainer.train(self.run_log.lengths):
                yield self._say(event)
        except NonFiniteLoss as error:
            yield self._say(broken(self.trainer, error))
        except BadInput as error:
            yield self._say(self._failed(error.messages[0].code, str(error), error.exit_code))
        except Exception as error:
            if is_out_of_memory(error):
                return True  # without the error: its traceback still holds the step's tensors
            if stopped_working(error):
                yield self._say(self._failed(CARD_STOPPED, str(_card_stopped(self.trainer, error)), 2))
                return False
            yield self._say(self._defect(error))
            raise
        return False

    def _after_out_of_memory(self, retries_left: int) -> Generator[Event, None, bool]:
        """Go back to the last good moment, save it, say what happened; whether the training goes on with a smaller batch."""
        saved = yield from self._last_good_moment()
        if saved is None:
            return False
        event = out_of_memory(self.trainer, saved)
        yield self._say(event)
        smaller = event.suggested_batch_size
        if self.on_oom == "stop" or retries_left == 0 or smaller is None:
            return False
        if event.during == "validation":
            self.trainer.lower_validation_batch(smaller)
        else:
            together = self.trainer.stage.batch_size * self.trainer.stage.accumulate
            keep = self.on_oom == "accumulate"
            yield self._say(self.trainer.lower_batch(smaller, max(1, together // smaller) if keep else None))
        return True

    def _last_good_moment(self) -> Generator[Event, None, str | None]:
        """Back to the step before the one that failed, saved; None where that cannot be had, which has been said then."""
        trainer = self.trainer
        release_memory(trainer.device)
        try:
            for event in trainer.rollback():
                yield self._say(event)
            release_memory(trainer.device)
            saved = trainer.save()
        except NonFiniteLoss as error:
            yield self._say(broken(trainer, error))
        except PartialStep:
            return (yield from self._back_to_the_checkpoint())
        else:
            yield self._say(saved)
            return saved.path
        return None

    def _back_to_the_checkpoint(self) -> Generator[Event, None, str | None]:
        """Load the last checkpoint over weights that are half changed; None where there is no memory even for that."""
        trainer = self.trainer
        try:
            checkpoint = load_newest(trainer.run)
            self.run_log.cut(checkpoint.logs)
            trainer.restore(checkpoint)
        except Exception as error:
            # A reader that finds no memory takes the file for a broken one.
            if not is_out_of_memory(error) and not isinstance(error, BadInput):
                raise
        else:
            return _newest_checkpoint(trainer.run)
        yield self._say(out_of_memory(trainer, _newest_checkpoint(trainer.run)))
        return None

    def _say(self, event: Event) -> Event:
        """Write an event down. The last word of a run that ends badly is not lost because a full disk refuses it too."""
        if isinstance(event, Failed | LossNotFinite | OutOfMemory):
            with suppress(BadInput):
                self.run_log.record(event)
        else:
            self.run_log.record(event)
        return event

    def _failed(self, code: str, message: str, exit_code: int) -> Failed:
        return Failed(code=code, message=message, exit_code=exit_code, checkpoint=_newest_checkpoint(self.run))

    def _defect(self, error: Exception) -> Failed:
        return self._failed("defect", f"{type(error).__name__}: {error}", 1)


def out_of_memory(trainer: Trainer, checkpoint: str | None) -> OutOfMemory:
    """The event for memory that ran out while `trainer` trained or validated."""
    stage, in_validation = trainer.stage, trainer.phase == "validation"
    batch = trainer.validation_batch() if in_validation else stage.batch_size
    smaller = batch // 2 or None if in_validation else smaller_batch(trainer.plan, stage, trainer.dataset)
    name = trainer.run.name
    if in_validation:
        cure = phrase("Go on from the last step with: {command}", command=f"freezetui resume {name} --on-oom retry")
    elif smaller is not None:
        command = f"freezetui resume {name} --set {stage.name}_batch_size={smaller}"
        cure = phrase("Go on from the last step with: {command}", command=command)
    else:
        cure = _MEMORY_HINT
    message = Message(
        "train.out_of_memory",
        "Memory ran out in the {stage} stage{where} at batch size {batch}. How many images the data set holds plays no part in "
        "it. {cure}",
        {"stage": stage.name, "where": phrase(" in validation") if in_validation else "", "batch": batch, "cure": cure},
    )
    return OutOfMemory(
        stage=stage.name,
        epoch=trainer.progress.epoch,
        step=trainer.progress.step,
        batch_size=batch,
        suggested_batch_size=smaller,
        where=str(trainer.device),
        during=trainer.phase,
        checkpoint=checkpoint,
        message=str(message),
    )


def stopped_working(error: Exception) -> bool:
    """Whether the device itself failed: fallen off the bus, reset, its driver gone. The process cannot use it any more."""
    signs = ("CUDA error", "CUDNN_STATUS_", "CUBLAS_STATUS_", "NCCL")
    return isinstance(error, torch.AcceleratorError) or (
        type(error) is RuntimeError and any(sign in str(error) for sign in signs)
    )


def _card_stopped(trainer: Trainer, error: Exception) -> Message:
    return Message(
        CARD_STOPPED,
        "{device} stopped working in epoch {epoch}, step {step} ({reason}). The last checkpoint is good. Start anew (the machine "
        "too, if the card stays away) and go on with: {command}",
        {
            "device": str(trainer.device),
            "epoch": trainer.progress.epoch + 1,
            "step": trainer.progress.step + 1,
            "reason": str(error).partition("\n")[0],
            "command": f"freezetui resume {trainer.run.name}",
        },
    )


def _card_never_worked(plan: Plan, error: Exception) -> Message:
    return Message(
        CARD_STOPPED,
        "{device} does not work ({reason}), so nothing was trained. What was saved before is as it was. Start anew (the machine "
        "too, if the card stays so), or train with device=cpu.",
        {"device": plan.device, "reason": str(error).partition("\n")[0]},
    )


_MEMORY_HINT = phrase("Set a smaller input_shape, precision=bf16, or the network yolov4-tiny.")


def _no_room_at_all(run: Path, plan: Plan) -> OutOfMemory:
    """The event for memory that does not suffice for the network alone."""
    stage = plan.stages[0]
    return OutOfMemory(
        stage=stage.name,
        epoch=stage.first_epoch,
        step=0,
        batch_size=stage.batch_size,
        suggested_batch_size=None,
        where=plan.device,
        during="start",
        checkpoint=_newest_checkpoint(run),
        message=f"Memory does not suffice for the network {plan.recipe.network} and its optimizer alone. {_MEMORY_HINT}",
    )


def broken(trainer: Trainer, error: NonFiniteLoss) -> LossNotFinite:
    """The event for a loss that is not finite. Nothing is saved: batch norm has seen the batch, the last checkpoint not."""
    images = tuple(str(trainer.dataset.images[index]) for index in error.indices)
    message = Message(
        "train.loss_not_finite",
        "The loss is no longer a number in epoch {epoch}, step {step}. Look at the images {images}; or go on from the last "
        "checkpoint with a smaller init_lr than {lr} (or precision=fp32).",
        {
            "epoch": trainer.progress.epoch + 1,
            "step": trainer.progress.step + 1,
            "images": ", ".join(images),
            "lr": f"{trainer.stage.init_lr:g}",
        },
    )
    return LossNotFinite(
        stage=trainer.stage.name,
        epoch=trainer.progress.epoch,
        step=trainer.progress.step,
        images=images,
        message=str(message),
    )


def _newest_checkpoint(run: Path) -> str | None:
    """Where the run can go on from, if it can."""
    path = run / LAST_CHECKPOINT
    return str(path) if path.exists() else None
