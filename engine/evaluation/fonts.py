"""Fonts for class names: for each text one of this system that has all its characters."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font
from PIL import ImageFont

_SYSTEM_FOLDERS = {
    "win32": ("C:/Windows/Fonts", "~/AppData/Local/Microsoft/Windows/Fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
}
_OTHER_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_WELL_KNOWN = (
    "notosanscjk", "notosanssc", "sourcehansans", "wqy", "droidsansfallback", "pingfang", "hiragino sans gb", "stheiti", "msyh",
    "simhei", "deng", "simsun", "uming", "ukai", "meiryo", "yugoth", "msgothic", "ipag", "malgun", "applesdgothic", "nanum",
    "arial unicode", "notosans-", "notosans", "segoeui", "arial", "freesans",
)  # fmt: skip
"""The beginnings of file names in lower case: sans serif fonts that many systems have, the best first."""
_SUFFIXES = (".ttf", ".otf", ".ttc")
_MAX_FILES = 5000
_NOT_A_FONT = "lastresort"
"""Begins the name of a font of macOS that has a frame for every character."""
_FONTCONFIG_TIMEOUT = 5.0
"""Seconds; its cache is built the first time."""


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont | None:
    """A font of `size` pixels with all characters of `text`; None if no font on this system has them."""
    path = _font_file(frozenset(character for character in text if not character.isspace()))
    return None if path is None else _load(path, size)


@lru_cache(maxsize=1024)
def _font_file(characters: frozenset[str]) -> Path | None:
    return next((path for path in _font_files() if _has_all(path, characters)), None)


@lru_cache(maxsize=64)
def _load(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


def _has_all(path: Path, characters: frozenset[str]) -> bool:
    font = _open(path)
    return font is not None and all(font.get_char_index(ord(character)) for character in characters)


@lru_cache(maxsize=64)
def _open(path: Path) -> FT2Font | None:
    """The font, for a look at its characters; None if it is damaged or has fixed sizes only, such as one of emoji."""
    try:
        _load(path, 12)
        return FT2Font(str(path))
    except (OSError, RuntimeError, ValueError):
        return None


@cache
def _font_files() -> tuple[Path, ...]:
    """The fonts of this system, best first. DejaVu Sans, which comes with matplotlib, has the letters of many languages."""
    files = {file for file in (*_listed_by_fontconfig(), *_in_font_folders()) if _is_font(file)}
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", *sorted(files, key=_rank)


def _is_font(file: Path) -> bool:
    name = file.name.lower()
    return name.endswith(_SUFFIXES) and not name.startswith(_NOT_A_FONT)


def _listed_by_fontconfig() -> Iterator[Path]:
    """The files that fontconfig names, which also knows of folders that were set up for this system."""
    if sys.platform == "win32":
        return
    command = ["fc-list", "--format", "%{file}\n", ":scalable=true"]
    try:
        listed = subprocess.run(command, capture_output=True, timeout=_FONTCONFIG_TIMEOUT, check=False).stdout  # noqa: S603 (a fixed program)
    except (OSError, subprocess.SubprocessError):
        return
    yield from map(Path, filter(None, os.fsdecode(listed).split("\n")))


def _in_font_folders() -> Iterator[Path]:
    """The files in the font folders that such a system has, at most some thousand."""
    folders = map(os.path.expanduser, _SYSTEM_FOLDERS.get(sys.platform, _OTHER_FOLDERS))
    files = (Path(parent, name) for folder in folders for parent, _, names in os.walk(folder) for name in names)
    yield from itertools.islice(files, _MAX_FILES)


def _rank(path: Path) -> tuple[int, bool, str]:
    """Sorts well-known fonts before others, and regular ones before bold and italic ones."""
    name = path.name.lower()
    known = next((rank for rank, beginning in enumerate(_WELL_KNOWN) if name.startswith(beginning)), len(_WELL_KNOWN))
    return known, any(style in name for style in ("bold", "italic", "oblique", "light", "thin", "mono")), str(path)
