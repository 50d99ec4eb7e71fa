"""The names that images get in a written data set: readable by every format and unique on every file system."""

from __future__ import annotations

import unicodedata
from pathlib import PurePath

_MAX_BYTES = 200
"""Of a name without its suffix. File systems allow 255, and labels have other suffixes."""

_NOT_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode: control, surrogate, line and paragraph separator


class FileNames:
    """Gives each image of a folder a name of its own; its label has the same name with another suffix."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def add(self, image: str) -> str:
        """The name for the image at the path `image`: its own name, with the name of its folder in front if that is taken."""
        path = PurePath(image.replace("\\", "/"))
        suffix = _printable(path.suffix)
        stem = _cut(_printable(path.stem)) or "image"
        folder = _printable(path.parent.name)
        for name in (stem, f"{folder}_{stem}" if folder else stem):
            if self._take(name):
                return name + suffix
        number = 2
        while not self._take(f"{stem}_{number}"):
            number += 1
        return f"{stem}_{number}{suffix}"

    def _take(self, stem: str) -> bool:
        """Whether `stem` was free; it no longer is."""
        # Some file systems ignore case or the form in which Unicode composes a letter.
        key = unicodedata.normalize("NFC", stem).casefold()
        if key in self._taken or len(stem.encode()) > _MAX_BYTES:
            return False
        self._taken.add(key)
        return True


def _printable(name: str) -> str:
    """`name` without what a text file or XML cannot hold: bytes that are not UTF-8, control characters, spaces at its ends."""
    return "".join("_" if unicodedata.category(c) in _NOT_TEXT else c for c in name).strip()


def _cut(stem: str) -> str:
    """`stem` short enough for a number behind it."""
    return stem.encode()[: _MAX_BYTES - 20].decode(errors="ignore").strip()
