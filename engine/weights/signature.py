"""The first bytes of a weights file. Imports no torch, so that a wrong path is reported at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from engine.files import error_reason
from engine.messages import bad_input, phrase

WEIGHTS_SUFFIXES = frozenset({".pth", ".pt", ".weights"})


def read_signature(path: Path) -> bytes:
    """The first sixteen bytes of a weights file.

    Raises:
        BadInput: there is no such file, it is a folder, cannot be read, or is empty.
    """
    if path.is_dir():
        nearest_file = _weights_in(path)
        raise bad_input(
            "weights.folder",
            "{path}: this is a folder, and weights are a file{hint}",
            path=path,
            hint=phrase("; did you mean {nearest}?", nearest=nearest_file) if nearest_file else ".",
        )
    try:
        with path.open("rb") as file:
            signature = file.read(16)
    except FileNotFoundError as error:
        raise bad_input("weights.missing", "{path}: there is no such file.", path=path) from error
    except OSError as error:
        raise bad_input(
            "weights.unreadable", "{path}: cannot be read ({reason}).", path=path, reason=error_reason(error)
        ) from error
    if not signature:
        raise bad_input("weights.empty", "{path}: this file is empty; download it again.", path=path)
    return signature


def _weights_in(folder: Path) -> Path | None:
    """The file in a folder that was probably meant: the best weights of a run, else the newest file."""
    with suppress(OSError):
        files = [path for path in folder.iterdir() if path.suffix.lower() in WEIGHTS_SUFFIXES and path.is_file()]
        return max(files, key=lambda path: (path.name.startswith("best_"), path.stat().st_mtime), default=None)
    return None
