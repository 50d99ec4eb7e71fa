"""Resumes a run with other settings: more epochs, other batch sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.dataset.index import Dataset
from engine.hardware import probe
from engine.messages import Message, bad_input
from engine.plan import Plan
from engine.planning.resolve import make_plan
from engine.recipe import Recipe, make_recipe
from engine.training.checkpoint import Checkpoint

OVERRIDABLE = (
    "unfreeze_epoch",
    "freeze_batch_size",
    "unfreeze_batch_size",
    "accumulate",
    "activation_checkpointing",
    "save_period",
    "eval_period",
    "num_workers",
    "threads",
    "parallel",
    "devices",
)
"""Settings that may change when a run is resumed. The others are fixed from its first step to its last."""


def with_overrides(
    plan: Plan, dataset: Dataset, overrides: Mapping[str, Any], checkpoint: Checkpoint | None
) -> tuple[Plan, Message]:
    """The plan with `overrides`, and a message that says what changes.

    Raises:
        BadInput: a setting cannot be changed in a run, or the settings contradict each other.
    """
    for key in overrides:
        if key in Recipe.model_fields and key not in OVERRIDABLE:  # `make_recipe` rejects unknown settings
            raise bad_input(
                "resume.fixed",
                "--set {key}: this setting is fixed for the whole run; when resuming you can set {free}. For anything else start a "
                "new run.",
                key=key,
                free=", ".join(OVERRIDABLE),
            )
    _check_epochs(overrides, checkpoint)
    settings = _with_matching_freeze_epoch(plan.recipe.relevant_settings(), overrides)
    recipe = make_recipe(_with_matching_batches(settings, overrides))
    note = _note(plan.recipe, recipe, overrides)
    new_plan = make_plan(
        recipe, dataset, plan.data, probe(Path(plan.workspace)), Path(plan.workspace), resumed=plan, nodes=plan.nodes
    )
    for stage in ("freeze", "unfreeze"):
        if checkpoint is not None and f"{stage}_batch_size" in overrides:
            checkpoint.progress.batch_sizes.pop(stage, None)
            checkpoint.progress.accumulates.pop(stage, None)
    if checkpoint is not None and "activation_checkpointing" in overrides:
        checkpoint.progress.activation_checkpointing = None
    threads = new_plan.threads if "threads" in overrides else plan.threads
    return replace(new_plan, threads=threads, preset=plan.preset), note


def _check_epochs(overrides: Mapping[str, Any], checkpoint: Checkpoint | None) -> None:
    """Raise BadInput where fewer epochs are asked for than have been trained, the one that has begun included."""
    epochs = overrides.get("unfreeze_epoch")
    if checkpoint is None or not isinstance(epochs, int):
        return
    done = checkpoint.progress.epoch + (checkpoint.progress.step > 0)
    if epochs < done:
        raise bad_input(
            "resume.epochs_done",
            "--set unfreeze_epoch={epochs}: the run has trained {done} epochs already, the one that has begun included; the nearest "
            "is unfreeze_epoch={done}.",
            epochs=epochs,
            done=done,
        )


def _with_matching_freeze_epoch(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """`settings` whose freeze stage ends with the run, where the run becomes shorter than it."""
    freeze, epochs = settings.get("freeze_epoch"), overrides.get("unfreeze_epoch")
    if isinstance(freeze, int) and isinstance(epochs, int) and 0 < epochs < freeze:
        return {**settings, "freeze_epoch": epochs}
    return settings


def _note(old: Recipe, new: Recipe, overrides: Mapping[str, Any]) -> Message:
    if new.freeze_train and old.freeze_epoch == old.unfreeze_epoch < new.unfreeze_epoch:
        return Message(
            "resume.unfreeze_added", "The freeze stage stays as it was; the new epochs train the whole network."
        )
    if new.unfreeze_epoch < old.unfreeze_epoch:
        return Message(
            "resume.shortened",
            "Shortened from {old} to {new} epochs: the learning rate schedule is computed again for the new length.",
            {"old": old.unfreeze_epoch, "new": new.unfreeze_epoch},
        )
    if new.unfreeze_epoch != old.unfreeze_epoch:
        return Message(
            "resume.extended",
            "Extended from {old} to {new} epochs: the learning rate schedule is computed again for the new length, so the "
            "learning rate rises before it falls.",
            {"old": old.unfreeze_epoch, "new": new.unfreeze_epoch},
        )
    changed = ", ".join(f"{key}={value}" for key, value in overrides.items())
    return Message("resume.changed", "Settings changed: {settings}.", {"settings": changed})


def _with_matching_batches(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` updated with `overrides`; a batch size that is not overridden follows the one that is.

    After out of memory the batch size of one stage is lowered; the rule between the two batch sizes must allow that.
    """
    merged = {**settings, **overrides}
    freeze, unfreeze = merged["freeze_batch_size"], merged["unfreeze_batch_size"]
    if not isinstance(freeze, int) or not isinstance(unfreeze, int) or min(freeze, unfreeze) < 2:  # batch norm needs 2
        return merged
    if "unfreeze_batch_size" in overrides and "freeze_batch_size" not in overrides:
        merged["freeze_batch_size"] = min(max(freeze, unfreeze), 2 * unfreeze)
    elif "freeze_batch_size" in overrides and "unfreeze_batch_size" not in overrides:
        merged["unfreeze_batch_size"] = min(max(unfreeze, (freeze + 1) // 2), freeze)
    return merged
