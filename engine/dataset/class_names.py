"""Class names of the labels beside those of a classes file: where they disagree, and what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.dataset.formats import open_dataset
from engine.dataset.formats.reading import read_names
from engine.messages import nearest

CLASSES_FILES = (
    "classes.txt",
    "voc_classes.txt",
    "cls_classes.txt",
    "obj.names",
    "classes.names",
    "model_data/voc_classes.txt",
)
"""What classes files are called, beside the labels or up to two folders above them."""


@dataclass(frozen=True, slots=True)
class ClassNames:
    """What the labels call their classes, and what a classes file wants them to be called."""

    labels: Mapping[str, int]
    """Boxes of each name, as the labels have it."""
    wanted: tuple[str, ...] = ()
    """Names of the classes file; empty where there is none."""

    def foreign(self, mapping: Mapping[str, str]) -> tuple[str, ...]:
        """Names of labels that have boxes and are, even after `mapping`, not among those wanted."""
        if not self.wanted:
            return ()
        used = (name for name, count in self.labels.items() if count)
        return tuple(name for name in used if mapping.get(name, name) not in self.wanted)

    def suggestions(self) -> dict[str, str]:
        """For each foreign name the wanted one that is most like it, where one is."""
        found = {name: nearest(name, self.wanted) for name in self.foreign({})}
        return {name: near for name, near in found.items() if near is not None}


def class_names_of(path: Path, format: str = "auto", classes_file: Path | None = None) -> ClassNames:
    """The names in the labels at `path`, and those in `classes_file`.

    Raises:
        BadInput: the data set cannot be opened, or the classes file cannot be read.
    """
    labels = open_dataset(path, format=format).box_counts()
    return ClassNames(labels, wanted_names(classes_file))


def wanted_names(classes_file: Path | None) -> tuple[str, ...]:
    """The names in a classes file, each once, in order; none where there is no file.

    Raises:
        BadInput: the file cannot be read.
    """
    return () if classes_file is None else tuple(dict.fromkeys(read_names(classes_file)))


def classes_file_beside(root: Path) -> Path | None:
    """The classes file that lies with the labels of the data set at `root`, if there is one."""
    for folder in (root, *root.parents[:2]):
        for name in CLASSES_FILES:
            if (folder / name).is_file():
                return folder / name
    return None
