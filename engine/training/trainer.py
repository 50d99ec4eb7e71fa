"""The training itself, in the order in which it happens: stages, epochs, steps, validation, checkpoints.

A `Trainer` yields events and writes the run folder. It looks at its `Control` between two steps and between two validation
batches; everything it needs to go on exactly is in its checkpoint.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from engine.dataset.index import Dataset
from engine.dataset.loader import Batch, CachedImages, training_batches
from engine.events import (
    BatchChanged,
    CheckpointSaved,
    EpochFinished,
    Evaluated,
    Event,
    Finished,
    ImageSkipped,
    Paused,
    Resumed,
    StageStarted,
    Stopped,
)
from engine.network.yolov4 import Detector
from engine.plan import Plan, StagePlan
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from engine.training.checkpoint import Checkpoint, Progress, save_checkpoint
from engine.training.control import Control
from engine.training.learner import Learner, NotFinite
from engine.training.save_weights import save_epoch_weights, update_best
from engine.training.schedule import fitted_stage, schedule_of
from engine.training.step_reports import NonFiniteLoss, StepReports
from engine.training.validation import StopRequested, validate

CHECKPOINT_SECONDS = 180.0
"""Inside a long epoch a checkpoint is saved this often."""

Phase = Literal["training", "validation"]


class PartialStep(Exception):
    """A step failed after it had begun to change weights."""


class Trainer:
    """One run of one process, between its first step and its last."""

    def __init__(
        self,
        run: Path,
        plan: Plan,
        dataset: Dataset,
        network: Detector,
        control: Control,
        checkpoint: Checkpoint | None,
    ) -> None:
        """`network` holds the weights to start from; a `checkpoint` replaces them and everything else."""
        self.run = run
        self.plan = plan
        self.recipe = plan.recipe
        self.dataset = dataset
        self.images = CachedImages(dataset)
        self.control = control
        self.device = torch.device(plan.device)
        moved: Detector = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learner = Learner(plan.recipe, moved, self.device, plan.precision, plan.total_steps)
        self.progress = Progress(epoch=plan.stages[0].first_epoch)
        self.schedule = schedule_of(self.recipe, plan.stages)
        self.reports = StepReports(self.device)
        self._saved_at = time.monotonic()
        self.phase: Phase = "training"
        if checkpoint is not None:
            self.restore(checkpoint)

    # Stages and epochs

    def train(self, log_lengths: Callable[[], Mapping[str, int]]) -> Iterator[Event]:
        """Everything from here to the end; `log_lengths` tells how long the run's logs are now.

        Raises:
            NonFiniteLoss: see the class; the checkpoint in the run folder is good.
            BadInput: the disk is full.
        """
        self._log_lengths = log_lengths
        try:
            for stage in self.plan.stages:
                if self.progress.epoch <= stage.last_epoch:
                    yield from self._stage(stage)
        except StopRequested:
            yield from self._stopped()
            return
        yield self._finished()

    def _stage(self, stage: StagePlan) -> Iterator[Event]:
        self.stage, self.phase = self._as_it_now_is(stage), "training"
        self.learner.enter(stage.name)
        yield StageStarted(
            stage=stage.name,
            epoch=self.progress.epoch,
            batch_size=self.stage.batch_size,
            init_lr=self.stage.init_lr,
            min_lr=self.stage.min_lr,
        )
        if not self.progress.total_steps:
            yield self.save()  # so that a run that dies in its first epoch can go on too
        while self.progress.epoch <= stage.last_epoch:
            yield from self._epoch()

    def _as_it_now_is(self, stage: StagePlan) -> StagePlan:
        """The stage with the batch size that has taken the place of the plan's, if one has."""
        batch = self.progress.batch_sizes.get(stage.name, stage.batch_size)
        accumulate = self.progress.accumulates.get(stage.name, stage.accumulate)
        if (batch, accumulate) == (stage.batch_size, stage.accumulate):
            return stage
        changed = replace(stage, batch_size=batch, accumulate=accumulate)
        return fitted_stage(self.recipe, changed, len(self.dataset.splits["train"]))

    def _epoch(self) -> Iterator[Event]:
        self.phase = "training"
        while (steps := self.progress.step + self._steps_left()) > self.progress.step:
            yield from self._steps(steps)
        yield from self._report(keep=0)
        yield from self._save_if_due()
        self.phase = "validation"
        yield from self._close_epoch()

    def validation_batch(self) -> int:
        """Images at a time in validation: never more than any stage trains with."""
        smallest = min(self._as_it_now_is(stage).batch_size for stage in self.plan.stages)
        return min(smallest, self.progress.validation_batch or smallest)

    def _close_epoch(self) -> Iterator[Event]:
        """Validation, weights and the epoch's checkpoint; `progress` moves on only after all of it."""
        started = time.monotonic()
        epoch, progress = self.progress.epoch, self.progress
        is_last = epoch == self.plan.stages[-1].last_epoch
        with_map = is_last or (epoch + 1) % self.recipe.eval_period == 0
        validation = validate(
            self.learner, self.images, self.recipe, self.validation_batch(), with_map=with_map, control=self.control
        )
        self.learner.enter(self.stage.name)
        train_loss = progress.sums[0] / max(progress.step, 1)
        progress.epoch_seconds += time.monotonic() - started
        for skipped in validation.skipped:
            yield ImageSkipped(image=str(skipped.path), reason=str(skipped.message))
        yield EpochFinished(
            stage=self.stage.name,
            epoch=epoch,
            train_loss=train_loss,
            val_loss=validation.loss,
            seconds=progress.epoch_seconds,
        )
        best = update_best(progress, validation)
        if validation.scores is not None:
            scores = validation.scores
            yield Evaluated(epoch=epoch, map50=scores.map50, map50_95=scores.map50_95, best=best)
        due = is_last or (epoch + 1) % self.recipe.save_period == 0
        save_epoch_weights(
            self.run, self.learner.evaluated, self.plan, epoch, train_loss, validation, best=best, due=due
        )
        progress.seconds += progress.epoch_seconds
        progress.next_epoch()
        yield self.save()

    # Steps

    def _steps_left(self) -> int:
        images = len(self.dataset.splits["train"]) - self.progress.seen
        return images // (self.stage.batch_size * self.stage.accumulate)

    def _share_done(self) -> float:
        """Of the images that this epoch takes; those that fill no batch are not among them."""
        left = self._steps_left() * self.stage.batch_size * self.stage.accumulate
        return self.progress.seen / (self.progress.seen + left)

    def _steps(self, steps: int) -> Iterator[Event]:
        """The epoch's steps from where it stands, until its end or until the batch size changes."""
        batches = training_batches(
            self.images,
            self.recipe,
            epoch=self.progress.epoch,
            batch_size=self.stage.batch_size,
            first_image=self.progress.seen,
            workers=self.recipe.num_workers,
        )
        with closing(batches):
            while self.progress.step < steps:
                began = time.monotonic()
                group = [next(batches) for _ in range(self.stage.accumulate)]
                waited = time.monotonic() - began
                parts, lr = self._step(group)
                self._advance(group)
                seconds = time.monotonic() - began
                self.progress.epoch_seconds += seconds
                self.reports.add(self.stage, self.progress, steps, lr, seconds, waited, parts, group)
                yield from self._report(keep=self.reports.kept)
                for skipped in (image for batch in group for image in batch.skipped):
                    yield ImageSkipped(image=str(skipped.path), reason=str(skipped.message))
                if self.control.pause_requested or self.control.stop_requested:
                    yield from self._wait_or_stop()
                yield from self._save_if_due()
                if (size := self.control.pop_requested_batch_size()) is not None and size != self.stage.batch_size:
                    yield from self._report(keep=0)
                    yield self.lower_batch(size)
                    return

    def _step(self, group: list[Batch]) -> tuple[Tensor, float]:
        """One gradient update from the batches of `group`; its loss parts (4,) and learning rate."""
        lr = self.schedule.lr(self.progress.epoch, self._share_done(), self.stage)
        try:
            # On a GPU looking would wait for it; there the loss is looked at one step later.
            parts = self.learner.step(group, lr, self.progress.total_steps, stop_at_broken=self.device.type == "cpu")
        except NotFinite as error:
            raise NonFiniteLoss(group) from error
        return parts, lr

    def _advance(self, group: list[Batch]) -> None:
        self.progress.step += 1
        self.progress.total_steps += 1
        self.progress.seen += sum(len(batch.indices) for batch in group)

    def _report(self, keep: int) -> Iterator[Event]:
        """The events of steps whose losses have arrived, leaving `keep` of them on the device."""
        for event in self.reports.arrived(keep):
            parts = (event.loss, event.box, event.objectness, event.classes)
            self.progress.sums = [a + b for a, b in zip(self.progress.sums, parts, strict=True)]
            yield event

    # Wishes, and memory that ran out

    def _wait_or_stop(self) -> Iterator[Event]:
        if self.control.pause_requested and not self.control.stop_requested:
            yield from self._report(keep=0)
            yield self.save()
            yield Paused(epoch=self.progress.epoch, step=self.progress.step)
            self.control.wait_while_paused()
            yield Resumed(epoch=self.progress.epoch, step=self.progress.step)
        if self.control.stop_requested:
            raise StopRequested

    def lower_batch(self, size: int, accumulate: int | None = None) -> BatchChanged:
        """From the next step on this stage and those after it train with at most `size` images.

        Args:
            size: images in a batch, at least 2.
            accumulate: batches that make one step of this stage; None: as many as before.
        """
        progress = self.progress
        for stage in self.plan.stages:
            if stage.first_epoch >= self.stage.first_epoch:
                progress.batch_sizes[stage.name] = min(self._as_it_now_is(stage).batch_size, size)
        if accumulate is not None:
            progress.accumulates[self.stage.name] = accumulate
        planned = next(stage for stage in self.plan.stages if stage.name == self.stage.name)
        self.stage = self._as_it_now_is(planned)
        return BatchChanged(
            stage=self.stage.name,
            epoch=progress.epoch,
            step=progress.step,
            batch_size=self.stage.batch_size,
            accumulate=self.stage.accumulate,
            init_lr=self.stage.init_lr,
            min_lr=self.stage.min_lr,
        )

    def lower_validation_batch(self, size: int) -> None:
        """From the next validation on look at `size` images at a time; the validation loss does not hang on it."""
        self.progress.validation_batch = size

    def rollback(self) -> Iterator[Event]:
        """After an error in mid-step: report what was done before it, and make that the state again.

        Raises:
            NonFiniteLoss: a step before it was broken already.
            PartialStep: the step had begun to change weights; only a checkpoint holds a good state.
        """
        undone = self.learner.rollback()
        yield from self._report(keep=0)
        if not undone:
            raise PartialStep

    # What is kept

    def save(self) -> CheckpointSaved:
        """Write a checkpoint of this moment.

        Raises:
            NonFiniteLoss: the weights are no longer numbers; the checkpoint that was there stays.
            BadInput: the disk is full.
        """
        began = time.monotonic()
        if not self.learner.is_finite():
            raise NonFiniteLoss([])
        network = self.learner.network
        checkpoint = Checkpoint(
            progress=copy.deepcopy(self.progress),
            **self.learner.state(),
            anchors=network.all_anchors,
            scale_x_y=tuple(level.scale_x_y for level in network.levels),
            logs=self._log_lengths(),
        )
        path = save_checkpoint(self.run, checkpoint)
        self._saved_at = time.monotonic()
        return CheckpointSaved(
            path=str(path), epoch=self.progress.epoch, step=self.progress.step, seconds=self._saved_at - began
        )

    def _save_if_due(self) -> Iterator[Event]:
        if time.monotonic() - self._saved_at > CHECKPOINT_SECONDS:
            yield from self._report(keep=0)
            yield self.save()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back, or on, to the moment of a checkpoint."""
        self.reports.clear()
        self.progress = copy.deepcopy(checkpoint.progress)
        self.learner.restore(checkpoint.network, checkpoint.ema, checkpoint.optimizer, checkpoint.scaler)

    # Ends

    def _stopped(self) -> Iterator[Event]:
        yield from self._report(keep=0)
        saved = self.save()
        yield saved
        yield Stopped(epoch=self.progress.epoch, step=self.progress.step, checkpoint=saved.path)

    def _finished(self) -> Finished:
        return Finished(
            run=str(self.run),
            best=str(self.run / BEST_WEIGHTS),
            last=str(self.run / LAST_WEIGHTS),
            map50=self.progress.best_map50,
            map50_95=self.progress.best_map50_95,
            seconds=self.progress.seconds,
        )
