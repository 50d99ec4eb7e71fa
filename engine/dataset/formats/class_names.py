"""Where the class names of a data set are whose labels hold class ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.dataset.classes_file import (
    LIST_CLASSES_FILES,
    OWN_CLASSES_FILES,
    STOCK_CLASSES_FILES,
    find_classes_file,
    read_class_names,
)
from engine.dataset.formats.file_tree import FileTree, same_name
from engine.dataset.formats.parsed_labels import MAX_CLASSES, ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.files import read_decoded, text_lines
from engine.messages import join_names
from engine.text_encoding import DecodedText

_NUMBERED = re.compile(r"(\d{1,5})(?:\s*[:=,]\s*|\s+)(\S.*)")
_NUMBERS = re.compile(r"[-+.\d]+(?:[\s,;]+[-+.\deE]+){3,}")


class ClassesFiles(NamedTuple):
    """The class names of a data set, and where they are from."""

    file: str
    """Relative to the root of the tree, or absolute; "" if there is none."""
    names: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    """Other files of class names with other names."""
    decoded: DecodedText | None = None
    """The text of `file`."""


def is_classes_file(file: str) -> bool:
    """Whether a path has the name of a file of class names."""
    name = same_name(file.rpartition("/")[2])
    return name in LIST_CLASSES_FILES or name.endswith(".names")


def find_class_names(tree: FileTree, order: Sequence[str]) -> ClassesFiles:
    """The class names in the files of a tree: those of the file whose name comes first in `order`, and of equals the one nearest to the root.

    A file whose names continue those of another of the same name is the newer one and is preferred.

    Raises:
        BadInput: a file cannot be read.
    """
    candidates = sorted(
        (file for file in tree.with_suffix(".txt", ".names", ".labels") if is_classes_file(file)),
        # labelImg writes the file beside the labels.
        key=lambda file: (_rank(file, order), file.count("/"), "label" not in file.rpartition("/")[0].lower()),
    )
    decoded = {file: read_decoded(tree.path(file)) for file in candidates}
    contents = {file: names for file in candidates if _are_names(names := _names_in(decoded[file].text))}
    if not contents:
        return ClassesFiles("")
    first = next(iter(contents))
    for file, names in contents.items():
        if _rank(file, order) == _rank(first, order) and names[: len(contents[first])] == contents[first]:
            first = file if len(names) > len(contents[first]) else first
    chosen = contents[first]
    differing = [file for file, names in contents.items() if names != chosen[: len(names)] and not _is_stock(file)]
    return ClassesFiles(first, chosen, tuple(differing), decoded[first])


def find_class_names_above(folder: Path) -> ClassesFiles:
    """The class names in a file in one of the two folders above `folder`.

    Raises:
        BadInput: a file cannot be read.
    """
    for parent in folder.parents[:2]:
        if (file := find_classes_file(parent, OWN_CLASSES_FILES)) is not None and (names := read_class_names(file)):
            return ClassesFiles(str(file), tuple(names))
    return ClassesFiles("")


def report_class_names(files: ClassesFiles, parsed: ParsedLabels, used: Path | None = None) -> None:
    """Say what is odd about the files of class names.

    Args:
        files: the file in the data set, and others that differ.
        parsed: gets the findings.
        used: the file whose names are used instead of those of `files`.
    """
    path = parsed.root / files.file
    if used is None and files.decoded is not None:
        parsed.add_encoding(files.decoded, files.file)
        lines = files.decoded.text.rstrip().splitlines()
        if empty := sum(not line.strip() for line in lines):
            parsed.add_finding(
                "warning",
                "class.empty_line",
                path,
                "{file}: empty lines between class names: {count}; they are skipped. If a class id belongs to such a line, the classes after it "
                "have wrong names.",
                count=empty,
            )
    if files.differing:
        parsed.add_finding(
            "warning",
            "class.files_differ",
            used or path,
            "{file}: the class names are from this file; others have other names or another order: {count} ({names}).",
            count=len(files.differing),
            names=join_names(files.differing[:MAX_NAMES]),
        )


def report_named_above(files: ClassesFiles, parsed: ParsedLabels) -> None:
    """Say that the class names are from a file above the data set's folder."""
    parsed.add_finding(
        "info",
        "class.named_above",
        files.file,
        "{file}: the class names are from this file above the folder of the data set.",
    )


def _names_in(text: str) -> tuple[str, ...]:
    """The lines of a text; where each begins with its class id (`0: cat`), what follows."""
    lines = text_lines(text)
    numbered = [match for line in lines if (match := _NUMBERED.fullmatch(line))]
    if len(lines) > 1 and [int(match[1]) for match in numbered] == list(range(len(lines))):
        return tuple(match[2] for match in numbered)
    return tuple(lines)


def _rank(file: str, order: Sequence[str]) -> int:
    name = same_name(file.rpartition("/")[2])
    return order.index(name) if name in order else len(order) - len(STOCK_CLASSES_FILES)


def _are_names(lines: Sequence[str]) -> bool:
    """Whether lines may be class names: a few, and not the rows of numbers of some list of labels."""
    return 0 < len(lines) <= MAX_CLASSES and not any(_NUMBERS.fullmatch(line) for line in lines[:3])


def _is_stock(file: str) -> bool:
    return same_name(file.rpartition("/")[2]) in STOCK_CLASSES_FILES
