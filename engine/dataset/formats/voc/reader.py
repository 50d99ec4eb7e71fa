"""Pascal VOC: an XML file for each image, lists of names for the splits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.image_files import is_image_file
from engine.files import error_reason, read_lines, read_text


def read_voc(path: Path, reading: Reading) -> ParsedLabels | None:
    """Every annotated image of the VOC tree that `path` belongs to; None if it belongs to none.

    The tree holds Annotations and JPEGImages, or both kinds of file in one folder.
    """
    root = _find_root(path) if path.is_dir() else None
    if root is None:
        return None
    parsed = ParsedLabels(reading.tree(root), "voc", "pixel")
    label_folder = root / "Annotations" if (root / "Annotations").is_dir() else root
    images = _images_by_stem(root / "JPEGImages") or _images_by_stem(root / "images") or _images_by_stem(label_folder)
    label_files = {path.stem: path for path in sorted(label_folder.glob("*.xml"))}
    splits = _read_splits(root, label_files, parsed)
    difficult_count = 0
    for stem, label_file in label_files.items():
        if stem not in images:
            parsed.add_finding(
                "error", "image.missing", label_file, "{file}: there is no image of that name; left out."
            )
            continue
        tree = _parse(label_file, parsed)
        if tree is None:
            continue
        boxes, names, difficult = _read_objects(tree, label_file, parsed)
        difficult_count += difficult
        parsed.see("box", len(boxes))
        class_ids = [parsed.class_id(name) for name in names]
        parsed.add_image(images[stem], _image_size(tree), boxes, class_ids, label_file, splits.get(stem))
    if difficult_count:
        parsed.add_finding(
            "info",
            "label.difficult",
            label_folder,
            "{file}: {count} objects are marked difficult; left out.",
            count=difficult_count,
        )
    if unlabelled := len(images.keys() - label_files.keys()):
        parsed.add_finding(
            "info",
            "image.unlabelled",
            label_folder,
            "{file}: images without an annotation: {count}; left out.",
            count=unlabelled,
        )
    return parsed


def _find_root(folder: Path) -> Path | None:
    """The folder that holds the annotations, for a folder at any level of the tree; None if it is no VOC."""
    candidates = [
        folder,
        *sorted(folder.glob("VOC2*"), reverse=True),
        *sorted(folder.glob("VOCdevkit/VOC2*"), reverse=True),
    ]
    for candidate in candidates:
        if any((candidate / "Annotations").glob("*.xml")):
            return candidate
    if folder.name in ("Annotations", "JPEGImages") and any((folder.parent / "Annotations").glob("*.xml")):
        return folder.parent
    return folder if any(folder.glob("*.xml")) else None


def _images_by_stem(folder: Path) -> Mapping[str, Path]:
    """The images of one folder by their name without suffix."""
    return {path.stem: path for path in sorted(folder.iterdir()) if is_image_file(path)} if folder.is_dir() else {}


def _read_splits(root: Path, label_files: Mapping[str, Path], parsed: ParsedLabels) -> dict[str, str]:
    """The split of each name in ImageSets/Main."""
    folder = root / "ImageSets" / "Main"
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = folder / f"{split}.txt"
        if not path.is_file():
            continue
        for line in read_lines(path):
            # The lists of one class have 1, 0 or -1 at the end of each line.
            name = line if line in label_files else re.sub(r"\s+-?[01]$", "", line)
            if name in label_files:
                if splits.setdefault(name, split) != split:
                    parsed.add_finding(
                        "warning",
                        "split.twice",
                        path,
                        "{file}: {name} is in {first} too; it is used there.",
                        name=name,
                        first=splits[name],
                    )
            elif "/" in name or "\\" in name:
                parsed.add_finding(
                    "error",
                    "label.outside_dataset",
                    path,
                    "{file}: {name} is outside the data set; left out.",
                    name=name,
                )
            else:
                parsed.add_finding(
                    "error",
                    "label.missing",
                    path,
                    "{file}: {name} is listed, but it has no annotation; left out.",
                    name=name,
                )
    return splits


def _parse(path: Path, parsed: ParsedLabels) -> Element | None:
    try:
        content = path.read_bytes()
        try:
            return defusedxml.ElementTree.fromstring(content)
        except (ParseError, ValueError, LookupError):
            # Some programs write the system's encoding whatever the XML declaration says: decode the text ourselves.
            text = re.sub(r"^\s*<\?xml[^>]*\?>", "", read_text(path))
            return defusedxml.ElementTree.fromstring(text)
    except DefusedXmlException:
        parsed.add_finding(
            "error", "label.unsafe_xml", path, "{file}: declares XML entities, which labels never need; left out."
        )
    except (ParseError, ValueError, LookupError) as error:
        parsed.add_finding(
            "error", "label.unreadable", path, "{file}: not valid XML ({reason}); left out.", reason=error
        )
    except OSError as error:
        parsed.add_finding(
            "error",
            "label.unreadable",
            path,
            "{file}: cannot be read ({reason}); left out.",
            reason=error_reason(error),
        )
    return None


def _read_objects(tree: Element, path: Path, parsed: ParsedLabels) -> tuple[list[list[float]], list[str], int]:
    """Boxes x1 y1 x2 y2, their class names, and how many objects were marked difficult."""
    boxes, names, difficult = [], [], 0
    for item in tree.iter("object"):
        name = (item.findtext("name") or "").strip()
        if (item.findtext("difficult") or "0").strip() == "1":
            difficult += 1
            continue
        corners = [item.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
        try:
            box = [float(corner or "") for corner in corners]
        except ValueError:
            parsed.add_finding("error", "label.unreadable", path, "{file}: an object has no readable box; left out.")
            continue
        if not name:
            parsed.add_finding("error", "label.no_class", path, "{file}: an object has no class name; left out.")
            continue
        boxes.append(box)
        names.append(name)
    return boxes, names, difficult


def _image_size(tree: Element) -> tuple[int, int]:
    """Width and height as the annotation states them; 0 where it does not."""
    try:
        return int(float(tree.findtext("size/width") or 0)), int(float(tree.findtext("size/height") or 0))
    except (ValueError, OverflowError):
        return 0, 0
