"""Paths inside a workspace, and the folder for caches. Imports little: the first screen needs it."""

from __future__ import annotations

import os
from pathlib import Path


def logs_folder(workspace: Path) -> Path:
    """The folder with the workspace's runs."""
    return workspace / "logs"


def built_in_presets() -> Path:
    """The folder of the presets that come with freezetui: in a checkout, or in the installed package."""
    checkout = Path(__file__).parents[1] / "presets"
    return checkout if checkout.is_dir() else Path(__file__).parent / "preset_files"


def preset_folders(workspace: Path | None) -> list[Path]:
    """The folders that presets are read from: the built-in ones, then those of the workspace."""
    folders = [built_in_presets()]
    if workspace is not None and (workspace / "presets").resolve() != folders[0].resolve():
        folders.append(workspace / "presets")
    return folders


def cache_folder() -> Path:
    """FREEZETUI_CACHE, or `freezetui` in the system's folder for caches (Linux: ~/.cache)."""
    if folder := os.environ.get("FREEZETUI_CACHE"):
        return Path(folder)
    import platformdirs  # here, since the first screen needs this module but no cache

    return platformdirs.user_cache_path("freezetui", appauthor=False, opinion=False)


def weights_named(name: str, workspace: Path) -> Path | None:
    """The weights that a recipe's `model_path` names, as an absolute path; None if they do not exist.

    Searched in the path as given, in the workspace and in its model_data/, in this order. A file in any of them comes before a
    folder of that name.
    """
    path = Path(name).expanduser()
    candidates = (path, workspace / path, workspace / "model_data" / path)
    existing = [candidate.absolute() for candidate in candidates if candidate.exists()]
    return next((candidate for candidate in existing if candidate.is_file()), existing[0] if existing else None)
