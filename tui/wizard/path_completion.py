"""A path while it is being typed: what it may become, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.dataset.formats.sniff import looks_like_dataset
from engine.messages import nearest
from tui.text import _

_LISTED = 5000
Wanted = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class TypedPath:
    """What can be said about the text of a field without opening anything."""

    text: str
    there: bool
    """Whether something of that name exists."""
    promising: bool
    """Whether it seems to be a data set."""
    completions: tuple[str, ...]
    """Whole texts that begin with this one, folders with their separator."""
    problem: str
    """Why it leads nowhere, as a sentence; empty where it does, or may once more is typed."""


def inspect_path(text: str, suits: Wanted) -> TypedPath:
    """Look at a typed path; `suits` tells which files (not folders) are worth completing."""
    if not text.strip():
        return TypedPath(text, False, False, (), "")
    path = Path(text.strip().strip("'\"")).expanduser()
    completions = tuple(completions_of(text, suits))
    there = path.exists()
    problem = "" if there or completions else _what_is_missing(path)
    return TypedPath(text, there, there and looks_like_dataset(path), completions, problem)


def completions_of(text: str, suits: Wanted) -> list[str]:
    """What `text` may become: entries of its folder that begin with its last part, sorted, folders first."""
    head, begun = os.path.split(text)
    folder = Path(head or ".").expanduser()
    folders, files = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _LISTED):
                if not _begins(entry.name, begun):
                    continue
                if entry.is_dir():
                    folders.append(entry.name + os.sep)
                elif suits(Path(entry.path)):
                    files.append(entry.name)
    except (OSError, ValueError):
        return []
    # What was typed stays as it was typed; only its end is new.
    start = text[: len(text) - len(begun)]
    return [start + name for name in (*sorted(folders), *sorted(files))]


def _begins(name: str, begun: str) -> bool:
    if name.startswith(".") and not begun.startswith("."):
        return False
    return name.startswith(begun)


def _what_is_missing(path: Path) -> str:
    """The first part of `path` that is not there, and the name there that is most like it."""
    path = path.absolute()
    folder = path
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    if folder == path:
        return ""
    wanted = path.relative_to(folder).parts[0]
    try:
        near = nearest(wanted, [entry.name for entry in islice(folder.iterdir(), _LISTED)])
    except OSError:
        near = None
    if near is None:
        return _("There is no {name} in {folder}.", name=wanted, folder=folder)
    return _("There is no {name} in {folder}; did you mean {near}?", name=wanted, folder=folder, near=near)
