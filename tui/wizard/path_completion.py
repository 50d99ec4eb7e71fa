"""A path while it is typed: how it can be completed, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.dataset.formats.sniff import looks_like_dataset
from engine.messages import nearest
from tui.text import _

_MAX_ENTRIES = 5000
"""Entries of a folder that are read."""

PathFilter = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class PathStatus:
    """What is known about a typed path without opening anything."""

    text: str
    exists: bool
    looks_like_dataset: bool
    completions: tuple[str, ...]
    """Texts that begin with `text`; folders end with a separator."""
    problem: str
    """Why the path does not exist, as a sentence; empty where it exists or can be completed."""


def inspect_path(text: str, is_suitable: PathFilter) -> PathStatus:
    """The status of a typed path; `is_suitable` selects the files (not folders) that are offered as completions."""
    if not text.strip():
        return PathStatus(text, False, False, (), "")
    path = Path(text.strip().strip("'\"")).expanduser()
    completions = tuple(path_completions(text, is_suitable))
    exists = path.exists()
    problem = "" if exists or completions else _first_missing_part(path)
    return PathStatus(text, exists, exists and looks_like_dataset(path), completions, problem)


def path_completions(text: str, is_suitable: PathFilter) -> list[str]:
    """Completions of `text`: entries of its folder that begin with its last part, sorted, folders first."""
    head, prefix = os.path.split(text)
    folder = Path(head or ".").expanduser()
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _MAX_ENTRIES):
                if not _matches(entry.name, prefix):
                    continue
                if entry.is_dir():
                    folders.append(entry.name + os.sep)
                elif is_suitable(Path(entry.path)):
                    files.append(entry.name)
    except (OSError, ValueError):
        return []
    # The typed text stays as it is; only its last part is completed.
    start = text[: len(text) - len(prefix)]
    return [start + name for name in (*sorted(folders), *sorted(files))]


def _matches(name: str, prefix: str) -> bool:
    if name.startswith(".") and not prefix.startswith("."):
        return False
    return name.startswith(prefix)


def _first_missing_part(path: Path) -> str:
    """A sentence with the first part of `path` that does not exist, and the most similar name there."""
    path = path.absolute()
    folder = path
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    if folder == path:
        return ""
    missing = path.relative_to(folder).parts[0]
    try:
        similar = nearest(missing, [entry.name for entry in islice(folder.iterdir(), _MAX_ENTRIES)])
    except OSError:
        similar = None
    if similar is None:
        return _("There is no {name} in {folder}.", name=missing, folder=folder)
    return _("There is no {name} in {folder}; did you mean {near}?", name=missing, folder=folder, near=similar)
