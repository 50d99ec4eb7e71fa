"""What is said about the rows of YOLO label files: what they were taken for, and why some are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.parsed_labels import MAX_CLASSES, ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.yolo_rows import Meaning, RowTable
from engine.dataset.index import Severity
from engine.messages import Message, gettext_noop, join_names


@dataclass(slots=True)
class RowLosses:
    """Rows and files that are left out."""

    unreadable: list[str] = field(default_factory=list)
    """The file and the line of each row."""
    not_finite: list[str] = field(default_factory=list)
    unknown_class: Counter[str] = field(default_factory=Counter)
    files_of_unknown_class: dict[str, None] = field(default_factory=dict)
    refused: dict[str, Message] = field(default_factory=dict)
    """Label files that cannot be read, and why."""


_MEANINGS: Mapping[str, tuple[Severity, str, str]] = {
    "pose": (
        "info",
        "label.pose",
        gettext_noop("{file}: rows of a box and keypoints ({length} numbers): {count}; the box is used."),
    ),
    "guessed_pose": (
        "warning",
        "label.pose",
        gettext_noop(
            "{file}: rows of {length} numbers: {count}; they look like a box and keypoints, and the box is used. If they have keypoints, say "
            "so with kpt_shape in a data.yaml."
        ),
    ),
    "polygon": (
        "info",
        "label.from_polygon",
        gettext_noop("{file}: rows with the corners of a polygon: {count}; the box around it is used."),
    ),
    "guessed_polygon": (
        "warning",
        "label.from_polygon",
        gettext_noop(
            "{file}: rows that look like the corners of a polygon as well as like a box and keypoints: {count}; the box around the corners is "
            "used. If they have keypoints, say so with kpt_shape in a data.yaml."
        ),
    ),
    "corners": (
        "warning",
        "label.corners",
        gettext_noop(
            "{file}: boxes look like corners x1 y1 x2 y2, since many reach out of the image as centre and size: {count}. YOLO labels have "
            "centre and size, and are read so: check the boxes."
        ),
    ),
    "scored": (
        "warning",
        "label.scored",
        gettext_noop(
            "{file}: rows with a confidence or a track id behind the box: {count}; only the box is used. Such rows are predictions of a "
            "network: check them before training."
        ),
    ),
}
"""What is said about the rows that `Meaning.counts` counts: severity, code and template."""


def report_meaning(meaning: Meaning, parsed: ParsedLabels) -> None:
    """What rows of more than four numbers were taken for."""
    lengths = ", ".join(str(length + 1) for length in meaning.lengths_of_poses)
    for kind, (severity, code, template) in _MEANINGS.items():
        if count := meaning.counts.get(kind):
            parsed.add_finding(severity, code, parsed.root, template, length=lengths, count=count)


def report_rows_left_out(
    meaning: Meaning, classes: NDArray[np.int32], table: RowTable, files: Sequence[str], parsed: ParsedLabels
) -> None:
    """Leave out rows that are no boxes in fractions of the image."""
    known = classes >= 0
    for mask, code, template in (
        (
            meaning.rotated,
            "label.rotated",
            gettext_noop(
                "{file}: rows of six numbers whose last is no confidence, but perhaps an angle: {count}, in {files} label files ({names}); "
                "left out."
            ),
        ),
        (
            meaning.not_fractions & ~meaning.rotated,
            "label.not_fractions",
            gettext_noop(
                "{file}: rows in pixels or per cent, not in fractions of the image: {count}, in {files} label files ({names}); left out."
            ),
        ),
    ):
        rows = np.flatnonzero(mask & known)
        if len(rows):
            of_rows = [files[number] for number in np.unique(np.array(table.files, np.int32)[rows]).tolist()]
            parsed.see("box", len(rows))
            parsed.leave_out(
                "box",
                "error",
                code,
                parsed.root,
                template,
                count=len(rows),
                files=len(of_rows),
                names=join_names(of_rows[:MAX_NAMES]),
            )


def report_losses(losses: RowLosses, parsed: ParsedLabels) -> None:
    """Leave out the rows and files that could not be read."""
    for rows, code, template in (
        (
            losses.unreadable,
            "label.unreadable",
            gettext_noop("{file}: lines that are no boxes: {count} ({names}); left out."),
        ),
        (
            losses.not_finite,
            "label.not_a_number",
            gettext_noop("{file}: rows with nan or inf: {count} ({names}); left out."),
        ),
    ):
        if rows:
            parsed.see("box", len(rows))
            parsed.leave_out(
                "box", "error", code, parsed.root, template, count=len(rows), names=join_names(rows[:MAX_NAMES])
            )
    if losses.unknown_class:
        count = losses.unknown_class.total()
        known = len(parsed.names) or MAX_CLASSES
        parsed.see("box", count)
        parsed.leave_out(
            "box",
            "error",
            "label.class_out_of_range",
            parsed.root,
            "{file}: rows of classes that do not exist ({numbers}): {count}, in {files} label files ({names}); left out. Class ids are from 0 "
            "to {last}.",
            numbers=join_names(sorted(losses.unknown_class)[:MAX_NAMES]),
            count=count,
            files=len(losses.files_of_unknown_class),
            names=join_names(list(losses.files_of_unknown_class)[:MAX_NAMES]),
            last=known - 1,
        )
    for file, reason in losses.refused.items():
        parsed.leave_out(
            "label_file",
            "error",
            "label.unreadable",
            file,
            "{file}: {reason} The image is left out too.",
            reason=reason,
        )


def report_ids_from_one(classes: NDArray[np.int32], losses: RowLosses, parsed: ParsedLabels) -> None:
    """Where ids reach from 1 to the number of names, every box has the name of another class."""
    count = len(parsed.names)
    if count and losses.unknown_class.get(str(count)) and not (classes == 0).any():
        parsed.add_finding(
            "warning",
            "class.from_one",
            parsed.root,
            "{file}: the class ids of the labels are from 1 to {count}, but there are {count} names, for 0 to {last}; every box may have "
            "the name of another class.",
            count=count,
            last=count - 1,
        )
