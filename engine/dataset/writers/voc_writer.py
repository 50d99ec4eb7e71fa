"""Pascal VOC: Annotations/NAME.xml, JPEGImages/NAME.jpg, ImageSets/Main/SPLIT.txt, and classes.txt with the order of the classes.

Corners are written in the pixels that freezetui reads, counted from 0 (VOC's own tools count from 1); whole numbers as such,
since many scripts read them with `int`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import escape

from engine.dataset.splits import SPLITS
from engine.dataset.writers.labelled_file import LabelledFile, number_text, write_classes_file, write_lines
from engine.messages import bad_input

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class VocWriter:
    """See `DatasetWriter`."""

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self._folder = folder
        self._classes = classes
        self._names = [_element_text(name) for name in classes]
        self._stems: dict[str | None, list[str]] = {}
        (folder / "Annotations").mkdir(parents=True)

    def image_folder(self, split: str | None) -> str:
        """See `DatasetWriter`."""
        del split
        return "JPEGImages"

    def write(self, image: LabelledFile) -> None:
        """See `DatasetWriter`."""
        file = PurePosixPath(image.file)
        self._stems.setdefault(image.split, []).append(file.stem)
        rows = zip(image.boxes.tolist(), image.labels.tolist(), strict=True)
        lines = [
            "<annotation>",
            "  <folder>JPEGImages</folder>",
            f"  <filename>{escape(file.name)}</filename>",
            f"  <size><width>{image.size.width}</width><height>{image.size.height}</height><depth>3</depth></size>",
            "  <segmented>0</segmented>",
            *(self._object(box, label) for box, label in rows),
            "</annotation>",
        ]
        write_lines(self._folder / "Annotations" / f"{file.stem}.xml", lines)

    def finish(self) -> None:
        """See `DatasetWriter`."""
        lists = {split: self._stems.get(split, []) for split in SPLITS}
        lists["trainval"] = sorted([*lists["train"], *lists["val"]])
        for name, stems in lists.items():
            write_lines(self._folder / "ImageSets" / "Main" / f"{name}.txt", stems)
        write_classes_file(self._folder / "classes.txt", self._classes)

    def close(self) -> None:
        """See `DatasetWriter`."""

    def _object(self, box: Sequence[float], label: int) -> str:
        corners = "".join(f"<{c}>{number_text(v, 3)}</{c}>" for c, v in zip(_CORNERS, box, strict=True))
        return (
            f"  <object><name>{self._names[label]}</name><pose>Unspecified</pose><truncated>0</truncated>"
            f"<difficult>0</difficult><bndbox>{corners}</bndbox></object>"
        )


def _element_text(class_name: str) -> str:
    """A class name as the content of an XML element.

    Raises:
        BadInput: XML cannot hold it.
    """
    if any(c < " " for c in class_name):
        raise bad_input(
            "convert.class_name",
            "Class {name}: Pascal VOC cannot hold a name with control characters; rename it with --map, or write yolo or coco.",
            name=class_name,
        )
    return escape(class_name)
