"""One CSV file with a box in each line, as Roboflow, TensorFlow's examples, Keras-RetinaNet and Kaggle write it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from engine.dataset.formats.image_finder import is_image_name
from engine.dataset.formats.label_values import Corners, number_of, side_of, text_of_name

LossReason = Literal["unreadable", "no_class", "no_image"]
"""Why a line is no box: its numbers cannot be read, or it names no class or no image."""

UNNAMED_CLASS = "object"
"""The class of all boxes, where a file has no column for it."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": (
        "filename",
        "imagefilename",
        "imagename",
        "imgname",
        "imageid",
        "imagepath",
        "filepath",
        "image",
        "img",
        "path",
        "file",
    ),
    "class": ("class", "classname", "label", "labelname", "category", "categoryname", "name", "classid", "categoryid"),
    "x1": ("xmin", "x1", "left", "bboxx1", "xtopleft"),
    "y1": ("ymin", "y1", "top", "bboxy1", "ytopleft"),
    "x2": ("xmax", "x2", "right", "bboxx2", "xbottomright"),
    "y2": ("ymax", "y2", "bottom", "bboxy2", "ybottomright"),
    "x": ("x", "bboxx"),
    "y": ("y", "bboxy"),
    "w": ("w", "bboxwidth", "bboxw", "width"),
    "h": ("h", "bboxheight", "bboxh", "height"),
    "bbox": ("bbox",),
    "width": ("width", "imgwidth", "imagewidth"),
    "height": ("height", "imgheight", "imageheight"),
    "split": ("split", "subset", "set"),
}
"""What the columns are called, in lower case and without signs between letters; the first name that a file has counts."""
_HEADLESS = {"image": 0, "x1": 1, "y1": 2, "x2": 3, "y2": 4, "class": 5}
"""Keras-RetinaNet writes no header."""
_HEADLESS_MAKESENSE = {"class": 0, "x": 1, "y": 2, "w": 3, "h": 4, "image": 5, "width": 6, "height": 7}
_DELIMITERS = ",;\t|"
_MISSING = frozenset({"", "nan", "none", "null"})


class _Layout(NamedTuple):
    """Where the columns of a file are."""

    columns: Mapping[str, int]
    has_header: bool
    delimiter: str


class CsvRow(NamedTuple):
    """A line that names an image."""

    image: str
    size: tuple[int, int]
    split: str
    box: Corners | None
    """None for a line that says that there is no object."""
    name: str
    """The class of the box."""


@dataclass(slots=True)
class CsvFile:
    """What a file says."""

    rows: list[CsvRow] = field(default_factory=list)
    left_out: Counter[LossReason] = field(default_factory=Counter)
    """Lines that are not in `rows`."""
    has_classes: bool = True

    @property
    def box_count(self) -> int:
        """Lines with a box, also with one that cannot be used."""
        return sum(row.box is not None for row in self.rows) + self.left_out.total()


def is_label_csv(head: str) -> bool:
    """Whether the first lines of a file are those of a table of boxes."""
    return _layout(head) is not None


def parse_csv(text: str) -> CsvFile | None:
    """What a file says; None if it is another table.

    Raises:
        csv.Error: it is no CSV from some line on.
    """
    layout = _layout(text)
    if layout is None:
        return None
    content = CsvFile(has_classes="class" in layout.columns)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter)
    if layout.has_header:
        next(lines)
    for line in lines:
        if any(value.strip() for value in line):
            _add_line(line, layout, content)
    return content


def _layout(text: str) -> _Layout | None:
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        header = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error:
        return None
    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]
    columns = {
        role: names.index(name)
        for role, known in _COLUMNS.items()
        if (name := next((name for name in known if name in names), None)) is not None
    }
    for box in (("x1", "y1", "x2", "y2"), ("bbox",), ("x", "y", "w", "h")):
        if {"image", *box} <= columns.keys():
            if box == ("x", "y", "w", "h") and names.count("width") == 1 and columns["w"] == columns.get("width"):
                # The only width is that of the box.
                columns = {role: column for role, column in columns.items() if role not in ("width", "height")}
            return _Layout(
                {r: c for r, c in columns.items() if r in ("image", "class", "width", "height", "split", *box)},
                True,
                delimiter,
            )
    if len(header) == len(_HEADLESS) and is_image_name(header[0].strip()):
        values = header[1:5]
        if all(value.strip() == "" for value in values) or _numbers(values, delimiter) is not None:
            return _Layout(_HEADLESS, False, delimiter)
    if (
        len(header) == len(_HEADLESS_MAKESENSE)
        and is_image_name(header[_HEADLESS_MAKESENSE["image"]].strip())
        and _numbers([*header[1:5], *header[6:]], delimiter) is not None
    ):
        return _Layout(_HEADLESS_MAKESENSE, False, delimiter)
    return None


def _add_line(line: Sequence[str], layout: _Layout, content: CsvFile) -> None:
    def cell(role: str) -> str:
        column = layout.columns.get(role)
        return "" if column is None or column >= len(line) else line[column].strip()

    image = text_of_name(cell("image"))
    if image is None:
        content.left_out["no_image"] += 1
        return
    size = side_of(cell("width")), side_of(cell("height"))
    roles = [role for role in ("bbox", "x1", "y1", "x2", "y2", "x", "y", "w", "h") if role in layout.columns]
    cells = [cell(role) for role in roles]
    if all(value.lower() in _MISSING for value in cells):
        content.rows.append(CsvRow(image, size, cell("split"), None, ""))
        return
    box = _box(cells, roles, layout.delimiter)
    name = text_of_name(cell("class")) if content.has_classes else UNNAMED_CLASS
    if box is None:
        content.left_out["unreadable"] += 1
    elif name is None:
        content.left_out["no_class"] += 1
    else:
        content.rows.append(CsvRow(image, size, cell("split"), box, name))


def _box(cells: Sequence[str], roles: Sequence[str], delimiter: str) -> Corners | None:
    if roles == ["bbox"]:
        try:
            values = json.loads(cells[0])
        except (ValueError, RecursionError):
            return None
        cells = [str(value) for value in values] if isinstance(values, list) else []
    numbers = _numbers(cells, delimiter)
    if numbers is None or len(numbers) != 4:
        return None
    first, second, third, fourth = numbers
    return (first, second, third, fourth) if "x2" in roles else (first, second, first + third, second + fourth)


def _numbers(cells: Sequence[str], delimiter: str) -> list[float] | None:
    """Finite numbers; where a comma does not separate cells, it may be the decimal sign."""
    try:
        numbers = [number_of(cell if delimiter == "," else cell.replace(",", ".")) for cell in cells]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
