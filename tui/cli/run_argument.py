"""How a command that is printed names a run."""

from __future__ import annotations

from pathlib import Path

from engine.workspace import logs_folder


def run_argument(run: Path) -> str:
    """The name of the run where a command in the current folder finds it by that, else its whole path."""
    return run.name if run.absolute().parent == logs_folder(Path.cwd()) else str(run)
