"""The devices of a Plan, and what each of them gets of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.text.translate import _, ngettext

if TYPE_CHECKING:
    from engine.plan import Plan, StagePlan

_NAMES = {"dp": "DP", "ddp": "DDP"}


def devices_text(plan: Plan) -> str:
    """The devices that train, such as `cuda:0, cuda:1 (DDP, 2 processes)`."""
    if plan.batch_parts == 1:
        return plan.device
    devices = plan.devices or (plan.device,)
    listed = ", ".join(dict.fromkeys(devices))
    name = _NAMES.get(plan.recipe.parallel, plan.recipe.parallel)
    if plan.processes == 1:
        return _("{devices} ({name}, one process)", devices=listed, name=name)
    if plan.nodes == 1:
        return ngettext(
            "{devices} ({name}, {count} process)",
            "{devices} ({name}, {count} processes)",
            plan.processes,
            devices=listed,
            name=name,
        )
    return _(
        "{devices} on each of {nodes} machines ({name}, {count} processes)",
        devices=listed,
        nodes=plan.nodes,
        name=name,
        count=plan.processes,
    )


def batch_text(plan: Plan, stage: StagePlan) -> str:
    """The batch size; of several devices with the share of each, such as `16 = 2 × 8`; `× 2` where batches are accumulated."""
    text = str(stage.batch_size)
    if plan.batch_parts > 1:
        text = f"{text} = {plan.batch_parts} × {stage.batch_size // plan.batch_parts}"
        return text if stage.accumulate == 1 else f"({text}) × {stage.accumulate}"
    return text if stage.accumulate == 1 else f"{text} × {stage.accumulate}"
