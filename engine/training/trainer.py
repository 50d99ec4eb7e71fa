"""The training itself, in the order in which it happens: stages, epochs, steps, validation, checkpoints.

A `Trainer` yields events and writes the run folder. It looks at its `Control` between two steps and between two validation
batches; everything it needs to go on exactly is in its checkpoint.
"""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

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
    LossNotFinite,
    OutOfMemory,
    Paused,
    Resumed,
    StageStarted,
    Step,
    Stopped,
)
from engine.hardware import process_memory_bytes
from engine.messages import Message
from engine.network.own_weights import info_of, save_weights
from engine.network.precision import autocast, network_input
from engine.network.yolov4 import Detector
from engine.plan import Plan, StagePlan
from engine.runs import BEST_WEIGHTS, LAST_CHECKPOINT, LAST_WEIGHTS
from engine.training.checkpoint import Checkpoint, Progress, save_checkpoint
from engine.training.control import Control
from engine.training.ema import Ema, ema_decay
from engine.training.loss import LossParts, loss_of
from engine.training.schedule import fitted_stage, schedule_of
from engine.training.stages import enter_stage, make_optimizer, make_scaler, set_learning_rate
from engine.training.validation import StopAsked, Validation, validate

CHECKPOINT_SECONDS = 180.0
"""Inside a long epoch a checkpoint is saved this often."""

GRADIENT_NORM = 10.0
"""The modern method clips the norm of the gradient of all images' losses together here."""


class LossBroke(Exception):
    """The loss of `batches`, or what a step made of the weights, is infinite or not a number."""

    def __init__(self, batches: list[Batch]) -> None:
        super().__init__("the loss is not finite")
        self.indices = tuple(index for batch in batches for index in batch.indices)


@dataclass(slots=True)
class _Pending:
    """A step whose losses are still on the device: on a GPU they are fetched one step later, so that nothing waits."""

    event: Step
    parts: Tensor
    batches: list[Batch]


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
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = Ema(self.network, ema_decay(plan.total_steps)) if self.recipe.ema else None
        self.optimizer = make_optimizer(self.recipe, self.network)
        self.scaler = make_scaler(plan)
        self.loss = loss_of(self.recipe, self.network)
        self.progress = Progress(epoch=plan.stages[0].first_epoch)
        self.schedule = schedule_of(self.recipe, plan.stages)
        self._pending: deque[_Pending] = deque()
        self._saved_at = time.monotonic()
        self._last_validation: Validation | None = None
        if checkpoint is not None:
            self._restore(checkpoint)

    # Stages and epochs

    def train(self, log_lengths: Callable[[], Mapping[str, int]]) -> Iterator[Event]:
        """Everything from here to the end; `log_lengths` tells how long the run's logs are now.

        Raises:
            LossBroke: see the class; the checkpoint in the run folder is good.
            BadInput: the disk is full.
        """
        self._log_lengths = log_lengths
        try:
            for stage in self.plan.stages:
                if self.progress.epoch <= stage.last_epoch:
                    yield from self._stage(stage)
        except StopAsked:
            yield from self._stopped()
            return
        yield self._finished()

    def _stage(self, stage: StagePlan) -> Iterator[Event]:
        self.stage = replace(stage, batch_size=self.progress.batch_sizes.get(stage.name, stage.batch_size))
        if self.stage.batch_size != stage.batch_size:
            self.stage = fitted_stage(self.recipe, self.stage, len(self.dataset.splits["train"]))
        enter_stage(self.network, stage.name)
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

    def _epoch(self) -> Iterator[Event]:
        while (steps := self.progress.step + self._steps_left()) > self.progress.step:
            yield from self._steps(steps)
        yield from self._report(keep=0)
        yield from self._save_if_due()
        yield from self._close_epoch()

    def _close_epoch(self) -> Iterator[Event]:
        """Validation, weights and the epoch's checkpoint; `progress` moves on only after all of it."""
        started = time.monotonic()
        epoch, progress = self.progress.epoch, self.progress
        is_last = epoch == self.plan.stages[-1].last_epoch
        with_map = is_last or (epoch + 1) % self.recipe.eval_period == 0
        validation = validate(
            self.evaluated_network(),
            self.images,
            self.plan,
            self.loss,
            batch_size=min(stage.batch_size for stage in self.plan.stages),
            with_map=with_map,
            control=self.control,
        )
        enter_stage(self.network, self.stage.name)
        self._last_validation = validation
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
        best = self._note_best(validation)
        if validation.scores is not None:
            scores = validation.scores
            yield Evaluated(epoch=epoch, map50=scores.map50, map50_95=scores.map50_95, best=best)
        self._save_weights(
            epoch, train_loss, validation, best=best, period=is_last or (epoch + 1) % self.recipe.save_period == 0
        )
        progress.seconds += progress.epoch_seconds
        progress.next_epoch()
        yield self.save()

    # Steps

    def _steps_left(self) -> int:
        images = len(self.dataset.splits["train"]) - self.progress.seen
        return images // (self.stage.batch_size * self.recipe.accumulate)

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
                group = [next(batches) for _ in range(self.recipe.accumulate)]
                waited = time.monotonic() - began
                parts, lr = self._step(group)
                self._advance(group)
                seconds = time.monotonic() - began
                self.progress.epoch_seconds += seconds
                event = self._event(steps, lr, seconds, waited)
                self._pending.append(_Pending(event, parts, group))
                yield from self._report(keep=0 if self.device.type == "cpu" else 1)
                for skipped in (image for batch in group for image in batch.skipped):
                    yield ImageSkipped(image=str(skipped.path), reason=str(skipped.message))
                if self.control.pause_asked or self.control.stop_asked:
                    yield from self._wait_or_stop()
                yield from self._save_if_due()
                if (size := self.control.take_wanted_batch()) is not None and size != self.stage.batch_size:
                    yield from self._change_batch(size)
                    return

    def _step(self, group: list[Batch]) -> tuple[Tensor, float]:
        """One gradient update from the batches of `group`; its loss parts (4,) and learning rate."""
        lr = self.schedule.lr(self.progress.epoch, self.progress.step, self.stage)
        set_learning_rate(self.optimizer, lr)
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(4, device=self.device)
        for batch in group:
            parts = self._loss_of(batch)
            if self.device.type == "cpu" and not parts.total.isfinite():
                raise LossBroke(group)
            self.scaler.scale(parts.total / len(group)).backward()  # type: ignore[no-untyped-call]
            sums += parts.detached() / len(group)
        if self.recipe.method == "modern":
            self.scaler.unscale_(self.optimizer)
            # The loss is a mean over images, the limit one for their sum.
            limit = GRADIENT_NORM / self.stage.batch_size
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(self.network, self.progress.total_steps)
        return sums, lr

    def _loss_of(self, batch: Batch) -> LossParts:
        images = network_input(batch.images, self.device)
        with autocast(self.device, self.plan.precision):
            raw = self.network(images)
        return self.loss(raw, batch.targets.to(self.device, non_blocking=True))

    def _advance(self, group: list[Batch]) -> None:
        self.progress.step += 1
        self.progress.total_steps += 1
        self.progress.seen += sum(len(batch.indices) for batch in group)

    def _event(self, steps: int, lr: float, seconds: float, waited: float) -> Step:
        images = self.stage.batch_size * self.recipe.accumulate
        return Step(
            stage=self.stage.name,
            epoch=self.progress.epoch,
            step=self.progress.step - 1,
            steps=steps,
            loss=math.nan,
            box=math.nan,
            objectness=math.nan,
            classes=math.nan,
            lr=lr,
            images_per_second=images / max(seconds, 1e-9),
            data_wait=waited / max(seconds, 1e-9),
            memory_bytes=self._memory(),
        )

    def _memory(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.memory_reserved(self.device)
        return process_memory_bytes()

    def _report(self, keep: int) -> Iterator[Event]:
        """The events of steps whose losses have arrived, leaving `keep` of them on the device."""
        while len(self._pending) > keep:
            done = self._pending.popleft()
            values = done.parts.tolist()
            if not all(map(math.isfinite, values)):
                raise LossBroke(done.batches)
            self.progress.sums = [a + b for a, b in zip(self.progress.sums, values, strict=True)]
            loss, box, objectness, classes = values
            yield replace(done.event, loss=loss, box=box, objectness=objectness, classes=classes)

    # Wishes

    def _wait_or_stop(self) -> Iterator[Event]:
        if self.control.pause_asked and not self.control.stop_asked:
            yield from self._report(keep=0)
            yield self.save()
            yield Paused(epoch=self.progress.epoch, step=self.progress.step)
            self.control.wait_while_paused()
            yield Resumed(epoch=self.progress.epoch, step=self.progress.step)
        if self.control.stop_asked:
            raise StopAsked

    def _change_batch(self, size: int) -> Iterator[Event]:
        """From the next step on, this stage and those after it train with at most `size` images."""
        yield from self._report(keep=0)
        for stage in self.plan.stages:
            if stage.first_epoch >= self.stage.first_epoch:
                now = self.progress.batch_sizes.get(stage.name, stage.batch_size)
                self.progress.batch_sizes[stage.name] = min(now, size)
        self.stage = fitted_stage(self.recipe, replace(self.stage, batch_size=size), len(self.dataset.splits["train"]))
        yield BatchChanged(
            stage=self.stage.name,
            epoch=self.progress.epoch,
            step=self.progress.step,
            batch_size=size,
            init_lr=self.stage.init_lr,
            min_lr=self.stage.min_lr,
        )

    # What is kept

    def save(self) -> CheckpointSaved:
        """Write a checkpoint of this moment.

        Raises:
            LossBroke: the weights are no longer numbers; the checkpoint that was there stays.
            BadInput: the disk is full.
        """
        began = time.monotonic()
        if not all_finite(self.network):
            raise LossBroke([])
        checkpoint = Checkpoint(
            progress=copy.deepcopy(self.progress),
            network=self.network.state_dict(),
            ema=None if self.ema is None else self.ema.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            anchors=self.network.all_anchors,
            scale_x_y=tuple(level.scale_x_y for level in self.network.levels),
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

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.progress = copy.deepcopy(checkpoint.progress)
        self.network.load_state_dict(checkpoint.network)
        if self.ema is not None and checkpoint.ema is not None:
            self.ema.network.load_state_dict(checkpoint.ema)
        self.optimizer.load_state_dict(dict(checkpoint.optimizer))
        self.scaler.load_state_dict(dict(checkpoint.scaler))

    def evaluated_network(self) -> Detector:
        """The weights that are measured and kept: the running mean where there is one."""
        return self.network if self.ema is None else self.ema.network

    def _note_best(self, validation: Validation) -> bool:
        """Whether this epoch's weights are the best so far: by mAP where it is measured, else by validation loss."""
        progress, scores = self.progress, validation.scores
        if scores is not None:
            if progress.best_map50 is not None and (scores.map50, scores.map50_95) <= (
                progress.best_map50,
                progress.best_map50_95,
            ):
                return False
            progress.best_map50, progress.best_map50_95 = scores.map50, scores.map50_95
            return True
        if progress.best_map50 is not None or validation.loss is None:
            return False
        if progress.best_val_loss is not None and validation.loss >= progress.best_val_loss:
            return False
        progress.best_val_loss = validation.loss
        return True

    def _save_weights(self, epoch: int, train_loss: float, validation: Validation, *, best: bool, period: bool) -> None:
        network = self.evaluated_network()
        scores = validation.scores
        info = info_of(
            network,
            self.plan.classes,
            self.recipe.input_shape,
            threshold=None if scores is None else scores.threshold,
            metrics={} if scores is None else {"map50": scores.map50, "map50_95": scores.map50_95},
        )
        save_weights(self.run / LAST_WEIGHTS, network, info)
        if best or not (self.run / BEST_WEIGHTS).exists():
            save_weights(self.run / BEST_WEIGHTS, network, info)
        if period:
            val_loss = math.nan if validation.loss is None else validation.loss
            name = f"ep{epoch + 1:03d}-loss{train_loss:.3f}-val_loss{val_loss:.3f}.pth"
            save_weights(self.run / name, network, info)

    # Ends

    def newest_checkpoint(self) -> str | None:
        """Where the run can go on from, if it can."""
        path = self.run / LAST_CHECKPOINT
        return str(path) if path.exists() else None

    def out_of_memory(self) -> OutOfMemory:
        """The event for memory that ran out in this stage; what the step held is let go of first."""
        self._pending.clear()
        self.optimizer.zero_grad(set_to_none=True)
        smaller = self.stage.batch_size // 2
        message = Message(
            "train.out_of_memory",
            "Memory ran out in the {stage} stage at batch size {batch}. How many images the data set holds plays no part in it. {cure}",
            {
                "stage": self.stage.name,
                "batch": self.stage.batch_size,
                "cure": f"Go on with: freezetui resume {self.run.name} --set {self.stage.name}_batch_size={smaller}"
                if smaller >= 2
                else "Set a smaller input_shape, precision=bf16, or the network yolov4-tiny.",
            },
        )
        return OutOfMemory(
            stage=self.stage.name,
            epoch=self.progress.epoch,
            step=self.progress.step,
            batch_size=self.stage.batch_size,
            suggested_batch_size=smaller if smaller >= 2 else None,
            where=str(self.device),
            message=str(message),
        )

    def _stopped(self) -> Iterator[Event]:
        yield from self._report(keep=0)
        saved = self.save()
        yield saved
        yield Stopped(epoch=self.progress.epoch, step=self.progress.step, checkpoint=saved.path)

    def broken(self, error: LossBroke) -> LossNotFinite:
        """The event for a loss that is not finite. Nothing is saved: batch norm has seen the batch, the last checkpoint not."""
        self._pending.clear()
        images = tuple(str(self.dataset.images[index]) for index in error.indices)
        message = Message(
            "train.loss_not_finite",
            "The loss is no longer a number in epoch {epoch}, step {step}. Look at the images {images}; or go on from the last "
            "checkpoint with a smaller init_lr than {lr} (or precision=fp32).",
            {
                "epoch": self.progress.epoch + 1,
                "step": self.progress.step + 1,
                "images": ", ".join(images),
                "lr": f"{self.stage.init_lr:g}",
            },
        )
        return LossNotFinite(
            stage=self.stage.name,
            epoch=self.progress.epoch,
            step=self.progress.step,
            images=images,
            message=str(message),
        )

    def _finished(self) -> Finished:
        return Finished(
            run=str(self.run),
            best=str(self.run / BEST_WEIGHTS),
            last=str(self.run / LAST_WEIGHTS),
            map50=self.progress.best_map50,
            map50_95=self.progress.best_map50_95,
            seconds=self.progress.seconds,
        )


def all_finite(network: Detector) -> bool:
    """Whether every weight and statistic is a number. A sum is not finite where one of its terms is not."""
    sums = [tensor.sum() for tensor in network.state_dict().values() if tensor.is_floating_point()]
    return bool(torch.stack(sums).isfinite().all())
