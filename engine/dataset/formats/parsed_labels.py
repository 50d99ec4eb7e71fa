"""What the reader of each format fills in, and the checks that every box goes through."""

from __future__ import annotations

import os
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.books import Books, Kind
from engine.dataset.formats.file_tree import FileTree, Match
from engine.dataset.formats.header_size import size_in_header
from engine.dataset.index import Finding, Severity, finding
from engine.messages import join_names
from engine.text_encoding import GUESSED_CHINESE, DecodedText, as_chinese, mixes_scripts

MAX_CLASSES = 10_000
"""A class id beyond this is taken for a mistake."""
MAX_NAMES = 3
"""A finding about many files names so many of them."""

_EDGE_TOLERANCE = 0.01
"""A box may extend beyond the image by this fraction of its side (and by a pixel) before that is a mistake of the label."""


class PackedArrays(NamedTuple):
    """See the fields of `Dataset` of the same names."""

    sizes: NDArray[np.int32]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]
    offsets: NDArray[np.int64]


class _Boxes(NamedTuple):
    """The boxes of all images."""

    corners: NDArray[np.float64]
    """(boxes, 4) x1 y1 x2 y2."""
    class_ids: NDArray[np.int32]
    image_index: NDArray[np.int32]
    """(boxes,) the image of each box."""
    row: NDArray[np.int32]
    """(boxes,) the `add_image` call of each box."""

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> _Boxes:
        return _Boxes(self.corners[which], self.class_ids[which], self.image_index[which], self.row[which])


@dataclass(slots=True)
class ParsedLabels:
    """Labels as they are on disk, before classes are mapped and missing splits drawn.

    A reader counts what it sees (`see`), adds the images with their boxes (`add_image`) and reports what it leaves out (`leave_out`).
    `finish` packs the boxes, reports the images that no label uses, and checks that the books balance.
    """

    tree: FileTree
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
    findings: list[Finding] = field(default_factory=list)
    books: Books = field(default_factory=Books)
    losses: defaultdict[Kind, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    """The findings about what was left out."""
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
    _guessed_encodings: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return self.tree.root

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

    def add_finding(self, severity: Severity, code: str, file: Path | str, template: str, **values: object) -> None:
        """Add a finding about `file`; `template` is a format string over `file` and `values`."""
        self.findings.append(finding(severity, code, relative_path(Path(file), self.root), template, **values))

    def see(self, kind: Kind, count: int = 1) -> None:
        """Count something that the reader met, before it is known whether it can be used."""
        self.books.seen[kind] += count

    def keep(self, kind: Kind, count: int = 1) -> None:
        """Count something that was used; images and boxes are counted by `add_image` and `finish`."""
        self.books.kept[kind] += count

    def leave_out(
        self,
        kind: Kind,
        severity: Severity,
        code: str,
        file: Path | str,
        template: str,
        *,
        count: int = 1,
        boxes: int | None = None,
        **values: object,
    ) -> None:
        """Report that `count` things which were seen are not used, with `boxes` boxes in them that were seen too.

        See `add_finding`; `count` is a value of the template, and so is `boxes` where it is given.
        """
        self.books.left_out[kind] += count
        if boxes is not None:
            self.books.left_out["box"] += boxes
            values = {**values, "boxes": boxes}
        self.add_finding(severity, code, file, template, count=count, **values)
        self.losses["box" if boxes else kind].append(self.findings[-1])

    def exclude_image(self, file: str) -> None:
        """Do not report an image of the tree as unused, since another finding names it."""
        self._excluded.add(file)

    def add_match(self, match: Match, label_file: Path | str) -> None:
        """Remember that an image lies elsewhere than `label_file` says; `finish` reports how many."""
        if match.by_name:
            self._found_by_name.append(match.file)

    def add_encoding(self, decoded: DecodedText, file: Path | str) -> None:
        """Remember a file whose encoding had to be guessed; `finish` reports how many."""
        if decoded.guessed:
            self._guessed_encodings[decoded.encoding].append(relative_path(Path(file), self.root))

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
        self._decode_names_alike()
        self._report_guessed_encodings()
        self._report_splits()
        self._report_unused_images()
        rows = np.array(self._row_images, np.int32)
        row_of_box = np.array(self._box_rows, np.int32)
        # Without a copy: the list of boxes is the largest part of what a reader makes.
        corners, self._corners = self._corners, array("d")
        boxes = _Boxes(
            np.frombuffer(corners, np.float64).reshape(-1, 4) if corners else np.zeros((0, 4)),
            np.array(self._box_classes, np.int32),
            rows[row_of_box] if len(rows) else row_of_box,
            row_of_box,
        )
        del corners
        with np.errstate(over="ignore", invalid="ignore"):  # of boxes that are left out
            boxes = self._valid_boxes(boxes)
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

    def drop_boxes(self, reason: Finding, count: int) -> None:
        """After `finish`: `count` boxes that were kept are left out after all."""
        self.findings.append(reason)
        self.losses["box"].append(reason)
        self.books.kept["box"] -= count
        self.books.left_out["box"] += count

    def _valid_boxes(self, boxes: _Boxes) -> _Boxes:
        """The boxes that are finite, have an area and are given once, clipped to the image."""
        boxes = self._without(
            boxes,
            np.asarray(~np.isfinite(boxes.corners).all(axis=1)),
            "error",
            "label.not_a_number",
            "{file}: boxes without numbers: {count}; left out.",
        )
        sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
        boxes = self._without(
            boxes,
            np.asarray((sides < 0).any(axis=1)),
            "warning",
            "label.swapped",
            "{file}: boxes whose first corner is not the upper left one: {count}; left out.",
        )
        sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
        boxes = self._without(
            boxes,
            np.asarray((sides == 0).any(axis=1)),
            "warning",
            "label.zero_size",
            "{file}: boxes without width or height: {count}; left out.",
        )
        boxes = self._clipped(boxes)
        order = np.lexsort((*boxes.corners.T, boxes.class_ids, boxes.image_index))
        same = np.ones(max(len(order) - 1, 0), bool)
        for column in (boxes.image_index, boxes.class_ids, *boxes.corners.T):
            ordered = column[order]
            same &= ordered[1:] == ordered[:-1]
        duplicate = np.zeros(len(order), bool)
        duplicate[order[1:]] = same  # the sort is stable: of equal boxes the first one stays
        return self._without(
            boxes, duplicate, "warning", "label.duplicate", "{file}: boxes that are given twice: {count}; used once."
        )

    def _clipped(self, boxes: _Boxes) -> _Boxes:
        if not len(boxes.class_ids):
            return boxes
        limits = self._limits(boxes)
        clipped = np.empty_like(boxes.corners)
        beyond = np.zeros(len(clipped), bool)
        for column in range(4):  # one at a time needs a quarter of the memory
            limit, values = limits[:, column % 2], boxes.corners[:, column]
            np.clip(values, 0, limit, out=clipped[:, column])
            # A pixel beyond the edge is rounding; more is a mistake.
            tolerance = _EDGE_TOLERANCE * np.where(np.isfinite(limit), limit, 0) + (1 if self.unit == "pixel" else 0)
            beyond |= np.abs(clipped[:, column] - values) > tolerance
        outside = np.asarray(~(clipped[:, 2:] > clipped[:, :2]).all(axis=1))
        self._report(
            boxes.row[beyond & ~outside],
            "warning",
            "label.outside_image",
            "{file}: boxes that extend beyond the image: {count}; clipped to it.",
        )
        return self._without(
            boxes._replace(corners=clipped),
            outside,
            "warning",
            "label.wholly_outside",
            "{file}: boxes that lie outside the image: {count}; left out.",
        )

    def _limits(self, boxes: _Boxes) -> NDArray[np.float64]:
        """(boxes, 2) the largest x and y of each box; infinite where the size of the image is unknown."""
        if self.unit == "fraction":
            return np.ones((len(boxes.class_ids), 2))
        sizes = np.array(self._sizes, np.float64).reshape(-1, 2)
        beyond = (boxes.corners[:, 2:] > sizes[boxes.image_index] * (1 + _EDGE_TOLERANCE) + 1).any(axis=1)
        suspects = np.unique(boxes.image_index[beyond])
        wrong = []
        ends = np.zeros_like(sizes)  # the largest x and y that boxes of the image reach
        np.maximum.at(ends, boxes.image_index[beyond], boxes.corners[beyond, 2:])
        for index in suspects[(sizes[suspects] > 0).all(axis=1)].tolist():
            # The label's size may be wrong, and then its boxes are right: the image itself decides.
            size, stated = self._size_on_disk(index), self._sizes[index]
            if size is None or size == stated:
                continue
            # Width and height may be exchanged on purpose: by EXIF.
            if size != stated[::-1] or (ends[index] <= np.array(size) * (1 + _EDGE_TOLERANCE) + 1).all():
                wrong.append(self.images[index])
                self._sizes[index] = size
                sizes[index] = size
        if wrong:
            self.add_finding(
                "warning",
                "image.size_wrong",
                self.root,
                "{file}: images that have another size than their label says, which cuts boxes: {count} ({names}); the size of "
                "the image is used.",
                count=len(wrong),
                names=join_names(wrong[:MAX_NAMES]),
            )
        for index in np.unique(boxes.image_index[(sizes[boxes.image_index] <= 0).any(axis=1)]).tolist():
            sizes[index] = size_in_header(self.root / self.images[index])
        sizes[(sizes <= 0).any(axis=1)] = np.inf
        return sizes[boxes.image_index]

    def _size_on_disk(self, index: int) -> tuple[int, int] | None:
        """Width and height of an image as it is read; None if it cannot be."""
        # Here, since OpenCV takes long to import and labels are hardly ever wrong about sizes.
        from engine.dataset.images import UnreadableImage, read_image

        try:
            height, width = read_image(self.root / self.images[index]).shape[:2]
        except UnreadableImage:
            return None
        return width, height

    def _without(self, boxes: _Boxes, mask: NDArray[np.bool_], severity: Severity, code: str, template: str) -> _Boxes:
        """`boxes` without those in `mask`, which are reported for each label file."""
        if not mask.any():
            return boxes
        self.losses["box"] += self._report(boxes.row[mask], severity, code, template)
        self.books.left_out["box"] += int(mask.sum())
        return boxes.take(~mask)

    def _report(self, rows: NDArray[np.int32], severity: Severity, code: str, template: str) -> list[Finding]:
        """A finding for each label file that has some of `rows`."""
        counts = Counter(self._row_files[row] for row in rows.tolist())
        reported = [finding(severity, code, file, template, count=count) for file, count in counts.items()]
        self.findings += reported
        return reported

    def _decode_names_alike(self) -> None:
        """Decode class names as Chinese whose bytes are UTF-8 by chance, where the other names of the set or the name itself tell."""
        votes = GUESSED_CHINESE in self._guessed_encodings
        decoded = {
            class_id: text
            for class_id, name in enumerate(self.names)
            if (votes or mixes_scripts(name)) and (text := as_chinese(name)) is not None
        }
        if not decoded:
            return
        self.names = [decoded.get(class_id, name) for class_id, name in enumerate(self.names)]
        has_names_in_labels = self.format not in ("yolo", "list")
        self._guessed_encodings[GUESSED_CHINESE] += [
            self._row_files[row] if has_names_in_labels else str(self.root)
            for row, class_id in zip(self._box_rows, self._box_classes, strict=True)
            if class_id in decoded
        ]

    def _report_guessed_encodings(self) -> None:
        for encoding, guessed in self._guessed_encodings.items():
            files = list(dict.fromkeys(guessed))
            self.add_finding(
                "warning",
                "text.encoding",
                self.root,
                "{file}: files that are not in the encoding they declare, or declare none and are not UTF-8: {count} ({names}); read "
                "as {encoding}. This is a guess: check the class names.",
                count=len(files),
                names=join_names(files[:MAX_NAMES]),
                encoding=encoding,
            )

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


def relative_path(path: Path, root: Path) -> str:
    """`path` relative to `root` with forward slashes where it is inside, else as it is; `root` itself is named in full."""
    try:
        return path.relative_to(root).as_posix() if path != root else str(path)
    except ValueError:
        return str(path)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path stays in `folder` once its `..` are resolved; links inside the folder may lead anywhere."""
    return Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))
