"""YOLO text: a line `class cx cy w h` for each box, as shares of the picture; names in data.yaml or a classes file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from engine.dataset.formats.reading import Reading, lies_inside, read_names, split_named
from engine.dataset.image_files import images_below, is_image_file
from engine.files import read_text
from engine.messages import bad_input

CLASS_FILES = ("classes.txt", "obj.names", "classes.names", "_darknet.labels", "labels/classes.txt", "data/obj.names")
_SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "test": "test"}


def find_yaml(folder: Path) -> Path | None:
    """The data.yaml of a folder: that name, or the one YAML file that has class names."""
    for path in (
        folder / "data.yaml",
        folder / "data.yml",
        *sorted(folder.glob("*.yaml")),
        *sorted(folder.glob("*.yml")),
    ):
        if path.is_file() and re.search(r"^\s*names\s*:", read_text(path), re.MULTILINE):
            return path
    return None


def looks_like_yolo(folder: Path) -> bool:
    """Whether a folder has a data.yaml, a labels folder with text files, or pictures with such files beside them."""
    if find_yaml(folder) is not None:
        return True
    for picture in images_below(folder):
        label = label_of(picture)
        if label.is_file() and _is_label_line(next(iter(read_text(label).splitlines()), "0 0 0 0 0")):
            return True
    return False


def read_yolo(root: Path, yaml_file: Path | None = None) -> Reading:
    """Every picture below `root`, or in the places that its data.yaml names."""
    reading = Reading(root, "yolo", "fraction")
    yaml_file = yaml_file or find_yaml(root)
    places: list[tuple[Path, str | None]]
    if yaml_file is not None:
        settings = _settings(yaml_file)
        reading.names = _names(settings, yaml_file)
        places = list(_places(settings, yaml_file, root, reading))
    else:
        names_file = next((root / name for name in CLASS_FILES if (root / name).is_file()), None)
        reading.names = read_names(names_file) if names_file else []
        places = [(picture, _split_of(picture, root)) for picture in images_below(root)]
    known = len(reading.names)
    background = 0
    for picture, split in places:
        label = label_of(picture)
        if not label.is_file():
            background += 1
        boxes, numbers = _boxes(label, known, reading) if label.is_file() else ([], [])
        reading.add(picture, (0, 0), np.array(boxes, np.float32), numbers, label, split)
    if not known:
        most = max((number for labels in reading.packer.labels() for number in labels), default=-1)
        reading.names = [f"class {number}" for number in range(most + 1)]
        reading.find(
            "info", "class.unnamed", root, "no file names the classes; they are called class 0, class 1 and so on."
        )
    if background:
        reading.find(
            "info",
            "image.unlabelled",
            root,
            "pictures without a label file: {count}; taken as background.",
            count=background,
        )
    return reading


def label_of(picture: Path) -> Path:
    """The label file of a picture: in the `labels` folder that stands for `images`, else beside it."""
    parts = list(picture.parent.parts)
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            return Path(*parts) / f"{picture.stem}.txt"
    return picture.with_suffix(".txt")


def _settings(path: Path) -> Mapping[str, Any]:
    try:
        settings = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise bad_input("dataset.yaml", "{path}: this is no readable YAML file.", path=path) from error
    if not isinstance(settings, dict):
        raise bad_input("dataset.yaml", "{path}: this is no list of settings; it needs names and train.", path=path)
    return settings


def _names(settings: Mapping[str, Any], path: Path) -> list[str]:
    names = settings.get("names")
    if (
        isinstance(names, dict)
        and all(isinstance(key, int) and key >= 0 for key in names)
        and max(names, default=0) < 10_000
    ):
        return [str(names.get(number, f"class {number}")) for number in range(max(names, default=-1) + 1)]
    if isinstance(names, list):
        return [str(name) for name in names]
    raise bad_input("dataset.yaml", "{path}: names is neither a list of class names nor numbers with names.", path=path)


def _places(settings: Mapping[str, Any], path: Path, root: Path, reading: Reading) -> Iterator[tuple[Path, str | None]]:
    """The pictures that a data.yaml speaks of and their splits."""
    base = path.parent / str(settings.get("path") or "")
    seen: set[Path] = set()
    for key, split in _SPLIT_KEYS.items():
        entries = settings.get(key)
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            place = _resolve(str(entry), base, path.parent)
            if place is None:
                reading.find(
                    "error", "split.missing", path, "{key} names {entry}, which is not there.", key=key, entry=entry
                )
            elif not lies_inside(place, root):
                reading.find(
                    "error",
                    "label.outside_dataset",
                    path,
                    "{key} leads to {entry}, outside the data set; left out (give that folder itself as the data set).",
                    key=key,
                    entry=entry,
                )
            else:
                for picture in _pictures(place, root, reading):
                    if picture not in seen:
                        seen.add(picture)
                        yield picture, split


def _resolve(entry: str, *bases: Path) -> Path | None:
    """Where an entry of data.yaml leads; some exporters write one `../` too many."""
    for base in bases:
        for text in (entry, re.sub(r"^(\.\./)+", "", entry)):
            if (base / text).exists():
                return base / text
    return None


def _pictures(place: Path, root: Path, reading: Reading) -> Iterator[Path]:
    if place.is_dir():
        yield from images_below(place)
        return
    for line in read_names(place):
        picture = place.parent / line
        if not lies_inside(picture, root):
            reading.find(
                "error", "label.outside_dataset", place, "{line} leads out of the data set; left out.", line=line
            )
        elif picture.is_file() and is_image_file(picture):
            yield picture
        else:
            reading.find("error", "image.missing", place, "{line} is listed, but is no picture; left out.", line=line)


def _split_of(picture: Path, root: Path) -> str | None:
    """The split that the folders between root and picture speak of."""
    for part in picture.relative_to(root).parts[:-1]:
        if (split := split_named(part)) is not None:
            return split
    return None


def _boxes(label: Path, known: int, reading: Reading) -> tuple[list[list[float]], list[int]]:
    """Boxes x1 y1 x2 y2 as shares and class numbers of one label file; polygons become the box around them."""
    boxes, numbers, unreadable, foreign = [], [], 0, set()
    for line in read_text(label).splitlines():
        if not line.strip():
            continue
        if not _is_label_line(line):
            unreadable += 1
            continue
        first, *values = (float(word) for word in line.split())
        number = int(first)
        if number != first or number < 0 or (known and number >= known) or number >= 10_000:
            foreign.add(f"{first:g}")
            continue
        if len(values) >= 6 and len(values) % 2 == 0:
            xs, ys = values[0::2], values[1::2]
            boxes.append([min(xs), min(ys), max(xs), max(ys)])
        else:
            cx, cy, width, height = values[:4]
            boxes.append([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2])
        numbers.append(number)
    if unreadable:
        reading.find(
            "error", "label.unreadable", label, "lines that are no boxes: {count}; left out.", count=unreadable
        )
    if foreign:
        reading.find(
            "error",
            "label.class_out_of_range",
            label,
            "class {numbers} does not exist, there are only {known} (0 to {last}); left out.",
            numbers=", ".join(sorted(foreign)),
            known=known,
            last=known - 1,
        )
    return boxes, numbers


def _is_label_line(line: str) -> bool:
    words = line.split()
    try:
        return len([float(word) for word in words]) >= 5
    except ValueError:
        return False
