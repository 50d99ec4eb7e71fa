"""Warnings about a Plan. None of them prevents the training."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

from engine.dataset.index import Dataset
from engine.hardware import Hardware
from engine.messages import Message, gettext_noop, join_names, phrase
from engine.plan import Plan, StageName
from engine.planning.advice import step_warning
from engine.planning.device import cards_left_out
from engine.recipe import make_recipe
from engine.training.schedule import TUTORIAL_BATCH_SIZE, TUTORIAL_MIN_LR_RATIO, learning_rate_bounds

_NO_BOXES = {
    "train": gettext_noop("None of the {count} training images has a box, so the network learns to detect nothing."),
    "val": gettext_noop("None of the {count} validation images has a box, so mAP says nothing."),
}

_STAGES: dict[StageName, str] = {"freeze": gettext_noop("freeze"), "unfreeze": gettext_noop("unfreeze")}


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
    if (message := step_warning(plan)) is not None:
        yield message
    if recipe.threads == "adapt" and plan.device == "cpu":
        yield Message(
            "plan.threads_adapt",
            "threads=adapt: the number of threads follows what other programs use, so a resumed run may differ in its last bits from one "
            "that was not interrupted.",
        )
    yield from _learning_rate_warnings(plan)
    if not plan.images["val"]:
        yield Message(
            "plan.no_validation", "There are no validation images, so nothing shows when the network stops improving."
        )
    yield from split_warnings(dataset)
    for name, count in dataset.box_counts().items():
        if count == 0:
            yield Message("plan.class_empty", "Class {name} has no boxes; the network cannot learn it.", {"name": name})
    yield from (finding.message for finding in dataset.findings if finding.message.code == "class.unknown")


def parallel_warnings(plan: Plan, hardware: Hardware) -> Iterator[Message]:
    """What a user should know about the devices that train together."""
    recipe = plan.recipe
    if recipe.parallel == "none":
        yield from _unused_devices(plan)
        return
    processes, cores = len(plan.devices), hardware.processor.cores
    if plan.device == "cpu" and processes > max(1, cores):
        yield Message(
            "plan.processes_share_cores",
            "Processes: {processes}, cores of the processor: {cores}. More processes than cores do not train faster.",
            {"processes": processes, "cores": cores},
        )
    if plan.batch_parts == 1:
        yield Message(
            "plan.one_device",
            "parallel={parallel} changes nothing here: there is one device to train on, {device}.",
            {"parallel": recipe.parallel, "device": plan.device},
        )
    elif recipe.parallel == "dp" and sys.platform != "win32":
        yield Message(
            "plan.dp_slower",
            "parallel=dp trains all cards from one process, which is slower than one process per card; parallel=ddp does that.",
        )
    left_out = cards_left_out(recipe, hardware)
    if left_out:
        yield Message(
            "plan.cards_left_out",
            "{cards}: not used, since less than half as much memory is free there as on the best card; the batch of all would have "
            "to fit into it. devices={all} uses every card.",
            {
                "cards": join_names(f"cuda:{card.cuda_index} ({card.name})" for card in left_out),
                "all": [card.cuda_index for card in hardware.usable_cards],
            },
        )


def _unused_devices(plan: Plan) -> Iterator[Message]:
    """The numbers in `devices` that do nothing, since one process trains on one device."""
    devices = list(plan.recipe.devices)
    if devices and plan.device == "mps":
        yield Message(
            "plan.devices_unused",
            "devices={devices} changes nothing here: there is one device to train on, mps.",
            {"devices": devices},
        )
    elif devices and plan.device == "cpu":
        yield Message(
            "plan.devices_unused",
            "devices={devices} changes nothing here, since parallel is none: one process trains on the processor. parallel=ddp starts "
            "one for each number.",
            {"devices": devices},
        )
    elif len(devices) > 1:
        yield Message(
            "plan.devices_unused",
            "devices={devices}: only {device} trains, since parallel is none; parallel=ddp trains on all of them.",
            {"devices": devices, "device": plan.device},
        )


def split_warnings(dataset: Dataset) -> Iterator[Message]:
    """Which splits have images but not a single box."""
    boxes_before = dataset.offsets
    for name, template in _NO_BOXES.items():
        images = dataset.splits[name]
        if len(images) and not int((boxes_before[images + 1] - boxes_before[images]).sum()):
            yield Message("plan.split_without_boxes", template, {"count": len(images)})


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


def _learning_rate_warnings(plan: Plan) -> Iterator[Message]:
    """Where the tutorial method trains with another learning rate than the one that somebody chose.

    Its own default is fitted to the batch size like any other, which needs no warning.
    """
    recipe = plan.recipe
    if recipe.method != "tutorial":
        return
    default = make_recipe({"method": "tutorial", "optimizer_type": recipe.optimizer_type})
    chosen = {
        "init_lr": (recipe.init_lr, recipe.init_lr != default.init_lr),
        "min_lr": (recipe.min_lr, not math.isclose(recipe.min_lr, TUTORIAL_MIN_LR_RATIO * recipe.init_lr)),
    }
    for stage in plan.stages:
        images = stage.batch_size * stage.accumulate
        used = {"init_lr": stage.init_lr, "min_lr": stage.min_lr}
        for key, (low, high) in learning_rate_bounds(recipe).items():
            value, is_chosen = chosen[key]
            scaled = value * images / TUTORIAL_BATCH_SIZE
            if is_chosen and not low <= scaled <= high:
                yield Message(
                    "plan.lr_clipped",
                    "{key}: {value} is {scaled} for a batch of {batch} images, and the tutorial method allows {low} to {high}; the "
                    "{stage} stage uses {used}.",
                    {
                        "key": key,
                        "value": f"{value:g}",
                        "scaled": f"{scaled:g}",
                        "batch": images,
                        "low": f"{low:g}",
                        "high": f"{high:g}",
                        "stage": phrase(_STAGES[stage.name]),
                        "used": f"{used[key]:g}",
                    },
                )
