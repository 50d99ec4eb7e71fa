"""The first look at a weights file; without torch, so that a wrong name is said at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from engine.messages import bad_input, phrase

WEIGHTS_SUFFIXES = frozenset({".pth", ".pt", ".weights"})


def read_signature(path: Path) -> bytes:
    """The first sixteen bytes of a weights file.

    Raises:
        BadInput: there is no such file, it is a folder, cannot be read, or is empty.
    """
    if path.is_dir():
        inside = _weights_in(path)
        raise bad_input(
            "weights.folder",
            "{path}: this is a folder, and weights are a file{hint}",
            path=path,
            hint=phrase("; did you mean {nearest}?", nearest=inside) if inside else ".",
        )
    try:
        with path.open("rb") as file:
            beginning = file.read(16)
    except FileNotFoundError as error:
        raise bad_input("weights.missing", "{path}: there is no such file.", path=path) from error
    except OSError as error:
        raise bad_input(
            "weights.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error.strerror
        ) from error
    if not beginning:
        raise bad_input("weights.empty", "{path}: this file is empty; get it again.", path=path)
    return beginning


def _weights_in(folder: Path) -> Path | None:
    """The file in a folder that was probably meant: a run's best, else the newest."""
    with suppress(OSError):
        files = [path for path in folder.iterdir() if path.suffix.lower() in WEIGHTS_SUFFIXES and path.is_file()]
        return max(files, key=lambda path: (path.name.startswith("best_"), path.stat().st_mtime), default=None)
    return None
