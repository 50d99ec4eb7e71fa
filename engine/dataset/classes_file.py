"""Files that hold class names, one a line: what they are called, and how they are found and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.files import read_lines

YOLO_CLASSES_FILES = (
    "classes.txt",
    "obj.names",
    "classes.names",
    "_darknet.labels",
    "labels/classes.txt",
    "data/obj.names",
)
LIST_CLASSES_FILES = ("voc_classes.txt", "classes.txt", "cls_classes.txt", "model_data/voc_classes.txt")
OTHER_CLASSES_FILES = (
    "classes.txt",
    "voc_classes.txt",
    "cls_classes.txt",
    "obj.names",
    "classes.names",
    "model_data/voc_classes.txt",
)
"""For formats whose labels contain the class names themselves: a file that may name them differently."""


def read_class_names(path: Path) -> list[str]:
    """The class names in a file; the index of a name is its class id.

    Raises:
        BadInput: the file cannot be read.
    """
    return read_lines(path)


def find_classes_file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of `names` that exists in `folder`."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def find_classes_file_near(root: Path) -> Path | None:
    """A classes file in the data set's folder `root` or up to two folders above it."""
    folders = (root, *root.parents[:2])
    return next((file for folder in folders if (file := find_classes_file(folder, OTHER_CLASSES_FILES))), None)
