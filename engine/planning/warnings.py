"""What a user should know about a Plan before it runs. None of it stops it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.dataset.index import Dataset
from engine.messages import Message
from engine.plan import Plan

ADVISED_STEPS = {"sgd": 50_000, "adam": 15_000, "adamw": 15_000}
"""The tutorials' lower lines, for their method."""

MODERN_ADVISED_STEPS = 400
"""On the blood cell set the modern method passes mAP50 0.85 in 460 steps."""

FIRST_LOOK_STEPS = 150
"""The quick preset's 168 bring the modern method to mAP50 0.97 on the drawn sample set."""


def advised_steps(method: str, optimizer_type: str) -> int:
    """So many steps a training should have at least."""
    return MODERN_ADVISED_STEPS if method == "modern" else ADVISED_STEPS[optimizer_type]


def plan_warnings(plan: Plan, dataset: Dataset) -> Iterator[Message]:
    """Everything about a Plan that a user should know before it runs."""
    recipe = plan.recipe
    if recipe.model_path and recipe.pretrained:
        yield Message(
            "plan.pretrained_ignored", "pretrained has no meaning where model_path is set; the whole network is loaded."
        )
    if recipe.optimizer_type == "adam" and recipe.weight_decay > 0:
        yield Message(
            "plan.adam_weight_decay",
            "adam with weight_decay={decay:} decays wrongly; set weight_decay=0, or take adamw.",
            {"decay": f"{recipe.weight_decay:g}"},
        )
    if recipe.label_smoothing > 0.01:
        yield Message("plan.label_smoothing", "label_smoothing above 0.01 usually costs accuracy.")
    if recipe.start == "scratch":
        yield from _scratch_warnings(plan)
    yield from _step_warnings(plan)
    if not plan.images["val"]:
        yield Message("plan.no_validation", "No image validates: nothing will tell when the network stops learning.")
    for name, count in dataset.box_counts().items():
        if count == 0:
            yield Message("plan.class_empty", "Class {name} has no box; it will never be found.", {"name": name})
    yield from (finding.message for finding in dataset.findings if finding.message.code == "class.unknown")


def counted_steps(plan: Plan) -> int:
    """The tutorials count the steps that all epochs would take at the unfreeze batch; the modern method those that are taken."""
    if plan.recipe.method == "modern":
        return plan.total_steps
    return plan.stages[-1].steps_per_epoch * plan.recipe.unfreeze_epoch


def _scratch_warnings(plan: Plan) -> Iterator[Message]:
    yield Message(
        "plan.scratch",
        "From scratch is strongly advised against: random features detect badly. Start from weights, or bring ten thousand images.",
    )
    if plan.stages[-1].batch_size * plan.recipe.accumulate < 16 or not plan.recipe.mosaic:
        yield Message(
            "plan.scratch_batch", "From scratch needs unfreeze_batch_size 16 or more (accumulate counts) and mosaic."
        )


def _step_warnings(plan: Plan) -> Iterator[Message]:
    advised, steps = advised_steps(plan.recipe.method, plan.recipe.optimizer_type), counted_steps(plan)
    if steps >= advised:
        return
    more = math.ceil((advised - steps) / plan.stages[-1].steps_per_epoch)
    values = {"steps": steps, "advised": advised, "epochs": plan.recipe.unfreeze_epoch + more}
    if plan.recipe.method == "modern" and steps >= FIRST_LOOK_STEPS:
        yield Message(
            "plan.first_look",
            "{steps} steps are enough for a first look; {advised} or more, which unfreeze_epoch={epochs} would give, find more.",
            values,
        )
    else:
        yield Message(
            "plan.few_steps",
            "{steps} steps are few: {advised} or more are advised, which unfreeze_epoch={epochs} would give.",
            values,
        )
