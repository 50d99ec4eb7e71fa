"""Which weights of a run are kept: those of the last epoch, the best ones, and one file every so many epochs."""

from __future__ import annotations

import math
from pathlib import Path

from engine.network.yolov4 import Detector
from engine.plan import Plan
from engine.runs.folder import BEST_WEIGHTS, LAST_WEIGHTS
from engine.training.checkpoint import Progress
from engine.training.validation import Validation
from engine.weights.native import info_of, save_weights


def update_best(progress: Progress, validation: Validation) -> bool:
    """Whether this epoch's weights are the best so far: by mAP where it is measured, else by validation loss."""
    scores = validation.scores
    if scores is not None:
        before = (progress.best_map50, progress.best_map50_95)
        if before[0] is not None and before[1] is not None and (scores.map50, scores.map50_95) <= before:
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
    validation: Validation,
    *,
    best: bool,
    due: bool,
) -> None:
    """Write the weights of `epoch` under every name that they have earned.

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
    if best or not (run / BEST_WEIGHTS).exists():
        save_weights(run / BEST_WEIGHTS, network, info)
    if due:
        val_loss = math.nan if validation.loss is None else validation.loss
        save_weights(run / f"ep{epoch + 1:03d}-loss{train_loss:.3f}-val_loss{val_loss:.3f}.pth", network, info)
