"""Decides whether a training uses activation checkpointing, and says what that costs."""

from __future__ import annotations

from dataclasses import replace

from engine.hardware import Hardware
from engine.messages import Message
from engine.plan import Plan
from engine.planning.memory.batch_size import ALWAYS_USEFUL_BATCH_SIZE, BatchSizeProblem
from engine.planning.rough_time import CHECKPOINTING_FACTOR, rough_checkpointing_seconds

PERCENT_SLOWER = round(100 * (CHECKPOINTING_FACTOR - 1))


def decide_checkpointing(problem: BatchSizeProblem) -> BatchSizeProblem:
    """`problem` whose recipe says "on" or "off" in place of "auto".

    "on" where memory does not suffice for the batch without it: for the batch size of the recipe or, if that is "auto", for 8
    (less where there are fewer images). Not where it saves nothing: in a training that never trains the backbone.
    """
    if problem.recipe.activation_checkpointing != "auto":
        return problem
    off, on = with_checkpointing(problem, enabled=False), with_checkpointing(problem, enabled=True)
    chosen = problem.recipe.unfreeze_batch_size
    wanted = ALWAYS_USEFUL_BATCH_SIZE * problem.parts if chosen == "auto" else chosen
    batch_size = min(int(wanted), problem.max_batch_size)
    stage = problem.final_stage
    return off if stage == "freeze" or off.fits(stage, batch_size) or not saves_memory(problem, batch_size) else on


def with_checkpointing(problem: BatchSizeProblem, *, enabled: bool) -> BatchSizeProblem:
    """`problem` with or without it."""
    update = {"activation_checkpointing": "on" if enabled else "off"}
    return replace(problem, recipe=problem.recipe.model_copy(update=update))


def saves_memory(problem: BatchSizeProblem, batch_size: int) -> bool:
    """Whether the last stage needs less memory with it at this batch size; False where memory cannot be predicted."""
    stage = problem.final_stage
    without = with_checkpointing(problem, enabled=False).peak(stage, batch_size, batch_size)
    with_it = with_checkpointing(problem, enabled=True).peak(stage, batch_size, batch_size)
    return without is not None and with_it is not None and with_it < without


def checkpointing_note(plan: Plan, hardware: Hardware) -> Message | None:
    """Why "auto" chose it, and what it costs; None where it did not."""
    if plan.recipe.activation_checkpointing != "auto" or not plan.activation_checkpointing:
        return None
    stage = plan.stages[-1]
    seconds = (
        rough_checkpointing_seconds(plan.recipe, plan.images, hardware)
        if stage.seconds_estimate is None
        else stage.seconds_estimate * (1 - 1 / CHECKPOINTING_FACTOR)
    )
    values = {"batch": stage.batch_size, "percent": PERCENT_SLOWER}
    if seconds is None:
        return Message(
            "plan.checkpointing",
            "activation_checkpointing: on, since memory does not suffice for a batch of {batch} without it. The unfreeze stage takes "
            "{percent} % longer.",
            values,
        )
    return Message(
        "plan.checkpointing",
        "activation_checkpointing: on, since memory does not suffice for a batch of {batch} without it. The unfreeze stage takes "
        "{percent} % longer, about {seconds} s in all.",
        {**values, "seconds": max(1, round(seconds))},
    )
