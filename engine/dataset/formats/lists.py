"""The tutorials' lists: a line `path x1,y1,x2,y2,class x1,...` for each picture. Paths may contain spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.dataset.formats.reading import Reading, lies_inside, read_names, split_named
from engine.dataset.image_files import is_image_file
from engine.files import read_text

_BOX = re.compile(r"-?\d+(?:\.\d+)?(?:,-?\d+(?:\.\d+)?){4}")
_CLASS_FILES = ("voc_classes.txt", "classes.txt", "cls_classes.txt", "model_data/voc_classes.txt")


def find_lists(folder: Path) -> list[Path]:
    """The lists in a folder."""
    return [path for path in sorted(folder.glob("*.txt")) if is_list(path)]


def is_list(path: Path) -> bool:
    """Whether the first line with something on it names a picture and maybe boxes."""
    first = next((line for line in read_text(path).splitlines() if line.strip()), "")
    picture, boxes = _parse(first)
    return is_image_file(Path(picture)) and bool(boxes or Path(picture).is_absolute() or "/" in picture)


def read_lists(root: Path, files: Sequence[Path]) -> Reading:
    """The pictures and boxes of all `files`; a file's name tells its split (2007_train.txt, 2007_val.txt)."""
    reading = Reading(root, "list", "pixel")
    names_file = next((root / name for name in _CLASS_FILES if (root / name).is_file()), None)
    reading.names = read_names(names_file) if names_file else []
    known = len(reading.names)
    for path in files:
        for line in read_text(path).splitlines():
            if line.strip():
                _read_line(line.strip(), path, known, reading)
    if not known:
        most = max((number for labels in reading.packer.labels() for number in labels), default=-1)
        reading.names = [f"class {number}" for number in range(most + 1)]
        reading.find(
            "info",
            "class.unnamed",
            root,
            "lists hold class numbers only; without a classes file they are called class 0, class 1 and so on.",
        )
    return reading


def _read_line(line: str, path: Path, known: int, reading: Reading) -> None:
    name, found = _parse(line)
    # Whole paths are what the tutorials' scripts write; dots that climb out of the folder are not.
    if ".." in name and not Path(name).is_absolute() and not lies_inside(path.parent / name, reading.root):
        reading.find("error", "label.outside_dataset", path, "{name} leads out of the data set; left out.", name=name)
        return
    picture = next((p for p in (path.parent / name, Path(name)) if p.is_file() and is_image_file(p)), None)
    if picture is None:
        reading.find(
            "error", "image.missing", path, "{name} is listed, but no such picture is there; left out.", name=name
        )
        return
    boxes, numbers, foreign = [], [], 0
    for *corners, number in found:
        if number != int(number) or number < 0 or (known and number >= known) or number >= 10_000:
            foreign += 1
            continue
        boxes.append(corners)
        numbers.append(int(number))
    if foreign:
        reading.find(
            "error",
            "label.class_out_of_range",
            path,
            "{name}: boxes whose class number does not exist (there are only {known}): {count}; left out.",
            name=name,
            count=foreign,
            known=known,
        )
    reading.add(picture.absolute(), (0, 0), np.array(boxes, np.float32), numbers, path, split_named(path.stem))


def _parse(line: str) -> tuple[str, list[list[float]]]:
    """The picture's path and its boxes x1 y1 x2 y2 class; boxes are read from the end, since paths have spaces too."""
    words = line.split(" ")
    boxes: list[list[float]] = []
    while len(words) > 1 and (not words[-1] or _BOX.fullmatch(words[-1])):
        if word := words.pop():
            boxes.append([float(value) for value in word.split(",")])
    return " ".join(words).strip(), boxes[::-1]
