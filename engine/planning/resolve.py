"""Recipe, Dataset and Hardware resolved into a Plan, with everything a user should know before it runs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from engine.dataset.index import Dataset
from engine.hardware import Card, Hardware
from engine.messages import Message, bad_input, nearest
from engine.network.download import find
from engine.plan import DataSource, Plan, StagePlan
from engine.recipe import COCO, Recipe
from engine.training.schedule import fitted_stage

ADVISED_STEPS = {"sgd": 50_000, "adam": 15_000, "adamw": 15_000}
"""The tutorials' lower lines, for their method."""

MODERN_ADVISED_STEPS = 400
"""On the blood cell set the modern method passes mAP50 0.85 in 460 steps."""

UNMEASURED_BATCH = 4
"""The unfreeze batch that "auto" means as long as memory has not been measured."""


def make_plan(recipe: Recipe, dataset: Dataset, source: DataSource, hardware: Hardware, workspace: Path) -> Plan:
    """What will run.

    Raises:
        BadInput: the data set has too few training images, the device is not there, or the weights are not.
    """
    train = len(dataset.splits["train"])
    if train < 2:
        raise bad_input(
            "plan.too_few_images",
            "{path}: {count} training images are too few; a step needs at least 2.",
            path=source.path,
            count=train,
        )
    warnings: list[Message] = []
    device = _device(recipe, hardware)
    stages = _stages(recipe, train, warnings)
    plan = Plan(
        recipe=recipe,
        data=source,
        classes=dataset.classes,
        images=dataset.image_counts(),
        device=device,
        precision=_precision(recipe, device, hardware),
        threads=_threads(hardware),
        weights=_weights(recipe, workspace),
        workspace=str(workspace.absolute()),
        stages=stages,
    )
    warnings.extend(_warnings(plan, dataset))
    return replace(plan, warnings=tuple(warnings))


def _stages(recipe: Recipe, train: int, warnings: list[Message]) -> tuple[StagePlan, ...]:
    """The stages that have epochs to train, with batch sizes no larger than the training split."""
    unfreeze = _batch(recipe.unfreeze_batch_size, UNMEASURED_BATCH, "unfreeze_batch_size", train, recipe, warnings)
    freeze = _batch(recipe.freeze_batch_size, 2 * unfreeze, "freeze_batch_size", train, recipe, warnings)
    border = recipe.freeze_epoch if recipe.freeze_train else 0
    borders = (
        ("freeze", recipe.init_epoch, border, freeze),
        ("unfreeze", max(recipe.init_epoch, border), recipe.unfreeze_epoch, unfreeze),
    )
    return tuple(
        fitted_stage(recipe, StagePlan(_name(name), first, end - 1, batch, 0.0, 0.0, 0, recipe.accumulate), train)
        for name, first, end, batch in borders
        if first < end
    )


def _name(name: str) -> Literal["freeze", "unfreeze"]:
    return "freeze" if name == "freeze" else "unfreeze"


def _batch(wanted: int | str, fallback: int, key: str, train: int, recipe: Recipe, warnings: list[Message]) -> int:
    """The batch size in numbers; a step of `accumulate` batches must fit into an epoch."""
    if isinstance(wanted, str):
        size = fallback
        warnings.append(
            Message(
                "plan.batch_not_measured",
                "{key}: {size}, a careful guess; memory was not measured.",
                {"key": key, "size": size},
            )
        )
    else:
        size = wanted
    most = max(2, train // recipe.accumulate)
    if size > most:
        warnings.append(
            Message(
                "plan.batch_clipped",
                "{key}: {size} is more than the {train} training images give; {most} is taken.",
                {"key": key, "size": size, "train": train, "most": most},
            )
        )
    return min(size, most)


def _device(recipe: Recipe, hardware: Hardware) -> str:
    build = hardware.torch
    number = recipe.devices[0] if recipe.devices else 0
    card = hardware.cuda_card(number)
    usable = card is not None and card.usable
    if recipe.parallel != "none":
        raise bad_input(
            "plan.parallel",
            "parallel: {parallel} needs several graphics cards, and training on several is not part of this version; set "
            "parallel=none.",
            parallel=recipe.parallel,
        )
    if recipe.device == "auto":
        return f"cuda:{number}" if usable else "mps" if build.mps else "cpu"
    if recipe.device == "cuda" and not usable:
        raise bad_input(
            "plan.no_cuda",
            "device: cuda:{number} is not possible; set device=auto, or mend this: {reason}",
            number=number,
            reason=_why_not(hardware, card),
        )
    if recipe.device == "mps" and not build.mps:
        raise bad_input(
            "plan.no_mps", "device: mps is not possible, since this is no Mac with Apple graphics; set device=auto."
        )
    return f"cuda:{number}" if recipe.device == "cuda" else recipe.device


def _why_not(hardware: Hardware, card: Card | None) -> str:
    """What keeps torch from `card`, or from every card where there is no such one."""
    candidates = hardware.cards if card is None else (card,)
    problems = [
        problem for problem in (hardware.driver.problem, *(c.problem for c in candidates)) if problem is not None
    ]
    return (
        str(problems[0]) if problems else f"torch can use {len(hardware.usable_cards)} card(s) here, numbered from 0."
    )


def _precision(recipe: Recipe, device: str, hardware: Hardware) -> Literal["fp32", "bf16", "fp16"]:
    """16-bit where the device does it well: bf16 from Ampere on and on processors with AMX, fp16 on Volta and Turing."""
    if recipe.precision != "auto":
        if recipe.precision == "fp16" and device == "cpu":
            raise bad_input(
                "plan.fp16_on_cpu",
                "precision: fp16 is for graphics cards; on the processor set precision=bf16 or fp32.",
            )
        return recipe.precision
    if device.startswith("cuda"):
        card = hardware.cuda_card(int(device.partition(":")[2]))
        capability = None if card is None else card.capability
        if capability is None or capability < (7, 0):
            return "fp32"
        return "bf16" if capability >= (8, 0) else "fp16"
    # AVX512-BF16 without AMX was measured slower than fp32: 1.37 against 1.06 s a step.
    return "bf16" if device == "cpu" and hardware.processor.amx_bf16 else "fp32"


def _threads(hardware: Hardware) -> int:
    """One for each core; fewer where the user has told every program so."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    cores = hardware.processor.cores
    return max(1, min(int(wanted), cores)) if wanted.isdigit() else cores


def _weights(recipe: Recipe, workspace: Path) -> str | None:
    """The file to start from."""
    if recipe.start == "scratch":
        return None
    if recipe.start == "backbone" or recipe.model_path == COCO:
        name = f"{recipe.network}.weights"
        if (path := find(name, workspace / "model_data")) is None:
            raise bad_input(
                "plan.no_weights",
                "{name} is not in {folder}; fetch it with: freezetui weights get {name}",
                name=name,
                folder=workspace / "model_data",
            )
        return str(path.absolute())
    given = Path(recipe.model_path).expanduser()
    for path in (given, workspace / given, workspace / "model_data" / given):
        if path.is_file():
            return str(path.absolute())
    folder = given.parent if given.parent.is_dir() else workspace / "model_data"
    close = nearest(given.name, [path.name for path in folder.iterdir()]) if folder.is_dir() else None
    raise bad_input(
        "plan.model_path",
        "model_path: {path} is not there{hint}",
        path=recipe.model_path,
        hint=f"; did you mean {folder / close}?" if close else "; 'coco' starts from the official weights.",
    )


def _warnings(plan: Plan, dataset: Dataset) -> Iterator[Message]:
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
    """The tutorials count the steps that all epochs would take at the unfreeze batch."""
    recipe = plan.recipe
    advised = MODERN_ADVISED_STEPS if recipe.method == "modern" else ADVISED_STEPS[recipe.optimizer_type]
    per_epoch = plan.stages[-1].steps_per_epoch
    steps = per_epoch * recipe.unfreeze_epoch
    if steps < advised:
        yield Message(
            "plan.few_steps",
            "{steps} steps are few: {advised} or more are advised, which unfreeze_epoch={epochs} would give.",
            {"steps": steps, "advised": advised, "epochs": math.ceil(advised / per_epoch)},
        )
