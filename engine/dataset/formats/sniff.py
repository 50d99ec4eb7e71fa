"""Whether a path may be a data set, told from names alone: cheap enough to ask at every key that is pressed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine.dataset.image_files import IMAGE_SUFFIXES

LABEL_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".txt"})
"""Files that can be a data set themselves: data.yaml, COCO, a list."""

_LOOKED_AT = 2000
_FOLDERS = frozenset({"annotations", "jpegimages", "labels", "vocdevkit"})
_FILES = frozenset({"data.yaml", "data.yml", "_annotations.coco.json"})
_SPLITS = frozenset({"train", "training", "valid", "val"})


def looks_like_dataset(path: Path) -> bool:
    """Whether opening `path` as a data set is worth a try. At most two folders are listed, and no file is opened."""
    if path.is_file():
        return path.suffix.lower() in LABEL_SUFFIXES
    entries = list(_entries(path))
    if any(_tells(name, folder) for name, folder in entries):
        return True
    suffixes = {Path(name).suffix.lower() for name, folder in entries if not folder}
    if suffixes & {".xml", ".txt"} and suffixes & IMAGE_SUFFIXES:
        return True
    split = next((name for name, folder in entries if folder and name.lower() in _SPLITS), None)
    if split is None:
        return False
    below = list(_entries(path / split))
    names = {Path(name).suffix.lower() for name, folder in below if not folder}
    return any(_tells(name, folder) for name, folder in below) or bool(names & {".xml", ".txt"})


def whole_disk(path: Path) -> bool:
    """Whether `path` is a disk's root or the user's home: looking through all of it would take hours."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links
    return path == path.parent or path == Path.home()


def datasets_near(folder: Path) -> Iterator[Path]:
    """Data sets that seem to lie in `folder` or right below it, by name."""
    if whole_disk(folder):
        return
    if looks_like_dataset(folder):
        yield folder
        return
    for name, is_folder in sorted(_entries(folder)):
        if is_folder and not name.startswith(".") and looks_like_dataset(folder / name):
            yield folder / name


def _tells(name: str, folder: bool) -> bool:
    low = name.lower()
    return (low in _FOLDERS or low.startswith("voc2")) if folder else low in _FILES


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """Names in a folder and whether each is a folder; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _LOOKED_AT):
                yield entry.name, entry.is_dir()
    except OSError:
        return
