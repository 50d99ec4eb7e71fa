"""Saves the weights of a run: those of the last epoch, the best ones, and one file every `save_period` epochs."""

from __future__ import annotations

import math
from pathlib import Path

from engine.network.detector import Detector
from engine.plan import Plan
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from engine.training.checkpoint import Progress
from engine.training.validation import ValidationResult
from engine.weights.native import info_of, save_weights


def update_best(progress: Progress, validation: ValidationResult) -> bool:
    """Update the best values in `progress`; whether this epoch is the best so far, by mAP if it is measured, else by loss."""
    scores = validation.scores
    if scores is not None:
        best = (progress.best_map50, progress.best_map50_95)
        if best[0] is not None and best[1] is not None and (scores.map50, scores.map50_95) <= best:
            return False
        progress.best_map50, progress.best_map50_95 = scores.map50, scores.map50_95
        return True
    if progress.best_map50 is not None or validation.loss is None:
        return False
    if progress.best_val_loss is not None and validation.loss >= progress.best_val_loss:
        return False
    progress.best_val_loss = validation.loss
    return True


def save_epoch_weights(
    run: Path,
    network: Detector,
    plan: Plan,
    epoch: int,
    train_loss: float,
    validation: ValidationResult,
    *,
    is_best: bool,
    is_due: bool,
) -> None:
    """Write the weights of `epoch` as the last ones, as the best ones if they are, and under a name of their own if due.

    Raises:
        BadInput: the disk is full.
    """
    scores = validation.scores
    info = info_of(
        network,
        plan.classes,
        plan.recipe.input_shape,
        threshold=None if scores is None else scores.threshold,
        metrics={} if scores is None else {"map50": scores.map50, "map50_95": scores.map50_95},
    )
    save_weights(run / LAST_WEIGHTS, network, info)
    if is_best or not (run / BEST_WEIGHTS).exists():
        save_weights(run / BEST_WEIGHTS, network, info)
    if is_due:
        val_loss = math.nan if validation.loss is None else validation.loss
        save_weights(run / f"ep{epoch + 1:03d}-loss{train_loss:.3f}-val_loss{val_loss:.3f}.pth", network, info)
