"""From the class names in the labels to the classes of the data set: renamed by a mapping, ordered by a classes file.

A mapping (`--map old=new`) renames classes of the labels. A classes file (`--classes FILE`) gives the classes and their order;
boxes of other classes are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.dataset.classes_file import read_class_names
from engine.dataset.index import Finding, finding
from engine.messages import bad_input, join_names, nearest

FORMATS_WITH_CLASS_IDS = ("yolo", "list")
FORMATS_WITH_NAMES = ("voc", "labelme", "csv")
"""Their labels hold class ids, so that every name keeps its place, with boxes or without."""


@dataclass(frozen=True, slots=True)
class ClassNames:
    """The class names in the labels, and those that a classes file asks for."""

    label_counts: Mapping[str, int]
    """Number of boxes of each name in the labels."""
    target_names: tuple[str, ...] = ()
    """The names in the classes file; empty if there is none."""

    def unmapped(self, mapping: Mapping[str, str]) -> tuple[str, ...]:
        """Names with boxes that are not in the classes file, `mapping` applied."""
        if not self.target_names:
            return ()
        used = (name for name, count in self.label_counts.items() if count)
        return tuple(name for name in used if mapping.get(name, name) not in self.target_names)

    def suggested_mapping(self) -> dict[str, str]:
        """For each unmapped name the most similar one of the classes file, if there is one."""
        similar = {name: nearest(name, self.target_names) for name in self.unmapped({})}
        return {name: target for name, target in similar.items() if target is not None}


def target_names(classes_file: Path | None) -> tuple[str, ...]:
    """The names in a classes file, in order, each once; none if `classes_file` is None.

    Raises:
        BadInput: the file cannot be read.
    """
    return () if classes_file is None else tuple(dict.fromkeys(read_class_names(classes_file)))


@dataclass(frozen=True, slots=True)
class ClassMapping:
    """How the class ids of the labels become those of the data set."""

    classes: tuple[str, ...]
    """The classes of the data set, in order."""
    renamed: tuple[str, ...]
    """For each class id of the labels its name, `mapping` applied."""
    classes_file: Path | None

    def apply(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """(boxes,) class ids of the labels -> of the data set; -1: not one of its classes."""
        first_ids = {name: class_id for class_id, name in reversed(list(enumerate(self.classes)))}
        ids = [first_ids.get(name, -1) for name in self.renamed]
        return np.array(ids or [-1], np.int32)[labels]

    def unknown_classes(self, box_count: int) -> Finding:
        """The finding that `box_count` boxes are left out, since the classes file lacks their classes."""
        return finding(
            "warning",
            "class.unknown",
            str(self.classes_file),
            "{file}: boxes of classes that it does not name ({names}): {count}; left out.",
            count=box_count,
            names=join_names(sorted(set(self.renamed) - set(self.classes))),
        )

    def similar_classes(self, root: Path) -> Finding | None:
        """The finding that names of classes differ in letter case, spaces or hyphens only."""
        groups: dict[str, dict[str, None]] = {}
        for name in self.classes:
            groups.setdefault(_plain(name), {})[name] = None
        similar = [" / ".join(group) for group in groups.values() if len(group) > 1]
        if not similar:
            return None
        return finding(
            "warning",
            "class.similar",
            str(root),
            "{file}: classes whose names differ in letter case, spaces or hyphens only: {names}. They are different classes.",
            names=join_names(similar),
        )


def _plain(name: str) -> str:
    """A form of a class name that is equal for names that people take for the same."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold()) or name


def map_classes(
    label_names: Sequence[str],
    labels: NDArray[np.int32],
    format: str,
    mapping: Mapping[str, str],
    classes_file: Path | None,
    own_names: Sequence[str] = (),
) -> ClassMapping:
    """The mapping of a data set's classes.

    Without a classes file the classes are those of the labels: by class id where the labels hold ids, sorted by name for
    VOC, LabelMe and CSV, in the order of the categories for COCO; except for the first, only those that have boxes. If `own_names` has all of
    them, the classes of VOC and COCO are those names instead.

    Args:
        label_names: for each class id of the labels its name.
        labels: (boxes,) class ids of the labels.
        format: the format of the data set.
        mapping: names in the labels to the names that replace them.
        classes_file: gives the classes and their order.
        own_names: the names in the classes.txt in the data set's folder, which `data convert` writes.

    Raises:
        BadInput: the mapping names a class that the labels do not have, or the classes file cannot be read.
    """
    for name in mapping:
        if name not in label_names:
            raise bad_input(
                "dataset.mapping",
                "{name}: the labels have no such class to rename; they have {names}.",
                name=name,
                names=join_names(label_names),
            )
    renamed = tuple(mapping.get(name, name) for name in label_names)
    if classes_file is not None:
        if not classes_file.is_file():
            raise bad_input("dataset.classes_file", "{path}: there is no such classes file.", path=classes_file)
        classes = target_names(classes_file)
    elif format in FORMATS_WITH_CLASS_IDS:
        classes = tuple(dict.fromkeys(renamed))
    else:
        has_boxes = np.bincount(labels, minlength=len(renamed)) > 0
        classes = tuple(dict.fromkeys(name for name, used in zip(renamed, has_boxes, strict=True) if used))
        if format in FORMATS_WITH_NAMES:
            classes = tuple(sorted(classes))
        in_file = tuple(dict.fromkeys(mapping.get(name, name) for name in own_names))
        if set(classes) <= set(in_file):
            classes = in_file
    return ClassMapping(classes, renamed, classes_file)
