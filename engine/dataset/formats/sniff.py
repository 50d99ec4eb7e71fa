"""Whether a path may be a data set, by names alone: cheap enough to check at every key press."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine.dataset.image_files import IMAGE_SUFFIXES

LABEL_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".csv", ".txt"})
"""Files that can be a data set themselves: data.yaml, COCO, LabelMe, CSV, a list."""

_MAX_ENTRIES = 2000
"""Of a folder at most so many entries are listed."""
_LABEL_FOLDERS = frozenset({"annotations", "jpegimages", "labels", "vocdevkit"})
_LABEL_FILES = frozenset({"data.yaml", "data.yml", "_annotations.coco.json", "_annotations.csv"})
_SUFFIXES_BESIDE_IMAGES = frozenset({".xml", ".txt", ".json", ".csv"})
_SPLIT_FOLDERS = frozenset({"train", "training", "valid", "val"})


def looks_like_dataset(path: Path) -> bool:
    """Whether `path` should be tried as a data set. At most two folders are listed, and no file is opened."""
    if path.is_file():
        return path.suffix.lower() in LABEL_SUFFIXES
    entries = list(_list_entries(path))
    if any(_is_typical(name, is_folder) for name, is_folder in entries):
        return True
    suffixes = {Path(name).suffix.lower() for name, is_folder in entries if not is_folder}
    if suffixes & _SUFFIXES_BESIDE_IMAGES and suffixes & IMAGE_SUFFIXES:
        return True
    split = next((name for name, is_folder in entries if is_folder and name.lower() in _SPLIT_FOLDERS), None)
    if split is None:
        return False
    in_split = list(_list_entries(path / split))
    suffixes = {Path(name).suffix.lower() for name, is_folder in in_split if not is_folder}
    return any(_is_typical(name, is_folder) for name, is_folder in in_split) or bool(suffixes & _SUFFIXES_BESIDE_IMAGES)


def is_root_or_home(path: Path) -> bool:
    """Whether `path` is the root of a disk or the user's home folder: searching all of it would take hours."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links
    return path == path.parent or path == Path.home()


def find_datasets(folder: Path) -> Iterator[Path]:
    """Paths that look like data sets: `folder` itself, else those directly in it."""
    if is_root_or_home(folder):
        return
    if looks_like_dataset(folder):
        yield folder
        return
    for name, is_folder in sorted(_list_entries(folder)):
        if is_folder and not name.startswith(".") and looks_like_dataset(folder / name):
            yield folder / name


def _is_typical(name: str, is_folder: bool) -> bool:
    """Whether only data sets have a file or folder of this name."""
    lower = name.lower()
    return (lower in _LABEL_FOLDERS or lower.startswith("voc2")) if is_folder else lower in _LABEL_FILES


def _list_entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """Names in a folder and whether each is a folder; nothing if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _MAX_ENTRIES):
                yield entry.name, entry.is_dir()
    except OSError:
        return
