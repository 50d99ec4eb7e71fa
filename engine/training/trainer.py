"""The training loop: stages, epochs, steps, validation, checkpoints.

A `Trainer` yields events and writes the run folder. It checks its `Control` between two steps and between two validation
batches. Its checkpoint contains everything that an exact resume needs.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.dataset.index import Dataset
from engine.dataset.loader import Batch, CachedImages, Share, epoch_order, training_batches
from engine.events import (
    BatchChanged,
    CheckpointSaved,
    Event,
    Finished,
    Paused,
    Resumed,
    StageStarted,
    Stopped,
    ThreadsChanged,
)
from engine.network.detector import Detector
from engine.parallel.group import SINGLE, ProcessGroup
from engine.plan import Plan, StagePlan
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from engine.training.adaptive_threads import AdaptiveThreads
from engine.training.batch_settings import BatchSettings
from engine.training.checkpoint import Checkpoint, Progress, save_checkpoint
from engine.training.control import Control
from engine.training.epoch_end import EpochEnd
from engine.training.learner import Learner, NonFiniteLoss
from engine.training.peers import guarded, on_first
from engine.training.requests import Requests, agree_on_requests, wait_while_paused
from engine.training.schedule import make_schedule
from engine.training.skipped_images import SkippedImages
from engine.training.step_reports import StepReports
from engine.training.validation import StopRequested

CHECKPOINT_SECONDS = 180.0
"""During a long epoch a checkpoint is saved this often."""

Phase = Literal["training", "validation"]


class PartialStep(Exception):
    """A step failed after it had begun to change weights."""


class Trainer:
    """One run, from its first step to its last, in one process or, of `group`, in each of several.

    All processes do the same and yield the same events, but the first one alone writes files. Whatever happens in one of them
    (see `peers.py`) and whatever is requested of one (`requests.py`) happens in all at the same step.
    """

    def __init__(
        self,
        run: Path,
        plan: Plan,
        dataset: Dataset,
        network: Detector,
        control: Control,
        checkpoint: Checkpoint | None,
        group: ProcessGroup = SINGLE,
    ) -> None:
        """`network` has the weights to start from; a `checkpoint` replaces them and all other state."""
        self.run = run
        self.plan = plan
        self.recipe = plan.recipe
        self.dataset = dataset
        self.images = CachedImages(dataset)
        self.control = control
        self.device = torch.device(plan.device)
        self.group = group
        self.learner = Learner(
            plan.recipe,
            network.move_to(self.device),
            self.device,
            plan.precision,
            plan.total_steps,
            group,
            [torch.device(device) for device in plan.devices] if plan.recipe.parallel == "dp" else (),
        )
        self.progress = Progress(epoch=plan.stages[0].first_epoch)
        self.schedule = make_schedule(self.recipe, plan.stages)
        self.reports = StepReports(self.device)
        self._skipped = SkippedImages(group)
        self._epoch_end = EpochEnd.of(run, plan, self.images, self.learner, control, self._skipped)
        self._saved_at = time.monotonic()
        adapts = plan.recipe.threads == "adapt" and self.device.type == "cpu" and group.is_single
        self._threads = AdaptiveThreads(plan.threads) if adapts else None
        self.phase: Phase = "training"
        self._apply_checkpointing()
        if checkpoint is not None:
            self.restore(checkpoint)

    # Stages and epochs

    def train(self, sync_logs: Callable[[], Mapping[str, int]]) -> Iterator[Event]:
        """Train from the current progress to the end; `sync_logs` flushes the run's logs to the disk and returns their lengths.

        Raises:
            NonFiniteLoss: see the class; the checkpoint in the run folder is good.
            BadInput: the disk is full.
        """
        self._sync_logs = sync_logs
        try:
            for stage in self.plan.stages:
                if self.progress.epoch <= stage.last_epoch:
                    yield from self._train_stage(stage)
        except StopRequested:
            yield from self._report(max_pending=0)
            saved = self.save()
            yield saved
            yield Stopped(epoch=self.progress.epoch, step=self.progress.step, checkpoint=saved.path)
            return
        yield Finished(
            run=str(self.run),
            best=str(self.run / BEST_WEIGHTS),
            last=str(self.run / LAST_WEIGHTS),
            map50=self.progress.best_map50,
            map50_95=self.progress.best_map50_95,
            seconds=self.progress.seconds,
        )

    def _train_stage(self, stage: StagePlan) -> Iterator[Event]:
        self.stage, self.phase = self._batches.current(stage), "training"
        self.learner.enter_stage(stage.name)
        yield StageStarted(
            stage=stage.name,
            epoch=self.progress.epoch,
            batch_size=self.stage.batch_size,
            init_lr=self.stage.init_lr,
            min_lr=self.stage.min_lr,
        )
        if not self.progress.total_steps:
            yield self.save()  # so that a run that dies in its first epoch can be resumed too
        while self.progress.epoch <= stage.last_epoch:
            yield from self._train_epoch()

    @property
    def _batches(self) -> BatchSettings:
        return BatchSettings(self.plan, self.progress, len(self.dataset.splits["train"]))

    def _train_epoch(self) -> Iterator[Event]:
        self.phase = "training"
        while (steps := self.progress.step + self._steps_left()) > self.progress.step:
            yield from self._train_steps(steps)
        yield from self._report(max_pending=0)
        self.phase = "validation"
        yield from self._epoch_end.events(self.progress, self.stage.name, self.validation_batch())
        yield self.save()

    def validation_batch(self) -> int:
        """The batch size of validation, all processes together."""
        return self._batches.validation_batch

    # Steps

    def _steps_left(self) -> int:
        images = len(self.dataset.splits["train"]) - self.progress.seen
        return images // (self.stage.batch_size * self.stage.accumulate)

    def _epoch_fraction(self) -> float:
        """The part of the epoch's images that is done; images that do not fill a batch do not count."""
        left = self._steps_left() * self.stage.batch_size * self.stage.accumulate
        return self.progress.seen / (self.progress.seen + left)

    def _train_steps(self, steps: int) -> Iterator[Event]:
        """The epoch's remaining steps, until its end or until the batch size changes."""
        loader = training_batches(
            self.images,
            self.recipe,
            epoch=self.progress.epoch,
            batch_size=self.stage.batch_size,
            start=self.progress.seen,
            workers=self.recipe.num_workers,
            share=Share(self.group.rank, self.group.world_size),
            pinned=self.device.type == "cuda",
        )
        pool = self.dataset.splits["train"]
        order = pool[epoch_order(self.recipe.seed, self.progress.epoch, len(pool))]
        with closing(loader):
            while self.progress.step < steps:
                started = time.monotonic()
                with guarded(self.group):
                    batches = [next(loader) for _ in range(self.stage.accumulate)]
                waited = time.monotonic() - started
                indices = order[self.progress.seen :][: self.stage.batch_size * self.stage.accumulate]
                parts, lr = self._step(batches, indices)
                self.progress.advance(len(indices))
                seconds = time.monotonic() - started
                self.progress.epoch_seconds += seconds
                self.reports.add(self.stage, self.progress, steps, lr, seconds, waited, parts, indices)
                yield from self._report(self.reports.max_pending)
                self._skipped.add(image for batch in batches for image in batch.skipped)
                requests = self._agree_on_requests()
                if requests.report_images:
                    yield from self._skipped.report()
                if self._threads is not None and (new := self._threads.update()) is not None:
                    yield ThreadsChanged(
                        epoch=self.progress.epoch, step=self.progress.step, threads=new.threads, others=new.others
                    )
                if requests.pause or requests.stop:
                    requests = yield from self._pause_or_stop(requests)
                if requests.save:
                    yield from self._report(max_pending=0)
                    yield self.save()
                batch_size = self.stage.batch_size
                yield from self._change_batch(requests)
                if self.stage.batch_size != batch_size:
                    return

    def _agree_on_requests(self) -> Requests:
        is_due = time.monotonic() - self._saved_at > CHECKPOINT_SECONDS
        return agree_on_requests(self.control, self.group, save=is_due, report_images=self._skipped.has_found)

    def _step(self, batches: list[Batch], indices: NDArray[np.int32]) -> tuple[Tensor, float]:
        """One optimizer step; returns its loss parts (4,) and learning rate. `indices`: the images of all processes."""
        lr = self.schedule.lr(self.progress.epoch, self._epoch_fraction(), self.stage)
        try:
            # On a GPU the check would wait for the step; there the loss is checked one step later, in its report.
            check_loss = self.device.type == "cpu"
            parts = self.learner.step(batches, lr, self.progress.total_steps, check_loss=check_loss)
        except NonFiniteLoss as error:
            raise NonFiniteLoss(indices.tolist()) from error
        return parts, lr

    def _report(self, max_pending: int) -> Iterator[Event]:
        """The events of finished steps; at most `max_pending` stay on the device."""
        for event in self.reports.pop(max_pending):
            parts = (event.loss, event.box, event.objectness, event.classes)
            self.progress.sums = [a + b for a, b in zip(self.progress.sums, parts, strict=True)]
            yield event

    # Requests, and out of memory

    def _pause_or_stop(self, requests: Requests) -> Generator[Event, None, Requests]:
        """Returns what was requested until the end of the pause, and before it.

        Raises:
            StopRequested: a stop was requested.
        """
        if not requests.stop:
            yield from self._report(max_pending=0)
            yield self.save()
            yield Paused(epoch=self.progress.epoch, step=self.progress.step)
            yield from wait_while_paused(self.control, self.group)
            yield Resumed(epoch=self.progress.epoch, step=self.progress.step)
            before, requests = requests, self._agree_on_requests()
            requests = replace(requests, batch_size=requests.batch_size or before.batch_size)
        if requests.stop:
            yield from self._change_batch(requests)  # so that a run that is extended at once, or resumed, has it
            raise StopRequested
        return requests

    def _change_batch(self, requests: Requests) -> Iterator[Event]:
        if (size := requests.batch_size) is not None and size != self.stage.batch_size:
            yield from self._report(max_pending=0)
            yield self.lower_batch(size)

    def lower_batch(self, size: int, accumulate: int | None = None) -> BatchChanged:
        """From the next step on, this stage and those after it train with a batch size of at most `size`.

        Args:
            size: images in a batch, at least 2; of several processes or cards each gets as many of them, at least 2.
            accumulate: batches per optimizer step in this stage; None: no change.
        """
        self.stage = self._batches.lower(self.stage, size, accumulate)
        return self._batches.changed_event(self.stage)

    @property
    def activation_checkpointing(self) -> bool:
        """Whether the unfreeze stage computes parts of the network twice now; it may have been turned on after the plan."""
        return self._batches.activation_checkpointing

    def enable_checkpointing(self) -> BatchChanged:
        """From the next step on, compute parts of the network twice to need less memory; the batch stays as it is."""
        self.progress.activation_checkpointing = True
        self._apply_checkpointing()
        return self._batches.changed_event(self.stage)

    def _apply_checkpointing(self) -> None:
        self.learner.network.set_activation_checkpointing(self.activation_checkpointing)

    def lower_validation_batch(self, size: int) -> None:
        """From now on validate with a batch size of at most `size`; the validation loss does not depend on it."""
        self.progress.validation_batch = size

    def rollback(self) -> Iterator[Event]:
        """After an error in a step: report the steps before it, and restore the state before it.

        Raises:
            NonFiniteLoss: the loss of an earlier step was not finite.
            PartialStep: the step had begun to change weights; only a checkpoint has a good state.
        """
        is_restored = self.learner.rollback()
        is_restored = not any(self.group.agree((not is_restored,)))
        yield from self._report(max_pending=0)
        if not is_restored:
            raise PartialStep

    # Checkpoints

    def save(self) -> CheckpointSaved:
        """Write a checkpoint of the current state.

        Raises:
            NonFiniteLoss: a weight is not finite; the last checkpoint stays.
            BadInput: the disk is full.
        """
        started = time.monotonic()
        if not self.learner.has_finite_weights():
            raise NonFiniteLoss
        path = on_first(self.group, self._write_checkpoint)
        self._saved_at = time.monotonic()
        return CheckpointSaved(
            path=str(path), epoch=self.progress.epoch, step=self.progress.step, seconds=self._saved_at - started
        )

    def _write_checkpoint(self) -> Path:
        network = self.learner.network
        checkpoint = Checkpoint(
            progress=copy.deepcopy(self.progress),
            **self.learner.state(),
            anchors=network.all_anchors,
            scale_x_y=network.scale_x_y,
            logs=self._sync_logs(),
            processes=self.group.world_size,
        )
        return save_checkpoint(self.run, checkpoint)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Load the state of a checkpoint."""
        self.reports.clear()
        self.progress = copy.deepcopy(checkpoint.progress)
        self._apply_checkpointing()
        self.learner.restore(checkpoint.network, checkpoint.ema, checkpoint.optimizer, checkpoint.scaler)
