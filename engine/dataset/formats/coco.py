"""COCO: one JSON file for each split, with images, annotations and categories."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.dataset.formats.parsed_labels import ParsedLabels, is_inside
from engine.dataset.formats.reading import Reading
from engine.dataset.splits import split_in_name
from engine.files import read_text


def read_coco(path: Path, reading: Reading) -> ParsedLabels | None:
    """The images and boxes of a COCO file, or of all COCO files in a folder; None if `path` is neither.

    The name of a file or of its folder gives its split.
    """
    if path.is_file():
        files = [path] if path.suffix.lower() == ".json" else []
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
    else:
        files, root = _find_files(path), path
    if not files:
        return None
    parsed = ParsedLabels(reading.tree(root), "coco", "pixel", "info" if path.is_file() else "warning")
    contents = [(file, content) for file in files if (content := _load_json(file, parsed)) is not None]
    for file, content in contents:
        _read_file(file, content, split_in_name(file.stem) or split_in_name(file.parent.name), parsed)
    return parsed


def _find_files(folder: Path) -> list[Path]:
    """The label files of a folder: those in annotations/ (the instances), in the folder itself, or one level below."""
    for pattern in (
        "annotations/instances_*.json",
        "annotations/*.json",
        "*.json",
        "*/_annotations.coco.json",
        "*/*.json",
    ):
        if files := [path for path in sorted(folder.glob(pattern)) if _looks_like_coco(path)]:
            return files
    return []


def _looks_like_coco(path: Path) -> bool:
    """Whether the first or last 64 KiB of a file contain a key of COCO."""
    with path.open("rb") as file:
        content = file.read(1 << 16)
        if path.stat().st_size > 1 << 17:
            file.seek(-(1 << 16), 2)
            content += file.read()
    return b'"images"' in content or b'"annotations"' in content or b'"categories"' in content


def _load_json(path: Path, parsed: ParsedLabels) -> dict[str, Any] | None:
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        parsed.add_finding(
            "error", "label.unreadable", path, "{file}: not valid JSON ({reason}); left out.", reason=error
        )
        return None
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in ("images", "categories")):
        parsed.add_finding("error", "label.unreadable", path, "{file}: has no images and categories; left out.")
        return None
    return content


def _read_file(path: Path, content: Mapping[str, Any], split: str | None, parsed: ParsedLabels) -> None:
    category_names = {c.get("id"): str(c.get("name")) for c in content["categories"] if isinstance(c, dict)}
    boxes = defaultdict(list)
    labels = defaultdict(list)
    crowds = unreadable = 0
    for annotation in content.get("annotations") or []:
        if not isinstance(annotation, dict):
            unreadable += 1
        elif annotation.get("iscrowd"):
            crowds += 1
        elif annotation.get("category_id") not in category_names or (box := _box(annotation.get("bbox"))) is None:
            unreadable += 1
        else:
            boxes[annotation.get("image_id")].append(box)
            labels[annotation.get("image_id")].append(category_names[annotation["category_id"]])
    if unreadable:
        parsed.add_finding(
            "error",
            "label.unreadable",
            path,
            "{file}: {count} annotations have no readable box or class; left out.",
            count=unreadable,
        )
    if crowds:
        parsed.add_finding("info", "label.crowd", path, "{file}: boxes around crowds: {count}; left out.", count=crowds)
    for image in content["images"]:
        if not isinstance(image, dict):
            continue
        name, image_id = str(image.get("file_name")), image.get("id")
        image_path = _find_image(name, path, split, parsed.root)
        if image_path is None:
            if is_inside(path.parent / name, parsed.root):
                parsed.add_finding(
                    "error", "image.missing", path, "{file}: the image {name} does not exist; left out.", name=name
                )
            else:
                parsed.add_finding(
                    "error",
                    "label.outside_dataset",
                    path,
                    "{file}: the image {name} is outside the data set; left out.",
                    name=name,
                )
            continue
        class_ids = [parsed.class_id(label) for label in labels.get(image_id, [])]
        size = _side(image.get("width")), _side(image.get("height"))
        parsed.see("box", len(class_ids))
        parsed.add_image(image_path, size, boxes.get(image_id, []), class_ids, path, split)


def _find_image(name: str, label_file: Path, split: str | None, root: Path) -> Path | None:
    """The path of an image: beside its label file, in the root, in images/, or in a folder named after its split."""
    year = "".join(c for c in label_file.stem if c.isdigit())
    folders = [label_file.parent, root, root / "images"]
    for split_folder in [label_file.stem.removeprefix("instances_"), *([f"{split}{year}", split] if split else [])]:
        folders += [root / split_folder, root / "images" / split_folder]
    for folder in folders:
        if is_inside(folder / name, root) and (folder / name).is_file():
            return folder / name
    return None


def _box(bbox: object) -> list[float] | None:
    """COCO's x y width height -> x1 y1 x2 y2; None if `bbox` is not four numbers."""
    try:
        x, y, width, height = (float(value) for value in bbox)  # type: ignore[attr-defined]  # checked by trying
    except (TypeError, ValueError):
        return None
    return [x, y, x + width, y + height]


def _side(value: object) -> int:
    """A width or height in pixels; 0 if `value` is not a plausible one."""
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 20 else 0
