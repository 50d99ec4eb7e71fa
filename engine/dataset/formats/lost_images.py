"""Images that labels name and that cannot be used: counted with their boxes, and reported once for each reason."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Literal

from engine.dataset.formats.books import Kind
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.messages import join_names

ImageProblem = Literal["nameless", "same_id", "missing", "ambiguous", "outside", "unread"]
"""Why an image cannot be used."""


class _Lost:
    """The images of one problem."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.count = 0
        self.boxes = 0


class LostImages:
    """Images that cannot be used."""

    def __init__(self) -> None:
        self._lost: defaultdict[ImageProblem, _Lost] = defaultdict(_Lost)

    def add(self, problem: ImageProblem, name: str, boxes: int) -> None:
        """Count an image that a label calls `name`, and its boxes, which were seen."""
        lost = self._lost[problem]
        if name and len(lost.names) < MAX_NAMES:
            lost.names.append(name)
        lost.count += 1
        lost.boxes += boxes

    def add_boxes(self, problem: ImageProblem, boxes: int) -> None:
        """Count further boxes of images that were added."""
        self._lost[problem].boxes += boxes

    def report(self, kind: Kind, file: Path, parsed: ParsedLabels) -> None:
        """Leave out what was added.

        Args:
            kind: what names an image: a line of a list, or a whole label file.
            file: for the findings.
            parsed: gets the findings.
        """
        for problem, lost in self._lost.items():
            count, boxes, names = lost.count, lost.boxes, join_names(lost.names)
            match problem:
                case "nameless":
                    parsed.leave_out(
                        kind,
                        "error",
                        "image.no_id",
                        file,
                        "{file}: images without an id or a file_name: {count}; left out.",
                        count=count,
                    )
                case "same_id":
                    parsed.leave_out(
                        kind,
                        "error",
                        "image.same_id",
                        file,
                        "{file}: images whose id another image has too: {count} ({names}); which of their {boxes} boxes belongs to which "
                        "cannot be told, so all are left out.",
                        count=count,
                        boxes=boxes,
                        names=names,
                    )
                case "missing":
                    parsed.leave_out(
                        kind,
                        "error",
                        "image.missing",
                        file,
                        "{file}: images that do not exist: {count} ({names}); left out with their {boxes} boxes.",
                        count=count,
                        boxes=boxes,
                        names=names,
                    )
                case "ambiguous":
                    parsed.leave_out(
                        kind,
                        "error",
                        "image.ambiguous",
                        file,
                        "{file}: images whose name several files have: {count} ({names}); left out with their {boxes} boxes.",
                        count=count,
                        boxes=boxes,
                        names=names,
                    )
                case "outside":
                    parsed.leave_out(
                        kind,
                        "error",
                        "label.outside_dataset",
                        file,
                        "{file}: images outside the data set: {count} ({names}); left out with their {boxes} boxes.",
                        count=count,
                        boxes=boxes,
                        names=names,
                    )
                case "unread":
                    parsed.leave_out(
                        kind,
                        "error",
                        "image.unread_format",
                        file,
                        "{file}: images in a format that cannot be read: {count} ({names}); left out with their {boxes} boxes. Convert them "
                        "to .jpg or .png.",
                        count=count,
                        boxes=boxes,
                        names=names,
                    )
