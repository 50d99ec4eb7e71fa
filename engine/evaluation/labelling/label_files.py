"""The text of a proposed label file, and writing it where no file is."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.class_names import is_classes_file
from engine.dataset.image_files import is_image_file
from engine.dataset.writers.labelled_file import number_text
from engine.evaluation.detect import Detections
from engine.evaluation.labelling.folder_labels import PROPOSED_LIST, FolderLabels, data_root
from engine.files import disk_error, make_folder, read_lines, temporary_name
from engine.messages import bad_input, join_names

PROPOSED_MARK = "proposed by freezetui, not checked"
"""In the <source> of a VOC file. labelImg writes a <source> of its own when the file is saved, so that the mark goes."""
_YOLO_DIGITS = 9
"""Of a fraction of the image: less than the float32 in which boxes are kept can tell apart."""
_MIN_SIDE = 1.0
"""Pixels. A smaller box cannot be seen or grabbed in a label tool."""


class LabelFileWriter(Protocol):
    """Writes label files of one format."""

    digits: int
    """Decimals of a pixel to which boxes are rounded."""

    def write(self, label_file: Path, image: Path, size: tuple[int, int], found: Detections) -> bool:
        """Write the label file of an image of `size` (width, height), marked as proposed; False if there is a file already.

        Raises:
            BadInput: the file cannot be written.
        """

    def refuses(self, label_file: Path) -> bool:
        """Whether a file of this name would not be read as the label file of an image."""


def boxes_in_image(found: Detections, size: tuple[int, int], digits: int) -> Detections:
    """Boxes clipped to an image of `size` (width, height) and rounded to `digits` decimals of a pixel, without the smallest."""
    boxes: NDArray[np.float64] = np.clip(found.boxes.astype(np.float64), 0, [*size, *size])
    kept = (boxes[:, 2:] - boxes[:, :2] >= _MIN_SIDE).all(axis=1)
    # np.round would round 1.5 and 2.5 to the same number, and leave nothing of a box between them.
    rounded = np.floor(boxes[kept] * 10**digits + 0.5) / 10**digits
    return Detections(rounded.astype(np.float32), found.scores[kept], found.labels[kept])


class VocLabelFiles:
    """See `LabelFileWriter`. Corners are whole pixels counted from 0, since many scripts read them with `int`."""

    digits = 0

    def __init__(self, labels: FolderLabels, classes: Sequence[str]) -> None:
        """Check that the classes of the weights can be written.

        Raises:
            BadInput: the classes.txt of the data set has other names, or XML cannot hold a name.
        """
        _require_known(labels, classes)
        for name in classes:
            if any(c < " " for c in name):
                raise bad_input(
                    "label.class_name",
                    "Class {name}: Pascal VOC cannot hold a name with control characters; give --to yolo.",
                    name=name,
                )
        self._names = [escape(name) for name in classes]

    def refuses(self, label_file: Path) -> bool:
        """See `LabelFileWriter`."""
        del label_file
        return False

    def write(self, label_file: Path, image: Path, size: tuple[int, int], found: Detections) -> bool:
        """See `LabelFileWriter`."""
        rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        lines = [
            "<annotation>",
            f"  <folder>{_xml_text(image.parent.name)}</folder>",
            f"  <filename>{_xml_text(image.name)}</filename>",
            f"  <source><database>Unknown</database><annotation>{PROPOSED_MARK}</annotation></source>",
            f"  <size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>",
            "  <segmented>0</segmented>",
            *(self._object(box, score, label) for box, score, label in rows),
            "</annotation>",
        ]
        return write_new(label_file, lines)

    def _object(self, box: Sequence[float], score: float, label: int) -> str:
        xmin, ymin, xmax, ymax = (number_text(value, 0) for value in box)
        return (
            f"  <object><name>{self._names[label]}</name><pose>Unspecified</pose><truncated>0</truncated>"
            f"<difficult>0</difficult><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>"
            f"<confidence>{score:.4f}</confidence></object>"
        )


class YoloLabelFiles:
    """See `LabelFileWriter`. A classes.txt beside the labels, where labelImg looks for it, and a list of the images."""

    digits = 3

    def __init__(self, labels: FolderLabels, classes: Sequence[str]) -> None:
        """Check that the classes of the weights are those of the data set.

        Raises:
            BadInput: the data set has other classes, a name does not fit into a line, or the file with the name of the list is another.
        """
        _require_known(labels, classes)
        self._names = labels.names or tuple(classes)
        self._ids = [self._names.index(name) for name in classes]
        self._is_named: set[Path] = set()
        for name in self._names:
            if name != name.strip() or len(name.splitlines()) != 1:
                raise bad_input(
                    "label.class_name",
                    "Class {name}: it is not one line of a classes.txt, which YOLO labels need; give --to voc.",
                    name=name,
                )
        self._list = ProposedList(data_root(labels.folder))

    def refuses(self, label_file: Path) -> bool:
        """See `LabelFileWriter`."""
        name = label_file.name
        return is_classes_file(name) or name == PROPOSED_LIST or len(name.splitlines()) != 1

    def write(self, label_file: Path, image: Path, size: tuple[int, int], found: Detections) -> bool:
        """See `LabelFileWriter`."""
        if os.path.lexists(label_file):
            return False
        if label_file.parent not in self._is_named:
            write_new(label_file.with_name("classes.txt"), self._names)
            self._is_named.add(label_file.parent)
        width, height = size
        lines = []
        for (x1, y1, x2, y2), label in zip(found.boxes.tolist(), found.labels.tolist(), strict=True):
            row = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
            lines.append(" ".join([str(self._ids[label]), *(number_text(value, _YOLO_DIGITS) for value in row)]))
        # Listed first: after a crash between the two, an image without labels is listed, but no proposal goes unmarked.
        self._list.add(image)
        return write_new(label_file, lines)


class ProposedList:
    """The list of the images whose YOLO labels are proposed, one path a line, relative to its folder."""

    def __init__(self, folder: Path) -> None:
        """Read the list in `folder`, if there is one.

        Raises:
            BadInput: the file of its name is no list of images, or cannot be read.
        """
        self.path = folder / PROPOSED_LIST
        lines = read_lines(self.path) if os.path.lexists(self.path) else []
        if not all(is_image_file(Path(line)) for line in lines):
            raise bad_input(
                "label.list",
                "{path}: proposed labels are listed in a file of this name, but this is no list of images; rename it.",
                path=self.path,
            )
        self._listed = set(lines)

    def lists(self, image: Path) -> bool:
        """Whether an image is in the list."""
        return self._line(image) in self._listed

    def add(self, image: Path) -> None:
        """Add an image, unless it is in the list.

        Raises:
            BadInput: the file cannot be written.
        """
        line = self._line(image)
        if line in self._listed:
            return
        try:
            with self.path.open("ab") as file:
                file.write(f"{line}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            if (bad := disk_error(self.path, error)) is not None:
                raise bad from error
            raise
        self._listed.add(line)

    def _line(self, image: Path) -> str:
        return os.path.relpath(image, self.path.parent).replace(os.sep, "/")


def write_new(path: Path, lines: Sequence[str]) -> bool:
    """Write UTF-8 lines to a new file, whole or not at all; False if there is a file of this name already, which stays as it is.

    Raises:
        BadInput: the disk is full or the folder cannot be written.
    """
    if os.path.lexists(path):
        return False
    make_folder(path.parent)
    temporary = path.with_name(temporary_name(path.name))
    try:
        with temporary.open("wb") as file:
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        return _rename_to_new(temporary, path)
    except OSError as error:
        if (bad := disk_error(path, error)) is not None:
            raise bad from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, path: Path) -> bool:
    """Give `temporary` the name `path` as well, unless another file has it."""
    try:
        # Unlike a rename, a link never replaces a file that another program has written meanwhile.
        os.link(temporary, path)
    except FileExistsError:
        return False
    except (OSError, NotImplementedError):  # a file system without links
        if os.path.lexists(path):
            return False
        temporary.rename(path)
    return True


def _require_known(labels: FolderLabels, classes: Sequence[str]) -> None:
    unknown = [name for name in classes if name not in labels.names]
    if labels.names and unknown:
        raise bad_input(
            "label.classes",
            "{path}: the classes there are {names}, but the weights detect others ({unknown}); label with weights for these "
            "classes.",
            path=labels.names_source,
            names=join_names(labels.names),
            unknown=join_names(unknown),
        )


def _xml_text(name: str) -> str:
    """A name as the content of an XML element, without what XML or UTF-8 cannot hold."""
    return escape("".join("_" if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in name))
