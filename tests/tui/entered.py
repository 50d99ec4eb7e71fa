"""A workspace with data and weights of its own, and a wizard that has come as far as one of its screens."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.planning.dry_run.dry_run import DryRunResult, dry_run
from tests.given_hardware import PROCESSOR_ONLY
from tests.small_training import SETTINGS, plan_and_dataset, prepare

MEASURED = DryRunResult({"freeze": 2.0, "unfreeze": 3.5}, validation_seconds=0.25, save_seconds=4.0, peak_bytes={})


def somewhere(workspace: Path, screen_name: str, *, is_timed: bool = True, **changes: Any) -> dict[str, Any]:
    """What was entered before `screen_name`, for `drive`.

    Args:
        workspace: is given data and weights.
        screen_name: the screen in front.
        is_timed: an earlier dry run has measured how long the first steps take, so that none runs beside the test.
        changes: settings of the recipe.
    """
    prepare(workspace)
    if is_timed:
        dry_run(*plan_and_dataset(workspace, **changes), PROCESSOR_ONLY, call=lambda *_: asdict(MEASURED))
    return {
        "data": str(workspace / "data"),
        "start": "whole",
        "model_path": "start.pth",
        "preset": "modern-whole",
        "settings": {**SETTINGS, **changes},
        "screen_name": screen_name,
        "furthest_screen": screen_name,
    }
