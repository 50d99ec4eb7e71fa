"""LabelMe: a JSON file for each image, beside it or in a folder of its own."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from engine.dataset.formats.file_tree import Match, stem_of, suffix_of
from engine.dataset.formats.image_finder import ImageFinder, ImageStems, is_image_name
from engine.dataset.formats.json_files import has_json_key, json_files_with, labels_root, split_of_file
from engine.dataset.formats.json_stream import BadJson
from engine.dataset.formats.labelme_file import LabelmeFile, LossReason, parse_labelme
from engine.dataset.formats.lost_images import LostImages
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.files import error_reason
from engine.messages import Message, join_names, phrase
from engine.regular_files import MAX_IMAGE_BYTES, read_regular_file

_KEYS = ("shapes",)


def read_labelme(path: Path, reading: Reading) -> ParsedLabels | None:
    """The images and boxes of a LabelMe file, or of all below a folder; None if there are none.

    The names of the folders of a file give its split.
    """
    if path.is_file() and (suffix_of(path.name) != ".json" or not has_json_key(path, _KEYS)):
        return None
    root = labels_root(path, reading)
    tree = reading.tree(root)
    files = [path.relative_to(root).as_posix()] if path.is_file() else list(json_files_with(tree, _KEYS))
    if not files:
        return None
    reader = _LabelmeReader(ParsedLabels(tree, "labelme", "pixel", "info" if path.is_file() else "warning"))
    for number, file in enumerate(files):
        reader.read(file)
        reading.report(number + 1, len(files))
    return reader.finish() if reader.file_count else None


class _LabelmeReader:
    """Reads the files of one data set and counts what it cannot use."""

    def __init__(self, parsed: ParsedLabels) -> None:
        self.file_count = 0
        self._parsed = parsed
        self._finders: dict[str, ImageFinder] = {}
        self._stems = ImageStems(parsed.tree)
        self._lost_shapes: defaultdict[LossReason, list[tuple[str, int]]] = defaultdict(list)
        self._lost_images = LostImages()

    def read(self, file: str) -> None:
        """Add the image of a file, which is relative to the root, and its boxes."""
        parsed = self._parsed
        try:
            label = parse_labelme(read_regular_file(parsed.tree.path(file), MAX_IMAGE_BYTES))
        except BadJson as error:
            self._leave_out(file, phrase("not valid JSON ({reason})", reason=error.reason))
            return
        except OSError as error:
            self._leave_out(file, phrase("cannot be read ({reason})", reason=error_reason(error)))
            return
        if label is None:
            return
        self.file_count += 1
        parsed.see("label_file")
        parsed.see("box", label.shape_count)
        parsed.add_encoding(label.encoding, parsed.tree.path(file))
        for reason, count in label.left_out.items():
            if count:
                self._lost_shapes[reason].append((file, count))
        match = self._find_image(label, file)
        problem = match.absence or (None if is_image_name(match.file) else "unread")
        if problem is not None:
            self._lost_images.add(problem, f"{label.image or stem_of(file)} ({file})", len(label.boxes))
            return
        parsed.keep("label_file")
        parsed.add_match(match, file)
        class_ids = [parsed.class_id(name) for name in label.names]
        parsed.add_image(match.file, label.size, label.boxes, class_ids, file, split_of_file(file))

    def finish(self) -> ParsedLabels:
        """Report what was left out."""
        for reason, files in self._lost_shapes.items():
            self._report(reason, files)
        self._lost_images.report("label_file", self._parsed.root, self._parsed)
        self._parsed.report_images_in_several_files()
        return self._parsed

    def _leave_out(self, file: str, reason: Message) -> None:
        self.file_count += 1
        self._parsed.see("label_file")
        self._parsed.leave_out(
            "label_file",
            "error",
            "label.unreadable",
            self._parsed.tree.path(file),
            "{file}: {reason}; left out.",
            reason=reason,
        )

    def _find_image(self, label: LabelmeFile, file: str) -> Match:
        """The image where the file says; else the one of the same name beside it, then anywhere below the root."""
        folder = file.rpartition("/")[0]
        finder = self._finders.get(folder)
        if finder is None:
            finder = self._finders[folder] = ImageFinder(self._parsed.tree, folder)
        stated = Match("", "missing") if label.image is None else finder.find(label.image)
        if stated.file and not stated.by_name:
            return stated
        if (beside := self._stems.beside(file)) is not None:
            return Match(beside)
        if stated.file:
            return stated
        elsewhere = self._stems.anywhere(file)
        return stated if elsewhere is None else Match(elsewhere, by_name=True)

    def _report(self, reason: LossReason, files: list[tuple[str, int]]) -> None:
        count = sum(count for _file, count in files)
        names = join_names([file for file, _count in files[:MAX_NAMES]])
        root, leave_out = self._parsed.root, self._parsed.leave_out
        match reason:
            case "no_area":
                leave_out(
                    "box",
                    "warning",
                    "label.no_area",
                    root,
                    "{file}: points and lines, which have no box: {count} ({names}); left out.",
                    count=count,
                    names=names,
                )
            case "unreadable":
                leave_out(
                    "box",
                    "error",
                    "label.unreadable",
                    root,
                    "{file}: shapes without readable points: {count} ({names}); left out.",
                    count=count,
                    names=names,
                )
            case "no_class":
                leave_out(
                    "box",
                    "error",
                    "label.no_class",
                    root,
                    "{file}: shapes without a label: {count} ({names}); left out.",
                    count=count,
                    names=names,
                )
            case "difficult":
                leave_out(
                    "box",
                    "info",
                    "label.difficult",
                    root,
                    "{file}: shapes that are marked difficult: {count} ({names}); left out.",
                    count=count,
                    names=names,
                )
            case "part":
                leave_out(
                    "box",
                    "info",
                    "label.part",
                    root,
                    "{file}: shapes with the label and group of another, whose object they belong to: {count} ({names}); their boxes "
                    "are joined.",
                    count=count,
                    names=names,
                )
