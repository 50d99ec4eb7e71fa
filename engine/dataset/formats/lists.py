"""The tutorials' lists: a line `path x1,y1,x2,y2,class x1,...` for each image. Paths may contain spaces."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.dataset.classes_file import LIST_CLASSES_FILES
from engine.dataset.formats.class_names import (
    find_class_names,
    find_class_names_above,
    is_classes_file,
    report_class_names,
    report_named_above,
)
from engine.dataset.formats.file_tree import FileTree, posix_name, stem_of, suffix_of
from engine.dataset.formats.header_size import size_in_header
from engine.dataset.formats.image_lists import absence_of, report_lost_lines
from engine.dataset.formats.list_lines import ListedBox, ListLine, is_in_fractions, parse_line
from engine.dataset.formats.parsed_labels import MAX_CLASSES, ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.row_classes import ClassIds, is_word
from engine.dataset.formats.sniff import is_root_or_home
from engine.dataset.image_files import IMAGE_SUFFIXES
from engine.dataset.splits import split_in_name
from engine.files import read_decoded, text_lines
from engine.messages import BadInput, join_names

_SAMPLED_LINES = 200
_ROOT_LINES = 5
_ROOT_PARTS = 10


@dataclass(slots=True)
class _Losses:
    """What is left out of one list."""

    broken: list[int] = field(default_factory=list)
    """Numbers of lines."""
    broken_boxes: int = 0
    names: dict[str, list[str]] = field(default_factory=lambda: {"missing": [], "ambiguous": [], "outside": []})
    boxes: Counter[str] = field(default_factory=Counter)
    unknown_class: Counter[str] = field(default_factory=Counter)
    in_fractions: int = 0


def read_lists(path: Path, reading: Reading) -> ParsedLabels | None:
    """The images and boxes of a list, or of all lists in a folder; None if `path` is neither.

    The name of a list, or of its folder, gives its split (2007_train.txt, train/_annotations.txt).
    """
    if path.is_file():
        if path.suffix.lower() != ".txt" or not _is_list(path):
            return None
        root = _root_of(path)
        tree = reading.tree(root)
        lists = [path.relative_to(root).as_posix()]
    else:
        tree = reading.tree(path)
        lists = list(_find_lists(tree))
    if not lists:
        return None
    parsed = ParsedLabels(tree, "list", "pixel", "info" if path.is_file() else "warning")
    _set_names(parsed, reading)
    is_unnamed = not parsed.names
    class_of = _class_of(lists, parsed)
    for file in lists:
        _read_list(file, class_of, parsed, reading)
    parsed.report_images_in_several_files()
    if is_unnamed and not parsed.names:
        parsed.name_classes_by_id()
        parsed.add_finding(
            "info",
            "class.unnamed",
            tree.root,
            "{file}: lists hold class numbers only; without a classes file they are called class 0, class 1 and so on.",
        )
    return parsed


def _root_of(path: Path) -> Path:
    """The folder of the data set of a list: its own, or the nearest above it that its first images lie below."""
    lines = [
        found for line in text_lines(read_decoded(path).text)[:_ROOT_LINES] if (found := parse_line(line)) is not None
    ]
    if any(_exists(Path(line.name)) for line in lines if os.path.isabs(line.name)):  # noqa: PTH117
        return path.parent
    for folder in (path.parent, *path.parents[1:3]):
        if is_root_or_home(folder):
            break
        for line in lines:
            parts = [part for part in posix_name(line.name).split("/") if part not in ("", ".", "..")]
            if any(
                _exists(folder.joinpath(*parts[start:]))
                for start in range(max(0, len(parts) - _ROOT_PARTS), len(parts))
            ):
                return folder
    return path.parent


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name of a file
        return False


def _find_lists(tree: FileTree) -> Iterator[str]:
    """The lists below the root; not the label files of single images."""
    stems = {stem_of(image) for image in tree.images}
    for file in tree.with_suffix(".txt"):
        stem = stem_of(file)
        may_be_list = stem not in stems or split_in_name(stem) is not None
        if may_be_list and not is_classes_file(file) and _is_list(tree.path(file)):
            yield file


def _is_list(path: Path) -> bool:
    """Whether at least half of the lines begin with the path of an image, and some have boxes."""
    try:
        lines = text_lines(read_decoded(path).text)[:_SAMPLED_LINES]
    except BadInput:
        return False
    parsed = [found for line in lines if (found := parse_line(line)) is not None]
    return 2 * len(parsed) >= len(lines) and any(found.box_count for found in parsed)


def _set_names(parsed: ParsedLabels, reading: Reading) -> None:
    files = find_class_names(parsed.tree, LIST_CLASSES_FILES)
    if not files.names:
        files = find_class_names_above(parsed.root)
        if files.names:
            reading.add_file(Path(files.file))
            report_named_above(files, parsed)
    parsed.names = list(files.names)
    report_class_names(files, parsed)


def _class_of(lists: Sequence[str], parsed: ParsedLabels) -> Callable[[str], int | None]:
    """The class id of what stands in the place of the class; where no file names the classes, it may be the name itself."""
    if not parsed.names and any(_has_words(parsed.tree.path(file)) for file in lists):
        return parsed.class_id
    class_ids = ClassIds(parsed.names)

    def known_class(text: str) -> int | None:
        class_id = class_ids.of(text)
        return None if class_id is None or class_id < 0 else class_id

    return known_class


def _has_words(path: Path) -> bool:
    """Whether a list has class names in the place of class ids."""
    lines = (parse_line(line) for line in text_lines(read_decoded(path).text)[:_SAMPLED_LINES])
    return any(is_word(box.class_text) for line in lines if line is not None for box in line.boxes or ())


def _read_list(file: str, class_of: Callable[[str], int | None], parsed: ParsedLabels, reading: Reading) -> None:
    decoded = read_decoded(parsed.tree.path(file))
    parsed.add_encoding(decoded, file)
    parsed.see("label_file")
    parsed.keep("label_file")
    losses = _Losses()
    split = _split_of(file, parsed)
    lines = decoded.text.splitlines()
    for number, text in enumerate(lines, 1):
        reading.report(number, len(lines))
        if not text.strip():
            continue
        parsed.see("line")
        line = parse_line(text.strip())
        if line is None or line.boxes is None:
            losses.broken.append(number)
            losses.broken_boxes += 0 if line is None else line.box_count
            parsed.see("box", 0 if line is None else line.box_count)
            if line is not None and (match := parsed.tree.find(line.name, _folders(file))).file:
                parsed.exclude_image(match.file)
            continue
        parsed.see("box", line.box_count)
        if (image := _find_image(line, file, losses, parsed)) is not None:
            parsed.keep("line")
            corners, ids = _usable(line.boxes, class_of, losses)
            parsed.add_image(image, size_in_header(parsed.root / image) if ids else (0, 0), corners, ids, file, split)
    _report(file, losses, parsed)


def _split_of(file: str, parsed: ParsedLabels) -> str | None:
    names = [stem_of(file), *reversed(file.split("/")[:-1]), parsed.root.name]
    return next((split for name in names if (split := split_in_name(name)) is not None), None)


def _folders(file: str) -> Sequence[str]:
    """What the paths in a list may be relative to."""
    return list(dict.fromkeys((file.rpartition("/")[0], "")))


def _find_image(line: ListLine, file: str, losses: _Losses, parsed: ParsedLabels) -> Path | str | None:
    """The image of a line; None if it is not there, which is noted."""
    match = parsed.tree.find(line.name, _folders(file))
    if suffix_of(match.file) in IMAGE_SUFFIXES and not match.by_name:
        return match.file
    # The tutorials' scripts write absolute paths, also of images that are not below the folder of the list.
    if os.path.isabs(line.name) and suffix_of(line.name) in IMAGE_SUFFIXES and _exists(Path(line.name)):  # noqa: PTH117
        return Path(os.path.normpath(line.name))
    if suffix_of(match.file) in IMAGE_SUFFIXES:
        parsed.add_match(match, file)
        return match.file
    reason = absence_of(match, line.name)
    losses.names[reason].append(line.name)
    losses.boxes[reason] += line.box_count
    return None


def _usable(
    boxes: Sequence[ListedBox], class_of: Callable[[str], int | None], losses: _Losses
) -> tuple[list[tuple[float, float, float, float]], list[int]]:
    """The corners and class ids of boxes that can be used; the others are noted."""
    corners, class_ids = [], []
    for box in boxes:
        if (class_id := class_of(box.class_text)) is None:
            losses.unknown_class[box.class_text] += 1
        elif is_in_fractions(box):
            losses.in_fractions += 1
        else:
            corners.append(box.corners)
            class_ids.append(class_id)
    return corners, class_ids


def _report(file: str, losses: _Losses, parsed: ParsedLabels) -> None:
    path = parsed.tree.path(file)
    if losses.broken:
        parsed.leave_out(
            "line",
            "error",
            "label.unreadable",
            path,
            "{file}: lines that are not `path x1,y1,x2,y2,class ...`: {count} (lines {lines}) with {boxes} boxes; left out.",
            count=len(losses.broken),
            boxes=losses.broken_boxes,
            lines=join_names([str(number) for number in losses.broken[:MAX_NAMES]]),
        )
    report_lost_lines(file, losses.names, parsed, losses.boxes)
    if losses.unknown_class:
        parsed.leave_out(
            "box",
            "error",
            "label.class_out_of_range",
            path,
            "{file}: boxes of classes that do not exist ({numbers}): {count}; left out. Class ids are from 0 to {last}.",
            numbers=join_names(sorted(losses.unknown_class)[:MAX_NAMES]),
            count=losses.unknown_class.total(),
            last=(len(parsed.names) or MAX_CLASSES) - 1,
        )
    if losses.in_fractions:
        parsed.leave_out(
            "box",
            "error",
            "label.not_pixels",
            path,
            "{file}: boxes in fractions of the image, not in pixels: {count}; left out.",
            count=losses.in_fractions,
        )
