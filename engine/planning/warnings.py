"""Warnings about a Plan. None of them prevents the training."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.dataset.index import Dataset
from engine.messages import Message, gettext_noop
from engine.plan import Plan

ADVISED_STEPS = {"sgd": 50_000, "adam": 15_000, "adamw": 15_000}
"""The tutorials' lower limits, for their method."""

MODERN_ADVISED_STEPS = 400
"""On the blood cell data set the modern method reaches mAP50 0.85 within 460 steps."""

FIRST_LOOK_STEPS = 150
"""With the quick preset's 168 steps the modern method reaches mAP50 0.97 on the drawn sample set."""

_NO_BOXES = {
    "train": gettext_noop("None of the {count} training images has a box, so the network learns to detect nothing."),
    "val": gettext_noop("None of the {count} validation images has a box, so mAP says nothing."),
}


def advised_steps(method: str, optimizer_type: str) -> int:
    """The number of steps that a training should have at least."""
    return MODERN_ADVISED_STEPS if method == "modern" else ADVISED_STEPS[optimizer_type]


def plan_warnings(plan: Plan, dataset: Dataset) -> Iterator[Message]:
    """What a user should know about a Plan before it runs."""
    recipe = plan.recipe
    if recipe.model_path and recipe.pretrained:
        yield Message(
            "plan.pretrained_ignored", "pretrained is ignored because model_path is set; the whole network is loaded."
        )
    if recipe.optimizer_type == "adam" and recipe.weight_decay > 0:
        yield Message(
            "plan.adam_weight_decay",
            "weight_decay={decay} works poorly with adam; set weight_decay=0, or use adamw.",
            {"decay": f"{recipe.weight_decay:g}"},
        )
    if recipe.label_smoothing > 0.01:
        yield Message("plan.label_smoothing", "label_smoothing above 0.01 usually lowers accuracy.")
    if recipe.start == "scratch":
        yield from _scratch_warnings(plan)
    yield from _step_warnings(plan)
    if not plan.images["val"]:
        yield Message(
            "plan.no_validation", "There are no validation images, so nothing shows when the network stops improving."
        )
    yield from split_warnings(dataset)
    for name, count in dataset.box_counts().items():
        if count == 0:
            yield Message("plan.class_empty", "Class {name} has no boxes; the network cannot learn it.", {"name": name})
    yield from (finding.message for finding in dataset.findings if finding.message.code == "class.unknown")


def split_warnings(dataset: Dataset) -> Iterator[Message]:
    """Which splits have images but not a single box."""
    boxes_before = dataset.offsets
    for name, template in _NO_BOXES.items():
        images = dataset.splits[name]
        if len(images) and not int((boxes_before[images + 1] - boxes_before[images]).sum()):
            yield Message("plan.split_without_boxes", template, {"count": len(images)})


def counted_steps(plan: Plan) -> int:
    """The number of steps to compare with `advised_steps`.

    For the modern method the steps of all stages. The tutorials count as if all epochs used the unfreeze batch size.
    """
    if plan.recipe.method == "modern":
        return plan.total_steps
    return plan.stages[-1].steps_per_epoch * plan.recipe.unfreeze_epoch


def _scratch_warnings(plan: Plan) -> Iterator[Message]:
    yield Message(
        "plan.scratch",
        "Training from scratch is strongly advised against: without pretrained weights the network detects badly. Start from "
        "weights, or use ten thousand images or more.",
    )
    if plan.stages[-1].batch_size * plan.recipe.accumulate < 16 or not plan.recipe.mosaic:
        yield Message(
            "plan.scratch_batch",
            "Training from scratch needs unfreeze_batch_size 16 or more (times accumulate) and mosaic.",
        )


def _step_warnings(plan: Plan) -> Iterator[Message]:
    advised, steps = advised_steps(plan.recipe.method, plan.recipe.optimizer_type), counted_steps(plan)
    if steps >= advised:
        return
    missing_epochs = math.ceil((advised - steps) / plan.stages[-1].steps_per_epoch)
    values = {"steps": steps, "advised": advised, "epochs": plan.recipe.unfreeze_epoch + missing_epochs}
    if plan.recipe.method == "modern" and steps >= FIRST_LOOK_STEPS:
        yield Message(
            "plan.first_look",
            "{steps} steps are enough for a first result; {advised} or more (unfreeze_epoch={epochs}) detect better.",
            values,
        )
    else:
        yield Message(
            "plan.few_steps",
            "{steps} steps are few: {advised} or more (unfreeze_epoch={epochs}) are advised.",
            values,
        )
