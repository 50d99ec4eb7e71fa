"""The first look at a weights file; without torch, so that a wrong name is said at once."""

from __future__ import annotations

from pathlib import Path

from engine.messages import bad_input


def beginning_of(path: Path) -> bytes:
    """The first sixteen bytes of a weights file.

    Raises:
        BadInput: there is no such file, it cannot be read, or it is empty.
    """
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
