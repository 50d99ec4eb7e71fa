"""One COCO file: its images, categories and boxes in columns, which need a tenth of the memory of the objects in the file."""

from __future__ import annotations

import contextlib
import io
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TextIO, TypeVar

from engine.dataset.formats.file_tree import posix_name, stem_of
from engine.dataset.formats.json_files import marked_encoding
from engine.dataset.formats.json_stream import Element, stream_json
from engine.dataset.formats.label_values import Corners, box_around, join_boxes, number_of, side_of, text_of_name
from engine.regular_files import MAX_INDEX_BYTES, MAX_TEXT_BYTES, open_regular_file, read_regular_file
from engine.text_encoding import DecodedText, decode_text

Id = int | float | str
"""What an image or a category can be called: COCO says a number, but many programs write text."""

_Key = TypeVar("_Key")
_SAME_AREA = 0.02
_MAX_AREA = 1e12
_PROGRESS_EVERY = 10_000
NO_ID = -1
"""Instead of the number of an id: it is missing, or of a type that no id has."""
NO_CROWD, CROWD, MASK = 0, 1, 2
"""CVAT marks every mask as a crowd; its annotations can be told by their attributes."""
NOT_FOUND, AMBIGUOUS = -1, -2
"""Results of `IdTable.find`."""
_FILE_NAME_KEYS = ("file_name", "filename", "path", "coco_url", "url")


class ImageEntry(NamedTuple):
    """An image of a COCO file."""

    id: Id | None
    name: str | None
    """None if the file states none."""
    size: tuple[int, int]
    """Width and height; 0 where the file does not state them."""


class IdNumbers:
    """Gives each id a small number, in the order of appearance."""

    def __init__(self) -> None:
        self.ids: list[Id] = []
        self._numbers: dict[Id, int] = {}

    def number(self, value: object) -> int:
        """The number of an id; NO_ID if `value` can be none."""
        # The usual case first: this is called twice for each annotation.
        known = value if type(value) is int else id_of(value)
        if known is None:
            return NO_ID
        number = self._numbers.get(known)
        if number is None:
            number = self._numbers[known] = len(self.ids)
            self.ids.append(known)
        return number


class IdTable:
    """Finds what has an id.

    Tried in this order: exactly; the only one whose id is the same number, one of them written as text; the only one with this name,
    also without folders and suffix, since some converters write names as ids.
    """

    def __init__(self, things: Iterable[tuple[Id | None, str | None]]) -> None:
        """`things` are the id and the name of each; of several with the same id and the same name, the first is found."""
        self._exact: dict[Id, int] = {}
        self._by_value: dict[str, int] = {}
        self._names: list[str | None] = []
        for index, (known, name) in enumerate(things):
            self._names.append(name)
            if known is not None:
                _enter(self._exact, known, index, self._names)
                _enter(self._by_value, _value_of(known), index, self._names)

    def find(self, known: Id) -> tuple[int, bool]:
        """The index of what has this id, NOT_FOUND or AMBIGUOUS; and whether the id is written in another form there."""
        if (index := self._exact.get(known)) is not None:
            return index, False
        index = self._by_value.get(_value_of(known), NOT_FOUND)
        return (self._by_name.get(str(known), NOT_FOUND) if index == NOT_FOUND else index), True

    @cached_property
    def _by_name(self) -> dict[str, int]:
        table: dict[str, int] = {}
        for index, name in enumerate(self._names):
            if name is not None:
                last = posix_name(name).rpartition("/")[2]
                for form in {name, last, stem_of(last)}:
                    _enter(table, form, index, self._names)
        return table


@dataclass(slots=True)
class CocoFile:
    """What a COCO file contains. `boxes` is the number of rows of the columns."""

    sections: set[str] = field(default_factory=set)
    """The keys at the top whose value is a list or an object."""
    entries: list[ImageEntry] = field(default_factory=list)
    categories: list[tuple[Id | None, str | None]] = field(default_factory=list)
    """Id and name."""
    corners: array[float] = field(default_factory=lambda: array("f"))
    """x1 y1 x2 y2 of each box, in pixels; single precision, as in a Dataset."""
    image_numbers: array[int] = field(default_factory=lambda: array("i"))
    """For each box the number of its image id in `image_ids`, or NO_ID."""
    category_numbers: array[int] = field(default_factory=lambda: array("i"))
    """The same for its category."""
    crowd: bytearray = field(default_factory=bytearray)
    """Whether each box is marked as a crowd: NO_CROWD, CROWD or MASK."""
    image_ids: IdNumbers = field(default_factory=IdNumbers)
    category_ids: IdNumbers = field(default_factory=IdNumbers)
    _sizes: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Each size once, since most images share a few."""
    bad_entries: int = 0
    """Images that are no objects."""
    without_box: int = 0
    """Annotations without a readable box."""
    only_masks: int = 0
    """Those of them that have a mask of runs (RLE) instead."""
    from_polygons: int = 0
    """Boxes that were drawn around polygons, since the annotation has none."""
    with_area: int = 0
    """Boxes whose annotation states an area."""
    area_of_corners: int = 0
    """Those whose area is right only if the bbox is two corners."""
    other_kinds: int = 0
    """Annotations of captions or of panoptic segmentation, which have no box."""

    @property
    def box_count(self) -> int:
        """Annotations with a box."""
        return len(self.crowd)

    @property
    def annotation_count(self) -> int:
        """Annotations of all kinds."""
        return self.box_count + self.without_box + self.other_kinds

    def is_coco(self) -> bool:
        """Whether this is COCO at all: other files too have a list called images."""
        named = any(entry.name is not None and entry.id is not None for entry in self.entries)
        return named if not self.box_count else named or any(number != NO_ID for number in self.image_numbers)

    def add(self, element: Element) -> None:
        """Take in an element of one of COCO's sections; others are ignored."""
        if element.section == "annotations":
            self._add_annotation(element.value)
        elif element.section == "images":
            self._add_image(element)
        elif element.section == "categories":
            self._add_category(element)

    def _add_image(self, element: Element) -> None:
        image = element.value
        if not isinstance(image, dict):
            self.bad_entries += 1
            return
        size = (side_of(image.get("width")), side_of(image.get("height")))
        names = (text_of_name(image.get(key)) for key in _FILE_NAME_KEYS)
        self.entries.append(
            ImageEntry(
                id_of(image.get("id", element.key)),
                next((name for name in names if name is not None), None),
                self._sizes.setdefault(size, size),
            )
        )

    def _add_category(self, element: Element) -> None:
        category = element.value
        if isinstance(category, dict):
            self.categories.append((id_of(category.get("id", element.key)), text_of_name(category.get("name"))))

    def _add_annotation(self, annotation: object) -> None:
        if not isinstance(annotation, dict):
            self.without_box += 1
            return
        box = _box(annotation.get("bbox"))
        if box is None:
            box = _around_polygons(annotation.get("segmentation"))
            if box is None:
                if "caption" in annotation or "segments_info" in annotation:
                    self.other_kinds += 1
                else:
                    self.without_box += 1
                    self.only_masks += isinstance(annotation.get("segmentation"), dict)
                return
            self.from_polygons += 1
        self.corners.extend(box)
        self.image_numbers.append(self.image_ids.number(annotation.get("image_id")))
        self.category_numbers.append(self.category_ids.number(annotation.get("category_id")))
        self.crowd.append(_crowd(annotation))
        if (area := annotation.get("area")) is not None:
            self.with_area += 1
            self.area_of_corners += _is_area_of_corners(area, box)


def read_coco_file(path: Path, progress: Callable[[int], None]) -> tuple[CocoFile, DecodedText | None]:
    """What a COCO file contains, and its text where the encoding had to be found out: JSON has to be UTF-8.

    Args:
        path: the file.
        progress: called now and then with the number of elements so far; may raise to cancel.

    Raises:
        BadJson: it is no JSON object.
        OSError: it cannot be read.
    """
    encoding = marked_encoding(path)
    if encoding is not None:
        with (
            open_regular_file(path, MAX_INDEX_BYTES) as file,
            io.TextIOWrapper(io.BufferedReader(file), encoding) as text,
            contextlib.suppress(UnicodeDecodeError),
        ):
            return _parse(text, progress), None
    decoded = decode_text(read_regular_file(path, MAX_TEXT_BYTES))
    return _parse(io.StringIO(decoded.text), progress), decoded


def _parse(text: TextIO, progress: Callable[[int], None]) -> CocoFile:
    content = CocoFile()
    for number, part in enumerate(stream_json(text)):
        if isinstance(part, Element):
            content.add(part)
        elif part.has_elements:
            content.sections.add(part.name)
        if number % _PROGRESS_EVERY == 0:
            progress(number)
    return content


def _enter(table: dict[_Key, int], key: _Key, index: int, names: Sequence[str | None]) -> None:
    """Enter `index`, unless something with another name has the key."""
    first = table.setdefault(key, index)
    if first == AMBIGUOUS or names[first] != names[index]:
        table[key] = AMBIGUOUS


def id_of(value: object) -> Id | None:
    """`value` if it can be an id, else None. Numbers are finite; text is not empty."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int):  # of any length in JSON
        return value if abs(value) < 2**63 else None
    return value if math.isfinite(value) else None


def _value_of(known: Id) -> str:
    """The same text for numbers and for text that states the same number."""
    if isinstance(known, str):
        digits = known.lstrip("0") or "0"
        return digits if known.isascii() and known.isdigit() else known
    return str(int(known)) if known == int(known) else str(known)


def _box(bbox: object) -> Corners | None:
    """COCO's x y width height -> x1 y1 x2 y2; None if `bbox` is not four numbers."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    try:
        x, y, width, height = (value if type(value) is float else number_of(value) for value in bbox)
    except ValueError:
        return None
    return x, y, x + width, y + height


def _crowd(annotation: Mapping[str, object]) -> int:
    if annotation.get("iscrowd") not in (1, "1", "true"):
        return NO_CROWD
    attributes = annotation.get("attributes")
    return MASK if isinstance(attributes, dict) and "occluded" in attributes else CROWD


def _is_area_of_corners(area: object, box: Corners) -> bool:
    """Whether an area is that of a box whose width and height are its second corner instead, and not that of the box."""
    x, y, x2, y2 = box
    if not isinstance(area, int | float) or not 0 < area <= _MAX_AREA:
        return False
    return math.isclose((x2 - 2 * x) * (y2 - 2 * y), area, rel_tol=_SAME_AREA) and not math.isclose(
        (x2 - x) * (y2 - y), area, rel_tol=_SAME_AREA
    )


def _around_polygons(segmentation: object) -> Corners | None:
    """The box around polygons, each of which is a list x y x y ... or a list of pairs; None if there are none."""
    if not isinstance(segmentation, list) or not segmentation:
        return None
    polygons = segmentation if all(isinstance(part, list) for part in segmentation) else [segmentation]
    boxes = [box_around(_pairs(polygon)) for polygon in polygons]
    usable = [box for box in boxes if box is not None]
    return join_boxes(usable) if len(usable) == len(boxes) else None


def _pairs(polygon: Sequence[object]) -> Sequence[object]:
    """The points of a polygon; the last is no pair if a number is missing."""
    if any(isinstance(value, list) for value in polygon):
        return polygon
    return [list(polygon[start : start + 2]) for start in range(0, len(polygon), 2)]
