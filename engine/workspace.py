"""Where a workspace keeps its things. Light to import: the first screen needs it."""

from __future__ import annotations

from pathlib import Path


def logs_folder(workspace: Path) -> Path:
    """Where a workspace keeps its runs."""
    return workspace / "logs"
