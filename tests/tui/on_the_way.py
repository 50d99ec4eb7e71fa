"""A workspace with data and weights of its own, and a wizard that stands somewhere on the path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.small_training import SETTINGS, prepare


def somewhere(workspace: Path, place: str, **changes: Any) -> dict[str, Any]:
    """What was entered before `place`, for `drive`; `changes` are settings of the recipe."""
    prepare(workspace)
    return {
        "data": str(workspace / "data"),
        "start": "whole",
        "model_path": "start.pth",
        "preset": "modern-whole",
        "settings": {**SETTINGS, **changes},
        "place": place,
        "furthest": place,
    }
