"""What the first process writes at the end of an epoch, beside the logs and the checkpoint: sample images and weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.dataset.loader import CachedImages
from engine.evaluation.samples import read_predictions, save_samples
from engine.network.detector import Detector
from engine.plan import Plan
from engine.training.checkpoint import Progress
from engine.training.restored_logs import best_epoch
from engine.training.save_weights import save_epoch_weights
from engine.training.validation import ValidationResult


@dataclass(frozen=True, slots=True)
class EpochFiles:
    """Writes into the folder `run`."""

    run: Path
    plan: Plan
    images: CachedImages

    def save_samples(self, progress: Progress, validation: ValidationResult, *, is_best: bool) -> None:
        """Write the sample images of this epoch, where mAP was measured.

        Raises:
            BadInput: the disk is full.
        """
        if validation.scores is not None:
            best = progress.epoch if is_best else best_epoch(progress.epochs)
            predictions = read_predictions(self.images, validation.samples)
            save_samples(self.run, progress.epoch, best, validation.scores.threshold, predictions)

    def save_weights(
        self, network: Detector, epoch: int, train_loss: float, validation: ValidationResult, *, is_best: bool
    ) -> None:
        """Write the weights of this epoch.

        Raises:
            BadInput: the disk is full.
        """
        is_last = epoch == self.plan.stages[-1].last_epoch
        is_due = is_last or (epoch + 1) % self.plan.recipe.save_period == 0
        save_epoch_weights(self.run, network, self.plan, epoch, train_loss, validation, is_best=is_best, is_due=is_due)
