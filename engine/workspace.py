"""Where a workspace keeps its things. Light to import: the first screen needs it."""

from __future__ import annotations

from pathlib import Path


def logs_folder(workspace: Path) -> Path:
    """Where a workspace keeps its runs."""
    return workspace / "logs"


def weights_named(name: str, workspace: Path) -> Path | None:
    """Where the weights that a recipe names lie: as the path says, in the workspace, or in its model_data/.

    A folder of that name is the answer only where there is no file.
    """
    given = Path(name).expanduser()
    places = [path.absolute() for path in (given, workspace / given, workspace / "model_data" / given) if path.exists()]
    return next((path for path in places if path.is_file()), places[0] if places else None)
