"""The end of an epoch: validation, its events, and what the first process writes beside the logs and the checkpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.dataset.loader import CachedImages
from engine.evaluation.samples import pick_samples, read_predictions, save_samples
from engine.events import EpochFinished, Evaluated, Event
from engine.parallel.group import ProcessGroup
from engine.plan import Plan, StageName
from engine.training.checkpoint import Progress
from engine.training.control import Control
from engine.training.learner import Learner
from engine.training.peers import on_first
from engine.training.restored_logs import best_epoch, epoch_record
from engine.training.save_weights import save_epoch_weights, update_best
from engine.training.skipped_images import SkippedImages
from engine.training.validation import ValidationResult, validate


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """Ends the epochs of a run in the folder `run`."""

    run: Path
    plan: Plan
    images: CachedImages
    learner: Learner
    control: Control
    group: ProcessGroup
    skipped: SkippedImages
    sample_images: tuple[int, ...]

    @classmethod
    def of(
        cls, run: Path, plan: Plan, images: CachedImages, learner: Learner, control: Control, skipped: SkippedImages
    ) -> EpochEnd:
        """For a run of `learner`'s group."""
        return cls(run, plan, images, learner, control, learner.group, skipped, pick_samples(images.dataset))

    def events(self, progress: Progress, stage: StageName, batch_size: int) -> Iterator[Event]:
        """Validate and write; `progress` moves to the next epoch only after all of that.

        Args:
            progress: after the epoch's last step.
            stage: whose training mode the network is put into again.
            batch_size: of validation.

        Raises:
            StopRequested: a stop was requested during the validation.
            BadInput: the disk is full.
        """
        started = time.monotonic()
        epoch = progress.epoch
        is_last = epoch == self.plan.stages[-1].last_epoch
        validation = validate(
            self.learner,
            self.images,
            self.plan.recipe,
            batch_size,
            with_map=is_last or (epoch + 1) % self.plan.recipe.eval_period == 0,
            control=self.control,
            sample_images=self.sample_images,
            group=self.group,
        )
        self.learner.enter_stage(stage)
        train_loss = progress.sums[0] / max(progress.step, 1)
        progress.epoch_seconds += time.monotonic() - started
        self.skipped.add(validation.skipped)
        yield from self.skipped.report()
        finished = EpochFinished(
            stage=stage,
            epoch=epoch,
            train_loss=train_loss,
            val_loss=validation.loss,
            seconds=progress.epoch_seconds,
        )
        yield finished
        records = [epoch_record(finished)]
        is_best = update_best(progress, validation)
        if validation.scores is not None:
            scores = validation.scores
            evaluated = Evaluated(
                epoch=epoch,
                map50=scores.map50,
                map50_95=scores.map50_95,
                best=is_best,
                per_class={name: score.ap50 for name, score in scores.per_class.items() if score.boxes},
            )
            on_first(self.group, lambda: self._save_samples(progress, validation, scores.threshold, is_best=is_best))
            yield evaluated
            records.append(epoch_record(evaluated))
        on_first(self.group, lambda: self._save_weights(epoch, train_loss, validation, is_best=is_best))
        progress.seconds += progress.epoch_seconds
        progress.epochs += records
        progress.next_epoch()

    def _save_samples(
        self, progress: Progress, validation: ValidationResult, threshold: float, *, is_best: bool
    ) -> None:
        best = progress.epoch if is_best else best_epoch(progress.epochs)
        save_samples(self.run, progress.epoch, best, threshold, read_predictions(self.images, validation.samples))

    def _save_weights(self, epoch: int, train_loss: float, validation: ValidationResult, *, is_best: bool) -> None:
        is_last = epoch == self.plan.stages[-1].last_epoch
        save_epoch_weights(
            self.run,
            self.learner.eval_network,
            self.plan,
            epoch,
            train_loss,
            validation,
            is_best=is_best,
            is_due=is_last or (epoch + 1) % self.plan.recipe.save_period == 0,
        )
