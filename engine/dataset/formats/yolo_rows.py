"""The rows of YOLO label files. What a row of more than four numbers means is seen only from all rows of the data set.

After its class a row has: a box `cx cy w h`; a box and its confidence; a box, its confidence and a track id; a box and keypoints; or the
corners of a polygon, of a rotated box among others, perhaps with a confidence or a track id at the end.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_FRACTION = 1.5
"""A coordinate beyond this is no fraction of the image, but one in pixels or per cent."""

_BOX_VALUES = 4
_MIN_POSES = 8
_POSE_SHARE = 0.8
"""So many rows, and such a share of them, must look like boxes with keypoints x y: one of three polygons does by chance."""
_KEYPOINT_MARGIN = 0.1
"""Keypoints may lie outside their box by this fraction of its side."""
_MIN_CORNERS = 3
_CORNERS_SHARE = 0.3
"""So many rows at least, all of which could be x1 y1 x2 y2, are suspect if such a share of them reaches out of the image as cx cy w h."""
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf|infinity)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_SEPARATORS = re.compile(r"[\s,;|]+")
_MAX_VALUES = 1_000_000


class Row(NamedTuple):
    """One line of a label file."""

    class_text: str
    values: list[float]
    ends_with_integer: bool
    """Whether the last value is written without a decimal point, as track ids are."""


def parse_row(line: str) -> Row | None:
    """A line as class and numbers, whatever separates them; None if it is no row."""
    words = line.split()
    if "," in line or ";" in line or "|" in line:
        words = _split_other(line)
    count = len(words)
    try:
        values = [float(word) for word in words[1:]]
        head = words[0] if words else ""
    except ValueError:
        # A class name of several words.
        while count and _NUMBER.fullmatch(words[count - 1]):
            count -= 1
        if not count:
            return None
        try:
            values = [float(word) for word in words[count:]]
        except ValueError:
            return None
        head = " ".join(words[:count])
    if not _BOX_VALUES <= len(values) <= _MAX_VALUES:
        return None
    return Row(head, values, words[-1].lstrip("+").isdecimal())


def _split_other(line: str) -> list[str]:
    """The words of a line with commas, semicolons or bars; a comma inside a number is a decimal point where something else separates."""
    parts = [part for part in re.split(r"[\s;|]+", line) if part]
    if len(parts) > _BOX_VALUES and any(_DECIMAL_COMMA.fullmatch(part) for part in parts[1:]):
        return [part.replace(",", ".") for part in parts]
    return [part for part in _SEPARATORS.split(line) if part]


class _Long(NamedTuple):
    """What is kept of rows of more than four values; each has a line in every array."""

    row: array[int]
    outline: array[float]
    """x1 y1 x2 y2 around all points; without the last value where their number is odd."""
    trimmed: array[float]
    """The same without the last two values."""
    last: array[float]
    flags: array[int]


_FLAT_POSE, _VISIBLE_POSE, _INTEGER_END = 1, 2, 4


@dataclass(slots=True)
class RowTable:
    """The rows of all label files, in arrays."""

    files: array[int] = field(default_factory=lambda: array("i"))
    classes: array[int] = field(default_factory=lambda: array("i"))
    lengths: array[int] = field(default_factory=lambda: array("i"))
    heads: array[float] = field(default_factory=lambda: array("d"))
    """The first four values of each row."""
    long: _Long = field(default_factory=lambda: _Long(array("i"), array("d"), array("d"), array("d"), array("i")))

    def add(self, file: int, class_id: int, row: Row) -> None:
        """Add a row, whose values are finite, of the label file number `file`."""
        values = row.values
        if len(values) > _BOX_VALUES:
            self.long.row.append(len(self.files))
            self.long.outline.extend(_around(values[: len(values) // 2 * 2]))
            self.long.trimmed.extend(_around(values[: (len(values) - 2) // 2 * 2]))
            self.long.last.append(values[-1])
            self.long.flags.append(_flags_of(values) + _INTEGER_END * row.ends_with_integer)
        self.files.append(file)
        self.classes.append(class_id)
        self.lengths.append(len(values))
        self.heads.extend(values[:_BOX_VALUES])


def _around(values: Sequence[float]) -> tuple[float, float, float, float]:
    xs, ys = values[0::2], values[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _flags_of(values: Sequence[float]) -> int:
    """Whether values can be a box within the image and keypoints: x y in the box, or x y and a visibility."""
    cx, cy, width, height = values[:_BOX_VALUES]
    if not (width > 0 and height > 0 and _is_within(cx, width, 0.5, 1) and _is_within(cy, height, 0.5, 1)):
        return 0
    points = values[_BOX_VALUES:]
    is_visible_pose = len(points) % 3 == 0 and all(visibility in (0, 1, 2) for visibility in points[2::3])
    is_flat_pose = len(points) % 2 == 0 and all(
        _is_within(x, 0, cx, width) and _is_within(y, 0, cy, height)
        for x, y in zip(points[0::2], points[1::2], strict=True)
        if (x, y) != (0, 0)  # not marked
    )
    return _FLAT_POSE * is_flat_pose + _VISIBLE_POSE * is_visible_pose


def _is_within(centre: float, side: float, of_centre: float, of_side: float) -> bool:
    return abs(centre - of_centre) + side / 2 <= of_side * (0.5 + _KEYPOINT_MARGIN)


class Meaning(NamedTuple):
    """The boxes of a RowTable, and what its rows were taken for."""

    corners: NDArray[np.float64]
    """(rows, 4) x1 y1 x2 y2 as fractions of the image."""
    counts: dict[str, int]
    """The number of rows taken for "pose", "polygon" or "scored" (with a confidence or a track id); "guessed_pose" and "guessed_polygon"
    where either may be meant; of "corners" if boxes look like x1 y1 x2 y2."""
    lengths_of_poses: tuple[int, ...]
    """How many values rows with keypoints have."""
    rotated: NDArray[np.bool_]
    """(rows,) rows of a box and an angle, which are no boxes for training."""
    not_fractions: NDArray[np.bool_]
    """(rows,) rows with coordinates that are no fractions of the image."""


def interpret(table: RowTable, keypoints: tuple[int, int] | None) -> Meaning:
    """Decide what the rows mean.

    Args:
        table: the rows.
        keypoints: the number of keypoints of each box and of the values of each, where the data set says so.
    """
    lengths = np.array(table.lengths, np.int32)
    heads = np.array(table.heads, np.float64).reshape(-1, 4)
    half = heads[:, 2:] / 2
    corners = np.concatenate((heads[:, :2] - half, heads[:, :2] + half), axis=1)
    not_fractions = _beyond(heads)
    rotated = np.zeros(len(lengths), bool)
    counts: dict[str, int] = defaultdict(int)
    counts["corners"] = _count_corners(heads[(lengths == _BOX_VALUES) & ~not_fractions])
    rows = np.array(table.long.row, np.int64)
    if not len(rows):
        return Meaning(corners, counts, (), rotated, not_fractions)
    flags = np.array(table.long.flags, np.int32)
    last = np.array(table.long.last, np.float64)
    long_lengths = lengths[rows]
    is_pose, is_guess = _find_poses(long_lengths, flags, keypoints)
    counts["guessed_pose" if is_guess else "pose"] = int(is_pose.sum())
    is_integer = (flags & _INTEGER_END) > 0
    six = long_lengths == _BOX_VALUES + 1
    # A confidence lies within 0 and 1, and a track id is an integer; anything else is an angle.
    if six.any() and not (is_integer[six].all() or ((last[six] >= 0) & (last[six] <= 1)).all()):
        rotated[rows[six]] = True
    seven = ~is_pose & (long_lengths == _BOX_VALUES + 2)
    is_scored = six | (seven & bool(seven.any() and is_integer[seven].all()))
    counts["scored"] = int((is_scored & ~rotated[rows]).sum())
    polygon = ~is_pose & ~is_scored
    counts["guessed_polygon" if is_guess else "polygon"] = int(polygon.sum())
    even = polygon & (long_lengths % 2 == 0)
    has_ids = (
        even & is_integer & (last > 1) if not (even.any() and is_integer[even].all()) else even & (last[even].max() > 1)
    )
    outline = np.array(table.long.outline, np.float64).reshape(-1, 4)
    trimmed = np.array(table.long.trimmed, np.float64).reshape(-1, 4)
    bounds = np.where(has_ids[:, None], trimmed, outline)
    corners[rows[polygon]] = bounds[polygon]
    not_fractions[rows[polygon]] = _beyond(bounds[polygon])
    poses = tuple(int(length) for length in np.unique(long_lengths[is_pose]))
    return Meaning(corners, counts, poses, rotated, not_fractions)


def _count_corners(heads: NDArray[np.float64]) -> int:
    """The number of rows (rows, 4) if they look like corners x1 y1 x2 y2; else 0."""
    if len(heads) < _MIN_CORNERS or not ((heads[:, 2:] > heads[:, :2]).all() and (heads >= 0).all()):
        return 0
    reach = np.abs(heads[:, :2] - 0.5) + heads[:, 2:] / 2
    return len(heads) if float((reach > 0.51).any(axis=1).mean()) >= _CORNERS_SHARE else 0


def _beyond(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(rows,) whether a value of (rows, 4) is too large for a fraction of the image."""
    return np.asarray((np.abs(values) > MAX_FRACTION).any(axis=1))


class _Poses(NamedTuple):
    """Which of the long rows are a box and keypoints."""

    mask: NDArray[np.bool_]
    """(long rows,)."""
    is_guess: bool = False
    """Whether rows of another meaning may look the same."""


def _find_poses(lengths: NDArray[np.int32], flags: NDArray[np.int32], keypoints: tuple[int, int] | None) -> _Poses:
    candidates = lengths > _BOX_VALUES + 1
    if keypoints is not None:
        return _Poses(candidates)
    none = np.zeros(len(lengths), bool)
    if not candidates.any() or len(np.unique(lengths[candidates])) > 1:
        return _Poses(none)  # polygons have as many points as they need
    fits = flags[candidates]
    if (fits & _VISIBLE_POSE).all():
        return _Poses(candidates)
    share = float(((fits & _FLAT_POSE) > 0).mean())
    if share >= _POSE_SHARE and len(fits) >= _MIN_POSES and lengths[candidates][0] > _BOX_VALUES + 2:
        return _Poses(candidates, is_guess=True)
    return _Poses(none, is_guess=share == 1)


def are_finite(values: Sequence[float]) -> bool:
    """Whether no value is nan or infinite."""
    return all(map(math.isfinite, values))
