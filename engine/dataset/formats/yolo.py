"""YOLO text: a line `class cx cy w h` for each box, as fractions of the image; names in data.yaml or a classes file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.dataset.classes_file import YOLO_CLASSES_FILES, find_classes_file, read_class_names
from engine.dataset.formats.parsed_labels import MAX_CLASSES, ParsedLabels, is_inside
from engine.dataset.formats.reading import Reading
from engine.dataset.image_files import images_below, is_image_file
from engine.dataset.splits import split_in_name
from engine.files import read_lines, read_text
from engine.messages import bad_input

_SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "test": "test"}


def read_yolo(path: Path, reading: Reading) -> ParsedLabels | None:
    """Every image that a data.yaml names, or every image below a folder without one; None if `path` is no YOLO data set."""
    is_yaml = path.is_file() and path.suffix.lower() in (".yaml", ".yml")
    if not is_yaml and not (path.is_dir() and _looks_like_yolo(path)):
        return None
    root = path.parent if is_yaml else path
    yaml_file = path if is_yaml else _find_yaml(path)
    parsed = ParsedLabels(reading.tree(root), "yolo", "fraction")
    images: list[tuple[Path, str | None]]
    if yaml_file is not None:
        settings = _load_yaml(yaml_file)
        parsed.names = _names_in_yaml(settings, yaml_file)
        images = list(_images_in_yaml(settings, yaml_file, parsed))
    else:
        classes_file = find_classes_file(root, YOLO_CLASSES_FILES)
        parsed.names = read_class_names(classes_file) if classes_file else []
        images = [(image, _split_in_folders(image, root)) for image in images_below(root)]
    class_count = len(parsed.names)
    unlabelled = 0
    for image, split in images:
        label_file = _label_file(image)
        if label_file.is_file():
            boxes, class_ids = _read_boxes(label_file, class_count, parsed)
        else:
            boxes, class_ids = [], []
            unlabelled += 1
        parsed.see("box", len(boxes))
        parsed.add_image(image, (0, 0), boxes, class_ids, label_file, split)
    if not class_count:
        parsed.name_classes_by_id()
        parsed.add_finding(
            "info",
            "class.unnamed",
            root,
            "{file}: no file names the classes; they are called class 0, class 1 and so on.",
        )
    if unlabelled:
        parsed.add_finding(
            "info",
            "image.unlabelled",
            root,
            "{file}: images without a label file: {count}; used as background.",
            count=unlabelled,
        )
    return parsed


def _find_yaml(folder: Path) -> Path | None:
    """The data.yaml of a folder: that name, or the first YAML file with class names."""
    for path in (
        folder / "data.yaml",
        folder / "data.yml",
        *sorted(folder.glob("*.yaml")),
        *sorted(folder.glob("*.yml")),
    ):
        if path.is_file() and re.search(r"^\s*names\s*:", read_text(path), re.MULTILINE):
            return path
    return None


def _looks_like_yolo(folder: Path) -> bool:
    """Whether a folder has a data.yaml, or images with label files in a labels folder or beside them."""
    if _find_yaml(folder) is not None:
        return True
    for image in images_below(folder):
        label_file = _label_file(image)
        if label_file.is_file() and _is_label_line(next(iter(read_text(label_file).splitlines()), "0 0 0 0 0")):
            return True
    return False


def _label_file(image: Path) -> Path:
    """The label file of an image: in the `labels` folder parallel to its `images` folder, else beside it."""
    parts = list(image.parent.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            return Path(*parts) / f"{image.stem}.txt"
    return image.with_suffix(".txt")


def _load_yaml(path: Path) -> Mapping[str, Any]:
    try:
        settings = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise bad_input("dataset.yaml", "{path}: this is not a valid YAML file.", path=path) from error
    if not isinstance(settings, dict):
        raise bad_input("dataset.yaml", "{path}: this file has no settings; it needs names and train.", path=path)
    return settings


def _names_in_yaml(settings: Mapping[str, Any], path: Path) -> list[str]:
    names = settings.get("names")
    if (
        isinstance(names, dict)
        and all(isinstance(key, int) and key >= 0 for key in names)
        and max(names, default=0) < MAX_CLASSES
    ):
        return [str(names.get(class_id, f"class {class_id}")) for class_id in range(max(names, default=-1) + 1)]
    if isinstance(names, list):
        return [str(name) for name in names]
    raise bad_input(
        "dataset.yaml", "{path}: names must be a list of class names, or class ids with their names.", path=path
    )


def _images_in_yaml(
    settings: Mapping[str, Any], yaml_file: Path, parsed: ParsedLabels
) -> Iterator[tuple[Path, str | None]]:
    """The images that a data.yaml names, each once, and their splits."""
    base = yaml_file.parent / str(settings.get("path") or "")
    seen: set[Path] = set()
    for key, split in _SPLIT_KEYS.items():
        entries = settings.get(key)
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            source = _resolve(str(entry), base, yaml_file.parent)
            if source is None:
                parsed.add_finding(
                    "error",
                    "split.missing",
                    yaml_file,
                    "{file}: {key} names {entry}, which does not exist.",
                    key=key,
                    entry=entry,
                )
            elif not is_inside(source, parsed.root):
                parsed.add_finding(
                    "error",
                    "label.outside_dataset",
                    yaml_file,
                    "{file}: {key} names {entry}, outside the data set; left out (open that folder as the data set instead).",
                    key=key,
                    entry=entry,
                )
            else:
                for image in _images_in_source(source, parsed):
                    if image not in seen:
                        seen.add(image)
                        yield image, split


def _resolve(entry: str, *bases: Path) -> Path | None:
    """The file or folder that an entry of data.yaml names; some exporters write one `../` too many."""
    for base in bases:
        for text in (entry, re.sub(r"^(\.\./)+", "", entry)):
            if (base / text).exists():
                return base / text
    return None


def _images_in_source(source: Path, parsed: ParsedLabels) -> Iterator[Path]:
    """The images in a folder, or those that a text file lists."""
    if source.is_dir():
        yield from images_below(source)
        return
    for line in read_lines(source):
        image = source.parent / line
        if not is_inside(image, parsed.root):
            parsed.add_finding(
                "error",
                "label.outside_dataset",
                source,
                "{file}: {line} is outside the data set; left out.",
                line=line,
            )
        elif image.is_file() and is_image_file(image):
            yield image
        else:
            parsed.add_finding(
                "error", "image.missing", source, "{file}: {line} is listed, but is no image; left out.", line=line
            )


def _split_in_folders(image: Path, root: Path) -> str | None:
    """The split that a folder between `root` and the image is named after."""
    folders = image.relative_to(root).parts[:-1]
    return next((split for folder in folders if (split := split_in_name(folder)) is not None), None)


def _read_boxes(label_file: Path, class_count: int, parsed: ParsedLabels) -> tuple[list[list[float]], list[int]]:
    """Boxes x1 y1 x2 y2 as fractions and class ids of one label file; a polygon becomes the box around it."""
    boxes, class_ids, unreadable, out_of_range = [], [], 0, set()
    for line in read_lines(label_file):
        if not _is_label_line(line):
            unreadable += 1
            continue
        first, *values = (float(word) for word in line.split())
        if not first.is_integer() or not 0 <= first < (class_count or MAX_CLASSES):
            out_of_range.add(f"{first:g}")
            continue
        if len(values) >= 6 and len(values) % 2 == 0:
            xs, ys = values[0::2], values[1::2]
            boxes.append([min(xs), min(ys), max(xs), max(ys)])
        else:
            cx, cy, width, height = values[:4]
            boxes.append([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2])
        class_ids.append(int(first))
    if unreadable:
        parsed.add_finding(
            "error",
            "label.unreadable",
            label_file,
            "{file}: lines that are no boxes: {count}; left out.",
            count=unreadable,
        )
    if out_of_range:
        parsed.add_finding(
            "error",
            "label.class_out_of_range",
            label_file,
            "{file}: class {numbers} does not exist, there are only {known} (0 to {last}); left out.",
            numbers=", ".join(sorted(out_of_range)),
            known=class_count,
            last=class_count - 1,
        )
    return boxes, class_ids


def _is_label_line(line: str) -> bool:
    try:
        return len([float(word) for word in line.split()]) >= 5
    except ValueError:
        return False
