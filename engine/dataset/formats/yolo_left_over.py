"""Label files that no image uses: what is wrong with them, and how many boxes they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.yolo_label_files import LabelFiles, is_label_folder, match_label_files
from engine.dataset.formats.yolo_labels import count_rows
from engine.messages import gettext_noop, join_names


def report_left_over(labels: LabelFiles, images: Mapping[str, Sequence[str]], parsed: ParsedLabels) -> None:
    """Report label files that are not used, and those that are used in an unusual way.

    Args:
        labels: the label files of the images.
        images: the images of the data set.
        parsed: gets the findings.
    """
    _report_use(labels, parsed)
    rows = {file: rows for file in labels.left_over if (rows := _rows_of(file, parsed)) is not None}
    unread = match_label_files(parsed.tree.unread_images, rows).of_image
    _leave_out(
        list(unread.values()),
        rows,
        "image.unread_format",
        gettext_noop(
            "{file}: label files of images in a format that cannot be read: {count} with {boxes} boxes ({names}); left out."
        ),
        parsed,
    )
    unlisted = match_label_files([image for image in parsed.tree.images if image not in images], rows).of_image
    for image in unlisted:
        parsed.exclude_image(image)
    _leave_out(
        list(unlisted.values()),
        rows,
        "image.not_listed",
        gettext_noop("{file}: images with labels that no split names: {count} with {boxes} boxes ({names}); left out."),
        parsed,
    )
    second = match_label_files(list(images), rows).of_image
    _leave_out(
        list(second.values()),
        rows,
        "label.second",
        gettext_noop(
            "{file}: label files of images that have another label file: {count} with {boxes} boxes ({names}); left out."
        ),
        parsed,
    )
    _leave_out(
        list(rows),
        rows,
        "label.no_image",
        gettext_noop("{file}: label files without an image: {count} with {boxes} boxes ({names}); left out."),
        parsed,
    )


def _rows_of(file: str, parsed: ParsedLabels) -> int | None:
    """The number of rows of a text file; None if it is no label file."""
    rows = count_rows(file, parsed)
    return rows if rows or is_label_folder(file) else None


def _leave_out(files: Sequence[str], rows: dict[str, int], code: str, template: str, parsed: ParsedLabels) -> None:
    """Report those of `files` that are in `rows`, and take them out of it."""
    counts = {file: rows.pop(file) for file in dict.fromkeys(files) if file in rows}
    if not counts:
        return
    boxes = sum(counts.values())
    parsed.see("label_file", len(counts))
    parsed.see("box", boxes)
    parsed.leave_out(
        "label_file",
        "warning",
        code,
        parsed.root,
        template,
        count=len(counts),
        boxes=boxes,
        names=join_names(list(counts)[:MAX_NAMES]),
    )


def _report_use(labels: LabelFiles, parsed: ParsedLabels) -> None:
    if labels.by_name:
        parsed.add_finding(
            "info",
            "label.elsewhere",
            parsed.root,
            "{file}: label files that lie neither beside their images nor in a parallel folder: {count} ({names}); found by their names.",
            count=len(labels.by_name),
            names=join_names(labels.by_name[:MAX_NAMES]),
        )
    if labels.shared:
        parsed.add_finding(
            "warning",
            "label.shared",
            parsed.root,
            "{file}: label files that belong to several images of one name: {count} ({names}); their boxes are used for each of them.",
            count=len(labels.shared),
            names=join_names(labels.shared[:MAX_NAMES]),
        )
