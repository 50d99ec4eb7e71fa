"""What the reader of each format fills in: images, their boxes and splits, and the names of the classes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.file_tree import Match
from engine.dataset.formats.guessed_encodings import GuessedEncodings
from engine.dataset.formats.reading_log import MAX_NAMES, ReadingLog, relative_path
from engine.dataset.formats.valid_boxes import BoxChecks, Boxes, LabelledImages
from engine.dataset.index import Severity
from engine.messages import join_names
from engine.text_encoding import DecodedText

MAX_CLASSES = 10_000
"""A class id beyond this is taken for a mistake."""


class PackedArrays(NamedTuple):
    """See the fields of `Dataset` of the same names."""

    sizes: NDArray[np.int32]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]
    offsets: NDArray[np.int64]


@dataclass(slots=True)
class ParsedLabels(ReadingLog):
    """Labels as they are on disk, before classes are mapped and missing splits drawn.

    A reader counts what it sees (`see`), adds the images with their boxes (`add_image`) and reports what it leaves out (`leave_out`).
    `finish` packs the boxes, reports the images that no label uses, and checks that the books balance.
    """

    format: str
    unit: Literal["pixel", "fraction"]
    unused_severity: Severity = "warning"
    """How bad it is that an image of the tree is used by no label: "info" where the user names one file of labels of several."""
    names: list[str] = field(default_factory=list)
    """The class name of each class id."""
    is_unnamed: bool = False
    """Whether `names` are made of the class ids, since no file names the classes."""
    images: list[str] = field(default_factory=list)
    """See `Dataset.images`."""
    splits: dict[str, list[int]] = field(default_factory=dict)
    """Image indices of the splits that the data set itself defines."""
    _sizes: list[tuple[int, int]] = field(default_factory=list)
    _split_of: dict[int, str] = field(default_factory=dict)
    _index_of: dict[str, int] = field(default_factory=dict)
    _class_ids_by_name: dict[str, int] = field(default_factory=dict)
    _excluded: set[str] = field(default_factory=set)
    _corners: array[float] = field(default_factory=lambda: array("d"))
    _box_classes: array[int] = field(default_factory=lambda: array("i"))
    _box_rows: array[int] = field(default_factory=lambda: array("i"))
    _row_images: array[int] = field(default_factory=lambda: array("i"))
    _row_files: list[str] = field(default_factory=list)
    _found_by_name: list[str] = field(default_factory=list)
    _in_two_splits: list[str] = field(default_factory=list)
    _encodings: GuessedEncodings = field(default_factory=GuessedEncodings)

    def class_id(self, name: str) -> int:
        """The class id of a name; a new name gets the next one."""
        if len(self._class_ids_by_name) != len(self.names):
            self._class_ids_by_name = {known: index for index, known in reversed(list(enumerate(self.names)))}
        if name not in self._class_ids_by_name:
            self._class_ids_by_name[name] = len(self.names)
            self.names.append(name)
        return self._class_ids_by_name[name]

    def name_classes_by_id(self) -> None:
        """Call the classes "class 0", "class 1" and so on, where no file names them."""
        self.names = [f"class {class_id}" for class_id in range(max(self._box_classes, default=-1) + 1)]
        self.is_unnamed = True

    def exclude_image(self, file: str) -> None:
        """Do not report an image of the tree as unused, since another finding names it."""
        self._excluded.add(file)

    def add_match(self, match: Match, label_file: Path | str) -> None:
        """Remember that an image lies elsewhere than `label_file` says; `finish` reports how many."""
        if match.by_name:
            self._found_by_name.append(match.file)

    def add_encoding(self, decoded: DecodedText, file: Path | str) -> None:
        """Remember a file whose encoding had to be guessed; `finish` reports how many."""
        self._encodings.add(decoded, file, self.root)

    def add_image(
        self,
        image: Path | str,
        size: tuple[int, int],
        boxes: Iterable[Sequence[float]],
        class_ids: Sequence[int],
        label_file: Path | str,
        split: str | None,
    ) -> None:
        """Add an image with its boxes; the boxes of an image that is added again are joined.

        The boxes were counted by `see`; `finish` leaves out those that nothing can be learned from.

        Args:
            image: the path of the image; a text is relative to the root, or absolute.
            size: width and height as the label states them, 0 where it does not.
            boxes: n boxes x1 y1 x2 y2 in `unit`.
            class_ids: the class id of each box.
            label_file: for findings.
            split: the data set's own split that contains the image, if any.
        """
        name = image if isinstance(image, str) else relative_path(image, self.root)
        index = self._index_of.get(name)
        if index is None:
            index = self._index_of[name] = len(self.images)
            self.images.append(name)
            self._sizes.append(size)
        elif min(self._sizes[index]) <= 0:
            self._sizes[index] = size
        row = len(self._row_images)
        self._row_images.append(index)
        self._row_files.append(label_file if isinstance(label_file, str) else relative_path(label_file, self.root))
        for box in boxes:
            self._corners.extend(box)
        self._box_classes.extend(class_ids)
        self._box_rows.extend([row] * len(class_ids))
        if split is not None:
            self.set_split(name, split)

    def set_split(self, image: str, split: str) -> None:
        """Put an image that was added into a split; it stays in the first one that it is put into."""
        if (first := self._split_of.setdefault(self._index_of[image], split)) != split:
            self._in_two_splits.append(f"{image} ({first}, {split})")

    def box_count(self) -> int:
        """Number of boxes so far, before `finish`."""
        return len(self._box_classes)

    def images_with_boxes(self) -> list[str]:
        """The images that have a box so far, before `finish`."""
        rows = np.unique(np.array(self._box_rows, np.int32))
        return [self.images[index] for index in np.unique(np.array(self._row_images, np.int32)[rows]).tolist()]

    def finish(self) -> PackedArrays:
        """Pack the boxes without those that nothing can be learned from, and check the books."""
        self._report_found_by_name()
        self.names = self._encodings.chinese_names(self.names, self._files_of_classes)
        self._encodings.report(self)
        self._report_splits()
        self._report_unused_images()
        rows = np.array(self._row_images, np.int32)
        row_of_box = np.array(self._box_rows, np.int32)
        # Without a copy: the list of boxes is the largest part of what a reader makes.
        corners, self._corners = self._corners, array("d")
        boxes = Boxes(
            np.frombuffer(corners, np.float64).reshape(-1, 4) if corners else np.zeros((0, 4)),
            np.array(self._box_classes, np.int32),
            rows[row_of_box] if len(rows) else row_of_box,
            row_of_box,
        )
        del corners
        with np.errstate(over="ignore", invalid="ignore"):  # of boxes that are left out
            boxes = BoxChecks(LabelledImages(self.images, self._sizes, self._row_files, self.unit), self).valid_boxes(
                boxes
            )
        boxes = boxes.take(np.argsort(boxes.image_index, kind="stable"))
        self.books.kept["image"] += len(self.images)
        self.books.kept["box"] += len(boxes.class_ids)
        self.books.check()
        for index, split in sorted(self._split_of.items()):
            self.splits.setdefault(split, []).append(index)
        counts = np.bincount(boxes.image_index, minlength=len(self.images))
        return PackedArrays(
            sizes=np.array(self._sizes, np.int32).reshape(-1, 2),
            boxes=boxes.corners.astype(np.float32),
            labels=boxes.class_ids,
            offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        )

    def report_images_in_several_files(self) -> None:
        """Report images whose boxes come from several label files: one of the files may be an older copy of the other."""
        with_boxes = set(self._box_rows)
        first: dict[int, str] = {}
        shared: dict[str, None] = {}
        for row, (index, file) in enumerate(zip(self._row_images, self._row_files, strict=True)):
            if row in with_boxes and first.setdefault(index, file) != file:
                shared[f"{self.images[index]} ({first[index]}, {file})"] = None
        if shared:
            self.add_finding(
                "warning",
                "image.several_label_files",
                self.root,
                "{file}: images that several label files have boxes for: {count} ({names}); their boxes are joined.",
                count=len(shared),
                names=join_names(list(shared)[:MAX_NAMES]),
            )

    def _files_of_classes(self, class_ids: Iterable[int]) -> list[str]:
        """The files that the names of some classes come from."""
        if self.format in ("yolo", "list"):  # their labels hold ids
            return [str(self.root)]
        wanted = set(class_ids)
        rows = zip(self._box_rows, self._box_classes, strict=True)
        return [self._row_files[row] for row, class_id in rows if class_id in wanted]

    def _report_found_by_name(self) -> None:
        if files := list(dict.fromkeys(self._found_by_name)):
            self.add_finding(
                "info",
                "image.elsewhere",
                self.root,
                "{file}: images that lie elsewhere than their labels say: {count} ({names}); found by their names.",
                count=len(files),
                names=join_names(files[:MAX_NAMES]),
            )

    def _report_splits(self) -> None:
        if files := list(dict.fromkeys(self._in_two_splits)):
            self.add_finding(
                "warning",
                "split.twice",
                self.root,
                "{file}: images in two splits: {count} ({names}); used in the first.",
                count=len(files),
                names=join_names(files[:MAX_NAMES]),
            )
        without = [name for index, name in enumerate(self.images) if index not in self._split_of]
        if without and "train" in self._split_of.values():  # without a training split all images are drawn from
            self.add_finding(
                "warning",
                "split.none",
                self.root,
                "{file}: images with labels that are in none of the splits: {count} ({names}); not used in training.",
                count=len(without),
                names=join_names(without[:MAX_NAMES]),
            )

    def _report_unused_images(self) -> None:
        """Count every image of the tree; those that no label uses are left out with a finding."""
        unused = [file for file in self.tree.images if file not in self._index_of and file not in self._excluded]
        excluded = self._excluded.difference(self._index_of)
        self.see("image", len(self.images) + len(unused) + len(self.tree.unread_images) + len(excluded))
        self.books.left_out["image"] += len(excluded)
        if unused:
            self.leave_out(
                "image",
                self.unused_severity,
                "image.unused",
                self.root,
                "{file}: images that no label names: {count} ({names}); left out.",
                count=len(unused),
                names=join_names(unused[:MAX_NAMES]),
            )
        if unread := self.tree.unread_images:
            self.leave_out(
                "image",
                "warning",
                "image.unread_format",
                self.root,
                "{file}: images in a format that cannot be read: {count} ({names}); convert them to .jpg or .png.",
                count=len(unread),
                names=join_names(unread[:MAX_NAMES]),
            )
