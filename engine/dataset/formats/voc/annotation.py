"""One XML file of Pascal VOC, as labelImg, CVAT, Roboflow, VoTT, Labelbox and LabelMe write it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Literal
from xml.etree.ElementTree import Element

import defusedxml.ElementTree

from engine.text_encoding import DecodedText, decode_text

Corners = tuple[float, float, float, float]
"""x1 y1 x2 y2 in pixels."""

LossReason = Literal["difficult", "deleted", "rotated", "unreadable", "no_class"]
"""Why an object is left out; unreadable: it has no box, or one that is not four numbers."""

_DECLARED_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_BEFORE_XML = "\ufeff\x00 \t\r\n"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SET = frozenset({"1", "true", "yes"})
_MAX_SIDE = 2**31 - 1
_ASCII = DecodedText("", "ASCII")


@dataclass(slots=True)
class Annotation:
    """What one file says about its image."""

    encoding: DecodedText = _ASCII
    """How the file was decoded, without its text."""
    filename: str = ""
    path: str = ""
    """Where the image was when it was labelled: <path>, or <folder> and <filename>."""
    size: tuple[int, int] = (0, 0)
    """Width and height; 0 where the file does not state them."""
    names: list[str] = field(default_factory=list)
    """The class name of each box."""
    boxes: list[Corners] = field(default_factory=list)
    left_out: Counter[LossReason] = field(default_factory=Counter)
    """Objects that are not in `boxes`."""
    polygon_count: int = 0
    """How many of the boxes are those around a polygon."""

    @property
    def object_count(self) -> int:
        """Objects that were seen."""
        return len(self.boxes) + self.left_out.total()


def parse_annotation(content: bytes) -> Annotation | None:
    """The annotation in an XML file; None for XML of another kind.

    Namespaces and the case of tags do not matter.

    Raises:
        ParseError: it is not XML.
        DefusedXmlException: it declares entities.
    """
    declaration = _DECLARED_ENCODING.match(content[:300])
    encoding = decode_text(content, declaration[1].decode("ascii") if declaration else "")
    # A text is parsed whatever encoding its declaration names.
    root = defusedxml.ElementTree.fromstring(encoding.text.lstrip(_BEFORE_XML))
    for element in root.iter():
        element.tag = _plain_tag(element.tag)
    objects = list(root.iter("object"))
    if root.tag != "annotation" and not any(item.find("bndbox") is not None for item in objects):
        return None
    annotation = Annotation(encoding._replace(text=""))
    annotation.filename = _text(root, "filename")
    folder = _text(root, "folder")
    annotation.path = _text(root, "path") or (f"{folder}/{annotation.filename}" if folder else annotation.filename)
    annotation.size = _image_size(root)
    for item in objects:
        _add_object(item, annotation)
    return annotation


def _add_object(item: Element, annotation: Annotation) -> None:
    boxes: list[Corners | None] = [_corners(box) for box in item.findall("bndbox")]
    polygons = [] if boxes else item.findall("polygon")
    boxes = boxes or [_box_around(polygon) for polygon in polygons]
    name = _text(item, "name")
    reason = _reason_to_leave_out(item, name, has_box=bool(boxes))
    for box in boxes or [None]:
        if reason is not None or box is None:
            annotation.left_out[reason or "unreadable"] += 1
        else:
            annotation.boxes.append(box)
            annotation.names.append(name)
            annotation.polygon_count += bool(polygons)


def _reason_to_leave_out(item: Element, name: str, *, has_box: bool) -> LossReason | None:
    if _text(item, "deleted").lower() in _SET:
        return "deleted"
    if _text(item, "difficult").lower() in _SET:
        return "difficult"
    if not has_box:
        return "rotated" if item.find("robndbox") is not None else "unreadable"
    return None if name else "no_class"


def _corners(box: Element) -> Corners | None:
    try:
        x1, y1, x2, y2 = (float(box.findtext(name) or "") for name in _CORNERS)
    except ValueError:
        return None
    return x1, y1, x2, y2


def _box_around(polygon: Element) -> Corners | None:
    """The box around a polygon: Labelbox writes <x1>, <y1>, <x2> and so on, LabelMe <pt> with <x> and <y>."""
    try:
        xs, ys = (list(_coordinates(polygon, axis)) for axis in "xy")
    except ValueError:
        return None
    if len(xs) != len(ys) or len(xs) < 3 or not all(map(isfinite, (*xs, *ys))):
        return None
    return min(xs), min(ys), max(xs), max(ys)


def _coordinates(polygon: Element, axis: str) -> Iterator[float]:
    for element in polygon.iter():
        if element.tag == axis or (element.tag[:1] == axis and element.tag[1:].isdecimal()):
            yield float(element.text or "")


def _image_size(root: Element) -> tuple[int, int]:
    for size, width, height in (("size", "width", "height"), ("imagesize", "ncols", "nrows")):
        for element in root.findall(size):
            try:
                sides = float(_text(element, width) or 0), float(_text(element, height) or 0)
            except ValueError:
                continue
            if all(0 < side <= _MAX_SIDE for side in sides):
                return int(sides[0]), int(sides[1])
    return 0, 0


def _text(parent: Element, tag: str) -> str:
    """The text of the first child with this tag; "" if there is none."""
    return (parent.findtext(tag) or "").strip()


@lru_cache(1024)
def _plain_tag(tag: str) -> str:
    """A tag without its namespace, in lower case."""
    return tag.rpartition("}")[2].lower()
