"""Paths inside a workspace. Imports little: the first screen needs it."""

from __future__ import annotations

from pathlib import Path


def logs_folder(workspace: Path) -> Path:
    """The folder with the workspace's runs."""
    return workspace / "logs"


def weights_named(name: str, workspace: Path) -> Path | None:
    """The weights that a recipe's `model_path` names, as an absolute path; None if they do not exist.

    Searched in the path as given, in the workspace and in its model_data/, in this order. A file in any of them comes before a
    folder of that name.
    """
    path = Path(name).expanduser()
    candidates = (path, workspace / path, workspace / "model_data" / path)
    existing = [candidate.absolute() for candidate in candidates if candidate.exists()]
    return next((candidate for candidate in existing if candidate.is_file()), existing[0] if existing else None)
