"""Files that hold class names, one a line: what they are called, and how they are found and read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from engine.files import read_lines
from engine.messages import gettext_noop

OWN_CLASSES_FILES = ("classes.txt", "_classes.txt", "obj.names", "classes.names", "_darknet.labels")
"""What label tools call the class names of a data set, the surest first."""
OTHER_NAMED_FILES = ("class.txt", "class_names.txt", "labels.txt", "names.txt", "label.txt", "predefined_classes.txt")
STOCK_CLASSES_FILES = ("voc_classes.txt", "coco_classes.txt", "voc.names", "coco.names")
"""Programs bring these with them, whether the data set has their classes or not."""
YOLO_CLASSES_FILES = (*OWN_CLASSES_FILES, "cls_classes.txt", *OTHER_NAMED_FILES, *STOCK_CLASSES_FILES)
LIST_CLASSES_FILES = ("cls_classes.txt", *OWN_CLASSES_FILES, *OTHER_NAMED_FILES, *STOCK_CLASSES_FILES)
"""The tutorials call the user's own file `model_data/cls_classes.txt`."""
OTHER_CLASSES_FILES = (
    "classes.txt",
    "voc_classes.txt",
    "cls_classes.txt",
    "obj.names",
    "classes.names",
    "model_data/cls_classes.txt",
    "model_data/voc_classes.txt",
)
"""For formats whose labels contain the class names themselves: a file that may name them differently."""

REPEATED_NAMES = gettext_noop("{file}: class names that are there more than once: {names}; such classes become one.")
"""The finding `class.repeated`."""


def read_class_names(path: Path) -> list[str]:
    """The class names in a file; the index of a name is its class id.

    Raises:
        BadInput: the file cannot be read.
    """
    return read_lines(path)


def repeated_names(names: Sequence[str]) -> list[str]:
    """The names that are there more than once, each once."""
    return [name for name, count in Counter(names).items() if count > 1]


def find_classes_file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of `names` that exists in `folder`."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def find_classes_file_near(root: Path) -> Path | None:
    """A classes file in the data set's folder `root` or up to two folders above it."""
    folders = (root, *root.parents[:2])
    return next((file for folder in folders if (file := find_classes_file(folder, OTHER_CLASSES_FILES))), None)
