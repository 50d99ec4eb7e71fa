"""Which boxes of a COCO file can be used: those whose category and image are known, and which are no crowds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.coco_file import AMBIGUOUS, CROWD, NO_CROWD, NOT_FOUND, CocoFile, Id, IdTable
from engine.dataset.formats.coco_units import are_fractions, count_corners
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.messages import Message, gettext_noop, join_names

_MAX_CROWDS = 0.5
"""COCO marks one box of a hundred as a crowd. CVAT marks every mask: where more than this part is marked, it means nothing."""


_MIN_AREAS = 3
_MOST = 0.9


class CocoBoxes(NamedTuple):
    """The boxes of one file that can be used so far."""

    corners: NDArray[np.float32]
    """(boxes, 4) x1 y1 x2 y2 in pixels."""
    image: NDArray[np.int32]
    """(boxes,) an index into `CocoFile.entries`, or AMBIGUOUS."""
    category: NDArray[np.int32]
    """(boxes,) a class id of the ParsedLabels, NOT_FOUND or AMBIGUOUS."""
    row: NDArray[np.int64]
    """(boxes,) the row in the columns of the file."""

    def without(self, mask: NDArray[np.bool_]) -> CocoBoxes:
        """The boxes that are not in `mask`."""
        if not mask.any():
            return self
        return CocoBoxes(self.corners[~mask], self.image[~mask], self.category[~mask], self.row[~mask])


def usable_boxes(content: CocoFile, file: str, parsed: ParsedLabels) -> CocoBoxes:
    """The boxes whose category and image are known; the others are reported. The categories become classes of `parsed`.

    Boxes of several images with one id have AMBIGUOUS as their image.
    """
    images, reformed_images = _resolve(content.image_ids.ids, IdTable((e.id, e.name) for e in content.entries))
    classes, reformed_categories = _class_ids(content, file, parsed)
    image_numbers, category_numbers = np.array(content.image_numbers), np.array(content.category_numbers)
    boxes = CocoBoxes(
        np.frombuffer(content.corners, np.float32).reshape(-1, 4)
        if content.corners
        else np.zeros((0, 4), np.float32),  # no copy
        # NO_ID is -1, and thereby takes the last row of each table.
        images[image_numbers],
        classes[category_numbers],
        np.arange(content.box_count),
    )
    boxes = _without_crowds(boxes, content, file, parsed)
    boxes = _without_category(boxes, content, file, parsed)
    boxes = _without_image(boxes, content, file, parsed)
    by_value = int((reformed_images[image_numbers] | reformed_categories[category_numbers])[boxes.row].sum())
    if by_value:
        parsed.add_finding(
            "info",
            "label.id_as_text",
            parsed.tree.path(file),
            "{file}: annotations whose image_id or category_id is written in another form than in the lists (text for a number, or a "
            "name): {count}; used.",
            count=by_value,
        )
    return _in_pixels(boxes, content, file, parsed)


def _resolve(ids: Sequence[Id], table: IdTable) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """(ids + 1,) what `table` finds for each id, and whether it is written in another form there; the last row is for no id."""
    found = [table.find(known) for known in ids]
    indices = np.array([*(index for index, _by_value in found), NOT_FOUND], np.int32)
    return indices, np.array([*(by_value and index >= 0 for index, by_value in found), False], bool)


def _class_ids(content: CocoFile, file: str, parsed: ParsedLabels) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """`_resolve` for categories, as class ids of `parsed`."""
    if not content.categories:
        class_of = {known: parsed.class_id(f"class {known}") for known in sorted(content.category_ids.ids, key=_order)}
        if class_of:
            parsed.add_finding(
                "warning",
                "class.unnamed",
                parsed.tree.path(file),
                "{file}: has no categories, which name the classes; they are called by their ids ({names}).",
                names=join_names([f"class {known}" for known in class_of][:MAX_NAMES]),
            )
        ids = np.array([*(class_of[known] for known in content.category_ids.ids), NOT_FOUND], np.int32)
        return ids, np.zeros(len(ids), bool)
    names = [name or f"class {known}" for known, name in content.categories]
    if unnamed := [f"class {known}" for known, name in content.categories if name is None]:
        parsed.add_finding(
            "warning",
            "class.unnamed",
            parsed.tree.path(file),
            "{file}: categories without a name: {count}; they are called by their ids ({names}).",
            count=len(unnamed),
            names=join_names(unnamed[:MAX_NAMES]),
        )
    table = IdTable((known, name) for (known, _name), name in zip(content.categories, names, strict=True))
    categories, by_value = _resolve(content.category_ids.ids, table)
    class_ids = np.array([parsed.class_id(name) for name in names], np.int32)
    return np.where(categories >= 0, class_ids[categories], categories).astype(np.int32), by_value


def _order(known: Id) -> tuple[bool, float, str]:
    """Numbers first."""
    return (True, 0.0, known) if isinstance(known, str) else (False, min(float(known), 1e300), "")


def _without_crowds(boxes: CocoBoxes, content: CocoFile, file: str, parsed: ParsedLabels) -> CocoBoxes:
    marks = np.frombuffer(bytes(content.crowd), np.uint8)
    if not marks.any():
        return boxes
    crowd = marks == CROWD
    if (marks != NO_CROWD).mean() > _MAX_CROWDS or not crowd.any():
        parsed.add_finding(
            "warning",
            "label.crowd",
            parsed.tree.path(file),
            "{file}: boxes marked as crowds (iscrowd): {count} of {all}; they are masks of a labelling tool, not crowds; used.",
            count=int((marks != NO_CROWD).sum()),
            all=len(marks),
        )
        return boxes
    parsed.leave_out(
        "box",
        "info",
        "label.crowd",
        parsed.tree.path(file),
        "{file}: boxes around crowds: {count}; left out.",
        count=int(crowd.sum()),
    )
    return boxes.without(crowd)


def _without_category(boxes: CocoBoxes, content: CocoFile, file: str, parsed: ParsedLabels) -> CocoBoxes:
    for missing, code, template in (
        (
            NOT_FOUND,
            "label.no_class",
            gettext_noop(
                "{file}: annotations whose category_id is missing or none of the categories: {count} (category_id {names}); left out."
            ),
        ),
        (
            AMBIGUOUS,
            "label.class_ambiguous",
            gettext_noop(
                "{file}: annotations whose category_id two categories have: {count} (category_id {names}); left out."
            ),
        ),
    ):
        mask = boxes.category == missing
        ids = _ids_text(boxes.row[mask], content.category_numbers, content.category_ids.ids)
        _leave_out(mask, code, template, ids, file, parsed)
        boxes = boxes.without(mask)
    return boxes


def _without_image(boxes: CocoBoxes, content: CocoFile, file: str, parsed: ParsedLabels) -> CocoBoxes:
    unknown = boxes.image == NOT_FOUND
    template = gettext_noop(
        "{file}: annotations whose image_id is missing or none of the images: {count} (image_id {names}); left out."
    )
    ids = _ids_text(boxes.row[unknown], content.image_numbers, content.image_ids.ids)
    _leave_out(unknown, "label.no_image", template, ids, file, parsed)
    return boxes.without(unknown)


def _leave_out(
    mask: NDArray[np.bool_], code: str, template: str, ids: Message | str, file: str, parsed: ParsedLabels
) -> None:
    """Report the boxes of `mask`, which have `ids`."""
    if mask.any():
        parsed.leave_out("box", "error", code, parsed.tree.path(file), template, count=int(mask.sum()), names=ids)


def _ids_text(rows: NDArray[np.int64], numbers: Sequence[int], ids: Sequence[Id]) -> Message | str:
    """The first different ids of some rows."""
    first = dict.fromkeys(numbers[row] for row in rows[:10_000].tolist())
    return join_names([str(ids[number]) if number >= 0 else "null" for number in list(first)[:MAX_NAMES]])


def _in_pixels(boxes: CocoBoxes, content: CocoFile, file: str, parsed: ParsedLabels) -> CocoBoxes:
    """The boxes in pixels, where the file states fractions; corners instead of sizes are only reported."""
    sizes = np.array([*(entry.size for entry in content.entries), (0, 0)], np.float32)[boxes.image]
    if are_fractions(boxes.corners, sizes):
        parsed.add_finding(
            "warning",
            "label.fractions",
            parsed.tree.path(file),
            "{file}: no bbox is larger than a pixel ({count}); taken for fractions of the image's width and height.",
            count=len(boxes.corners),
        )
        return boxes._replace(corners=boxes.corners * np.tile(sizes, 2))
    count = count_corners(boxes.corners, sizes)
    # Areas tell it even where no box extends beyond its image.
    if content.area_of_corners >= _MIN_AREAS and content.area_of_corners > _MOST * content.with_area:
        count = content.area_of_corners
    if count:
        parsed.add_finding(
            "warning",
            "label.corners",
            parsed.tree.path(file),
            "{file}: boxes that extend beyond the image or have another area than the file says: {count}; bbox looks like x1 y1 x2 y2, where "
            "COCO has x y width height. Correct it in the program that wrote the file.",
            count=count,
        )
    return boxes
