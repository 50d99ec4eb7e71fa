"""COCO: one JSON file for each split, with images, annotations and categories."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.dataset.formats.reading import Reading, lies_inside, split_named
from engine.files import read_text


def find_coco(folder: Path) -> list[Path]:
    """The label files of a folder: those in annotations/ (the instances), in the folder itself, or one below."""
    for pattern in (
        "annotations/instances_*.json",
        "annotations/*.json",
        "*.json",
        "*/_annotations.coco.json",
        "*/*.json",
    ):
        found = [path for path in sorted(folder.glob(pattern)) if _looks_like_coco(path)]
        if found:
            return found
    return []


def read_coco(root: Path, files: Sequence[Path]) -> Reading:
    """The pictures and boxes of all `files` together; a file's or folder's name tells its split."""
    reading = Reading(root, "coco", "pixel")
    contents = [(path, content) for path in files if (content := _content(path, reading)) is not None]
    for path, content in contents:
        split = split_named(path.stem) or split_named(path.parent.name)
        _read_file(path, content, split, reading)
    return reading


def _looks_like_coco(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(1 << 16)
        if path.stat().st_size > 1 << 17:
            file.seek(-(1 << 16), 2)
            start += file.read()
    return b'"images"' in start or b'"annotations"' in start or b'"categories"' in start


def _content(path: Path, reading: Reading) -> dict[str, Any] | None:
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        reading.find("error", "label.unreadable", path, "is no readable JSON ({reason}); left out.", reason=error)
        return None
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in ("images", "categories")):
        reading.find("error", "label.unreadable", path, "has no images and categories; left out.")
        return None
    return content


def _read_file(path: Path, content: Mapping[str, Any], split: str | None, reading: Reading) -> None:
    names = {c.get("id"): str(c.get("name")) for c in content["categories"] if isinstance(c, dict)}
    boxes = defaultdict(list)
    labels = defaultdict(list)
    crowds = broken = 0
    for annotation in content.get("annotations") or []:
        if not isinstance(annotation, dict):
            broken += 1
        elif annotation.get("iscrowd"):
            crowds += 1
        elif annotation.get("category_id") not in names or (corners := _corners(annotation.get("bbox"))) is None:
            broken += 1
        else:
            boxes[annotation.get("image_id")].append(corners)
            labels[annotation.get("image_id")].append(names[annotation["category_id"]])
    if broken:
        reading.find(
            "error",
            "label.unreadable",
            path,
            "{count} annotations have no readable box or class; left out.",
            count=broken,
        )
    if crowds:
        reading.find("info", "label.crowd", path, "boxes that stand for crowds: {count}; left out.", count=crowds)
    for image in content["images"]:
        if not isinstance(image, dict):
            continue
        name, number = str(image.get("file_name")), image.get("id")
        picture = _picture(name, path, split, reading.root)
        if picture is None:
            outside = not lies_inside(path.parent / name, reading.root)
            if outside:
                reading.find(
                    "error",
                    "label.outside_dataset",
                    path,
                    "the picture {name} leads out of the data set; left out.",
                    name=name,
                )
            else:
                reading.find("error", "image.missing", path, "the picture {name} is not there; left out.", name=name)
            continue
        numbers = [reading.number_of(label) for label in labels.get(number, [])]
        size = _side(image.get("width")), _side(image.get("height"))
        reading.add(picture, size, np.array(boxes.get(number, []), np.float32), numbers, path, split)


def _picture(name: str, labels: Path, split: str | None, root: Path) -> Path | None:
    """Where a picture lies: beside its labels, in the root, in images/, or in a folder named after its split."""
    year = "".join(c for c in labels.stem if c.isdigit())
    folders = [labels.parent, root, root / "images"]
    for word in {labels.stem.removeprefix("instances_"), f"{split}{year}", split or ""} - {""}:
        folders += [root / word, root / "images" / word]
    for folder in folders:
        if lies_inside(folder / name, root) and (folder / name).is_file():
            return folder / name
    return None


def _corners(bbox: object) -> list[float] | None:
    try:
        x, y, width, height = (float(value) for value in bbox)  # type: ignore[attr-defined]  # checked by trying
    except (TypeError, ValueError):
        return None
    return [x, y, x + width, y + height]


def _side(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 20 else 0
