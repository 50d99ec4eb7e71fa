"""The tutorials' lists: a line `path x1,y1,x2,y2,class x1,...` for each image. Paths may contain spaces."""

from __future__ import annotations

import re
from pathlib import Path

from engine.dataset.classes_file import LIST_CLASSES_FILES, find_classes_file, read_class_names
from engine.dataset.formats.parsed_labels import MAX_CLASSES, ParsedLabels, is_inside
from engine.dataset.formats.reading import Reading
from engine.dataset.image_files import is_image_file
from engine.dataset.splits import split_in_name
from engine.files import read_lines, read_text

_BOX = re.compile(r"-?\d+(?:\.\d+)?(?:,-?\d+(?:\.\d+)?){4}")


def read_lists(path: Path, reading: Reading) -> ParsedLabels | None:
    """The images and boxes of a list, or of all lists in a folder; None if `path` is neither.

    The name of a list gives its split (2007_train.txt, 2007_val.txt).
    """
    if path.is_file():
        lists = [path] if path.suffix.lower() == ".txt" and _is_list(path) else []
        root = path.parent
    else:
        lists, root = [file for file in sorted(path.glob("*.txt")) if _is_list(file)], path
    if not lists:
        return None
    parsed = ParsedLabels(reading.tree(root), "list", "pixel", "info" if path.is_file() else "warning")
    classes_file = find_classes_file(root, LIST_CLASSES_FILES)
    parsed.names = read_class_names(classes_file) if classes_file else []
    class_count = len(parsed.names)
    for file in lists:
        for line in read_lines(file):
            _read_line(line, file, class_count, parsed)
    if not class_count:
        parsed.name_classes_by_id()
        parsed.add_finding(
            "info",
            "class.unnamed",
            root,
            "{file}: lists hold class numbers only; without a classes file they are called class 0, class 1 and so on.",
        )
    return parsed


def _is_list(path: Path) -> bool:
    """Whether the first line that is not empty holds the path of an image, and boxes or a path with folders."""
    first_line = next((line for line in read_text(path).splitlines() if line.strip()), "")
    image, boxes = _parse(first_line)
    return is_image_file(Path(image)) and bool(boxes or Path(image).is_absolute() or "/" in image)


def _read_line(line: str, list_file: Path, class_count: int, parsed: ParsedLabels) -> None:
    name, rows = _parse(line)
    # The tutorials' scripts write absolute paths; a relative one must stay in the folder.
    if ".." in name and not Path(name).is_absolute() and not is_inside(list_file.parent / name, parsed.root):
        parsed.add_finding(
            "error",
            "label.outside_dataset",
            list_file,
            "{file}: {name} is outside the data set; left out.",
            name=name,
        )
        return
    image = next((p for p in (list_file.parent / name, Path(name)) if p.is_file() and is_image_file(p)), None)
    if image is None:
        parsed.add_finding(
            "error",
            "image.missing",
            list_file,
            "{file}: {name} is listed, but no such image exists; left out.",
            name=name,
        )
        return
    boxes, class_ids, out_of_range = [], [], 0
    for *box, class_id in rows:
        if not class_id.is_integer() or not 0 <= class_id < (class_count or MAX_CLASSES):
            out_of_range += 1
            continue
        boxes.append(box)
        class_ids.append(int(class_id))
    if out_of_range:
        parsed.add_finding(
            "error",
            "label.class_out_of_range",
            list_file,
            "{file}: {name}: boxes whose class number does not exist (there are only {known}): {count}; left out.",
            name=name,
            count=out_of_range,
            known=class_count,
        )
    split = split_in_name(list_file.stem)
    parsed.see("box", len(boxes))
    parsed.add_image(image.absolute(), (0, 0), boxes, class_ids, list_file, split)


def _parse(line: str) -> tuple[str, list[list[float]]]:
    """The path of the image and its boxes x1 y1 x2 y2 class; boxes are parsed from the end, since paths may have spaces."""
    words = line.split(" ")
    boxes: list[list[float]] = []
    while len(words) > 1 and (not words[-1] or _BOX.fullmatch(words[-1])):
        if word := words.pop():
            boxes.append([float(value) for value in word.split(",")])
    return " ".join(words).strip(), boxes[::-1]
