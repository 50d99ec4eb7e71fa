"""Pascal VOC: an XML file for each picture, lists of names for the splits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml import DefusedXmlException

from engine.dataset.formats.reading import Reading, by_stem
from engine.files import read_text


def find_voc(folder: Path) -> Path | None:
    """The folder that holds the annotations, for a path given at any level of the tree; None where it is no VOC."""
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


def read_voc(root: Path) -> Reading:
    """Every annotated picture below `root`, which holds Annotations and JPEGImages, or both kinds of file side by side."""
    reading = Reading(root, "voc", "pixel")
    labels = root / "Annotations" if (root / "Annotations").is_dir() else root
    pictures = by_stem(root / "JPEGImages") or by_stem(root / "images") or by_stem(labels)
    annotations = {path.stem: path for path in sorted(labels.glob("*.xml"))}
    splits = _splits(root, annotations, reading)
    hard = 0
    for stem, path in annotations.items():
        if stem not in pictures:
            reading.find("error", "image.missing", path, "there is no picture of that name; left out.")
            continue
        tree = _parse(path, reading)
        if tree is None:
            continue
        boxes, names, difficult = _objects(tree, path, reading)
        hard += difficult
        numbers = [reading.number_of(name) for name in names]
        reading.add(pictures[stem], _size(tree), np.array(boxes, np.float32), numbers, path, splits.get(stem))
    if hard:
        reading.find("info", "label.difficult", labels, "{count} objects are marked difficult; left out.", count=hard)
    if unlabelled := len(pictures.keys() - annotations.keys()):
        reading.find(
            "info", "image.unlabelled", labels, "pictures without an annotation: {count}; left out.", count=unlabelled
        )
    return reading


def _splits(root: Path, annotations: Mapping[str, Path], reading: Reading) -> dict[str, str]:
    """The split of each name, from ImageSets/Main; trainval fills in where train or val are not listed."""
    folder = root / "ImageSets" / "Main"
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = folder / f"{split}.txt"
        if not path.is_file():
            continue
        for line in read_text(path).splitlines():
            name = _listed_name(line, annotations)
            if name is None:
                continue
            if name not in annotations:
                if "/" in name or "\\" in name:
                    reading.find(
                        "error", "label.outside_dataset", path, "{name} leads out of the data set; left out.", name=name
                    )
                else:
                    reading.find(
                        "error",
                        "label.missing",
                        path,
                        "{name} is listed, but there is no such annotation; left out.",
                        name=name,
                    )
            elif splits.setdefault(name, split) != split:
                reading.find(
                    "warning",
                    "split.twice",
                    path,
                    "{name} is in {first} too; it stays there.",
                    name=name,
                    first=splits[name],
                )
    return splits


def _listed_name(line: str, annotations: Mapping[str, Path]) -> str | None:
    """The picture's name in a line of ImageSets; the lists of one class end in 1, 0 or -1."""
    text = line.strip()
    if text and text not in annotations:
        text = re.sub(r"\s+-?[01]$", "", text)
    return text or None


def _parse(path: Path, reading: Reading) -> Element | None:
    try:
        content = path.read_bytes()
        try:
            return defusedxml.ElementTree.fromstring(content)
        except (ParseError, ValueError, LookupError):
            # Written in the system's encoding whatever its first line says: read the text ourselves.
            text = re.sub(r"^\s*<\?xml[^>]*\?>", "", read_text(path))
            return defusedxml.ElementTree.fromstring(text)
    except DefusedXmlException:
        reading.find("error", "label.unsafe_xml", path, "declares XML entities, which labels never need; left out.")
    except (ParseError, ValueError, LookupError) as error:
        reading.find("error", "label.unreadable", path, "is no readable XML ({reason}); left out.", reason=error)
    except OSError as error:
        reading.find("error", "label.unreadable", path, "cannot be read ({reason}); left out.", reason=error.strerror)
    return None


def _objects(tree: Element, path: Path, reading: Reading) -> tuple[list[list[float]], list[str], int]:
    """Boxes, their class names, and how many were marked difficult."""
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
            reading.find("error", "label.unreadable", path, "an object has no readable box; left out.")
            continue
        if not name:
            reading.find("error", "label.no_class", path, "an object has no class name; left out.")
            continue
        boxes.append(box)
        names.append(name)
    return boxes, names, difficult


def _size(tree: Element) -> tuple[int, int]:
    """Width and height as the annotation says; 0 where it does not."""
    try:
        return int(float(tree.findtext("size/width") or 0)), int(float(tree.findtext("size/height") or 0))
    except (ValueError, OverflowError):
        return 0, 0
