"""One JSON file of LabelMe, as LabelMe, X-AnyLabeling and AnyLabeling write it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

from engine.dataset.formats.json_stream import BadJson, load_json
from engine.dataset.formats.label_values import Corners, box_around, join_boxes, side_of, text_of_name
from engine.messages import phrase
from engine.text_encoding import DecodedText, decode_text

LossReason = Literal["no_area", "unreadable", "no_class", "difficult", "part"]
"""Why a shape is no box of its own; part: the box of another shape contains it, since both are parts of one object."""

_WITHOUT_AREA = frozenset({"point", "points", "line", "linestrip"})
_MAYBE_PARTS = frozenset({"polygon", "mask", ""})
"""Types of shapes that can be parts of one object; "" is what old versions wrote for polygons."""


@dataclass(slots=True)
class LabelmeFile:
    """What one file says about its image."""

    encoding: DecodedText
    """How the file was decoded, without its text."""
    image: str | None
    """Where the image is, relative to the file or on the machine where it was labelled."""
    size: tuple[int, int]
    """Width and height; 0 where the file does not state them."""
    names: list[str] = field(default_factory=list)
    """The class name of each box."""
    boxes: list[Corners] = field(default_factory=list)
    left_out: Counter[LossReason] = field(default_factory=Counter)
    """Shapes that are not in `boxes`."""

    @property
    def shape_count(self) -> int:
        """Shapes that were seen."""
        return len(self.boxes) + self.left_out.total()


def parse_labelme(content: bytes) -> LabelmeFile | None:
    """What a file says; None for JSON of another kind.

    Raises:
        BadJson: it is not JSON, or has no list of shapes.
    """
    encoding = decode_text(content)
    data = load_json(encoding.text)
    if not isinstance(data, dict) or "shapes" not in data:
        return None
    shapes = data["shapes"]
    if not isinstance(shapes, list):
        if "imagePath" not in data:
            return None
        raise BadJson(phrase("shapes is no list"))
    size = side_of(data.get("imageWidth")), side_of(data.get("imageHeight"))
    label = LabelmeFile(encoding._replace(text=""), text_of_name(data.get("imagePath")), size)
    parts: defaultdict[tuple[str, str], list[Corners]] = defaultdict(list)
    for shape in shapes:
        _add_shape(shape, label, parts)
    for (name, _group), boxes in parts.items():
        label.names.append(name)
        label.boxes.append(join_boxes(boxes))
        label.left_out["part"] += len(boxes) - 1
    return label


def _add_shape(shape: object, label: LabelmeFile, parts: defaultdict[tuple[str, str], list[Corners]]) -> None:
    if not isinstance(shape, dict):
        label.left_out["unreadable"] += 1
        return
    shape_type = text_of_name(shape.get("shape_type")) or ""
    name = text_of_name(shape.get("label"))
    group = text_of_name(shape.get("group_id"))
    box = _box(shape_type, shape.get("points"))
    if shape_type in _WITHOUT_AREA:
        label.left_out["no_area"] += 1
    elif shape.get("difficult") is True:
        label.left_out["difficult"] += 1
    elif box is None:
        label.left_out["unreadable"] += 1
    elif name is None:
        label.left_out["no_class"] += 1
    elif group is not None and shape_type in _MAYBE_PARTS:
        parts[name, group].append(box)
    else:
        label.names.append(name)
        label.boxes.append(box)


def _box(shape_type: str, points: object) -> Corners | None:
    """The box around a shape, in pixels."""
    if not isinstance(points, list):
        return None
    box = box_around(points)
    if box is None or shape_type != "circle":
        return box
    if len(points) != 2:
        return None
    # The centre and a point of the circle; both were read as numbers above.
    (x, y), (edge_x, edge_y) = points
    radius = math.dist((float(x), float(y)), (float(edge_x), float(edge_y)))
    return float(x) - radius, float(y) - radius, float(x) + radius, float(y) + radius
