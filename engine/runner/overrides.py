"""Going on with a run under other settings: more epochs, other batch sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.dataset.index import Dataset
from engine.hardware import probe
from engine.messages import bad_input
from engine.plan import Plan
from engine.planning.resolve import make_plan
from engine.recipe import Recipe, make_recipe
from engine.training.checkpoint import Checkpoint

OVERRIDABLE = (
    "unfreeze_epoch",
    "freeze_batch_size",
    "unfreeze_batch_size",
    "accumulate",
    "save_period",
    "eval_period",
    "num_workers",
)
"""What may be set anew when a run goes on. Everything else is what makes it that run."""


def with_overrides(
    plan: Plan, dataset: Dataset, overrides: Mapping[str, Any], checkpoint: Checkpoint
) -> tuple[Plan, str]:
    """The plan with other settings, and what that means in a sentence.

    Raises:
        BadInput: a setting cannot be changed any more, or the settings do not go together.
    """
    for key in overrides:
        if (
            key in Recipe.model_fields and key not in OVERRIDABLE
        ):  # what is no setting at all, the recipe refuses itself
            raise bad_input(
                "resume.fixed",
                "--set {key}: a run keeps it from its first step to its last; what can be set when going on: {free}. For anything else "
                "start a new run.",
                key=key,
                free=", ".join(OVERRIDABLE),
            )
    recipe = make_recipe(_with_matching_batches(plan.recipe.read_settings(), overrides))
    if recipe.freeze_train and plan.recipe.freeze_epoch == plan.recipe.unfreeze_epoch < recipe.unfreeze_epoch:
        note = "The freeze stage stays as it was; the new epochs train everything."
    elif recipe.unfreeze_epoch != plan.recipe.unfreeze_epoch:
        note = (
            f"Extended from {plan.recipe.unfreeze_epoch} to {recipe.unfreeze_epoch} epochs: the learning rate's schedule is rebuilt "
            "over the new length, so it rises again before it falls."
        )
    else:
        note = "Settings changed: " + ", ".join(f"{key}={value}" for key, value in overrides.items()) + "."
    fresh = make_plan(recipe, dataset, plan.data, probe(Path(plan.workspace)), Path(plan.workspace), begun=plan)
    for stage in ("freeze", "unfreeze"):
        if f"{stage}_batch_size" in overrides:
            checkpoint.progress.batch_sizes.pop(stage, None)
            checkpoint.progress.accumulates.pop(stage, None)
    return replace(fresh, threads=plan.threads), note


def _with_matching_batches(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with `overrides` over them; a batch size that was not named follows the one that was.

    After out of memory one stage's batch is lowered, and the rule between the two must not stand in the way of that.
    """
    merged = {**settings, **overrides}
    freeze, unfreeze = merged["freeze_batch_size"], merged["unfreeze_batch_size"]
    if not isinstance(freeze, int) or not isinstance(unfreeze, int) or min(freeze, unfreeze) < 2:  # batch norm's least
        return merged
    if "unfreeze_batch_size" in overrides and "freeze_batch_size" not in overrides:
        merged["freeze_batch_size"] = min(max(freeze, unfreeze), 2 * unfreeze)
    elif "freeze_batch_size" in overrides and "unfreeze_batch_size" not in overrides:
        merged["unfreeze_batch_size"] = min(max(unfreeze, (freeze + 1) // 2), freeze)
    return merged
