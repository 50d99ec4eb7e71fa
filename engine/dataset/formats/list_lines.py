"""Lines `path x1,y1,x2,y2,class x1,...` of the tutorials' lists, with the separators that other programs write."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.dataset.image_files import IMAGE_SUFFIXES, UNREAD_IMAGE_SUFFIXES

_SUFFIX = "|".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES | UNREAD_IMAGE_SUFFIXES))
_IMAGE = re.compile(
    rf"""\s*(["']?)(?P<name>.*\.(?:{_SUFFIX}))\1(?=[\s,;:|]|$)(?P<rest>.*)""", re.IGNORECASE | re.DOTALL
)
_FIELDS = 5


class ListedBox(NamedTuple):
    """A box of one line."""

    corners: tuple[float, float, float, float]
    """x1 y1 x2 y2 in pixels; perhaps nan or infinite."""
    class_text: str


class ListLine(NamedTuple):
    """One line of a list."""

    name: str
    """The path of the image, as it is written."""
    boxes: list[ListedBox] | None
    """None: what follows the path is not a sequence of boxes."""
    box_count: int
    """How many boxes the line seems to have."""


def parse_line(line: str) -> ListLine | None:
    """The parts of a line; None if it does not begin with the path of an image. Paths may have spaces and commas."""
    match = _IMAGE.fullmatch(line)
    if match is None:
        return None
    rest = ",".join(part.strip() for part in match["rest"].split(",")).strip(" \t,;:|")
    groups = [group.split(",") for group in re.split(r"[\s;|]+", rest) if group]
    if all(len(group) == 1 for group in groups) or len(groups) == 1:
        fields = [field for group in groups for field in group]
        groups = [fields[start : start + _FIELDS] for start in range(0, len(fields), _FIELDS)]
    boxes = [_box(group) for group in groups]
    valid = [box for box in boxes if box is not None]
    return ListLine(match["name"].strip(), valid if len(valid) == len(boxes) else None, len(groups))


def _box(fields: list[str]) -> ListedBox | None:
    if len(fields) != _FIELDS or not fields[-1]:
        return None
    try:
        x1, y1, x2, y2 = (float(field) for field in fields[:4])
    except ValueError:
        return None
    return ListedBox((x1, y1, x2, y2), fields[-1])


def is_in_fractions(box: ListedBox) -> bool:
    """Whether its corners look like fractions of the image: as pixels, nothing would be in the box."""
    return max(map(abs, box.corners)) <= 1 and not all(value.is_integer() for value in box.corners)
