"""CSV: tables with a box in each line, often one for each split."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from engine.dataset.formats.csv_file import UNNAMED_CLASS, CsvFile, CsvRow, LossReason, is_label_csv, parse_csv
from engine.dataset.formats.file_tree import Match, suffix_of
from engine.dataset.formats.image_finder import ImageFinder, ImageStems, is_image_name
from engine.dataset.formats.json_files import labels_root, split_of_file
from engine.dataset.formats.lost_images import LostImages
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.splits import NAMES_OF_SPLITS, split_in_name
from engine.files import error_reason, read_decoded
from engine.messages import BadInput, Message, phrase
from engine.regular_files import MAX_TEXT_BYTES, open_regular_file, read_regular_file
from engine.text_encoding import decode_text

_HEAD = 1 << 13
"""Bytes that tell whether a file is a table of boxes."""
_FRACTION = 1.01
_CLASS_CODES = ("/m/", "/g/")


def read_csv(path: Path, reading: Reading) -> ParsedLabels | None:
    """The images and boxes of a CSV file, or of all below a folder; None if there are none.

    A column, the name of a file or of one of its folders gives the split.
    """
    if path.is_file() and (suffix_of(path.name) != ".csv" or not _is_label_file(path)):
        return None
    root = labels_root(path, reading)
    tree = reading.tree(root)
    files = [path.relative_to(root).as_posix()] if path.is_file() else tree.with_suffix(".csv")
    files = [file for file in files if _is_label_file(tree.path(file))]
    if not files:
        return None
    parsed = ParsedLabels(tree, "csv", "pixel", "info" if path.is_file() else "warning")
    contents = [(file, content) for file in files if (content := _read_file(file, parsed)) is not None]
    _choose_unit([content for _file, content in contents], parsed)
    stems = ImageStems(tree)
    for file, content in contents:
        _add_file(file, content, split_of_file(file, *([root.name] if path.is_file() else [])), stems, parsed, reading)
    _describe_classes(parsed)
    parsed.report_images_in_several_files()
    return parsed


def _is_label_file(path: Path) -> bool:
    try:
        with open_regular_file(path, MAX_TEXT_BYTES) as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return is_label_csv(decode_text(head).text)


def _read_file(file: str, parsed: ParsedLabels) -> CsvFile | None:
    path = parsed.tree.path(file)
    parsed.see("label_file")
    try:
        decoded = decode_text(read_regular_file(path, MAX_TEXT_BYTES))
        content = parse_csv(decoded.text)
    except csv.Error as error:
        _leave_out(file, phrase("not valid CSV ({reason})", reason=error), parsed)
        return None
    except OSError as error:
        _leave_out(file, phrase("cannot be read ({reason})", reason=error_reason(error)), parsed)
        return None
    if content is None:
        _leave_out(file, phrase("has no columns for an image and a box"), parsed)
        return None
    parsed.keep("label_file")
    parsed.add_encoding(decoded, path)
    return content


def _leave_out(file: str, reason: Message, parsed: ParsedLabels) -> None:
    parsed.leave_out(
        "label_file", "error", "label.unreadable", parsed.tree.path(file), "{file}: {reason}; left out.", reason=reason
    )


def _choose_unit(contents: Sequence[CsvFile], parsed: ParsedLabels) -> None:
    """OpenImages states fractions of the image, the others pixels."""
    largest = max((max(row.box) for content in contents for row in content.rows if row.box is not None), default=0)
    if 0 < largest <= _FRACTION:
        parsed.unit = "fraction"
        parsed.add_finding(
            "info",
            "label.fractions",
            parsed.root,
            "{file}: no box is larger than 1; the numbers are taken for fractions of the image's width and height.",
        )


def _add_file(
    file: str, content: CsvFile, split: str | None, stems: ImageStems, parsed: ParsedLabels, reading: Reading
) -> None:
    path = parsed.tree.path(file)
    parsed.see("box", content.box_count)
    _report(content, path, parsed)
    images: defaultdict[str, list[CsvRow]] = defaultdict(list)
    for row in content.rows:
        images[row.image].append(row)
    parsed.see("line", len(images))
    folders = NAMES_OF_SPLITS[split] if split is not None else ()
    finder = ImageFinder(parsed.tree, file.rpartition("/")[0], folders)
    lost = LostImages()
    for number, (image, rows) in enumerate(images.items()):
        reading.report(number + 1, len(images))
        boxes = [(row.box, row.name) for row in rows if row.box is not None]
        match = finder.find(image)
        if match.absence == "missing" and (same_stem := stems.anywhere(f"{image}.csv")) is not None:
            match = Match(same_stem)
        problem = match.absence or (None if is_image_name(match.file) else "unread")
        if problem is not None:
            lost.add(problem, image, len(boxes))
            continue
        parsed.keep("line")
        parsed.add_match(match, path)
        class_ids = [parsed.class_id(name) for _box, name in boxes]
        own_split = split_in_name(rows[0].split) or split
        parsed.add_image(match.file, rows[0].size, [box for box, _name in boxes], class_ids, file, own_split)
    lost.report("line", path, parsed)


def _describe_classes(parsed: ParsedLabels) -> None:
    """OpenImages has codes for classes (`/m/01yrx`), and a file class-descriptions*.csv beside them."""
    if not any(name.startswith(_CLASS_CODES) for name in parsed.names):
        return
    for file in parsed.tree.with_suffix(".csv"):
        if "class-descriptions" not in file.rpartition("/")[2].lower():
            continue
        try:
            lines = csv.reader(io.StringIO(read_decoded(parsed.tree.path(file)).text, newline=""))
            words = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
        except (BadInput, csv.Error):
            continue
        parsed.names = [words.get(name) or name for name in parsed.names]


def _report(content: CsvFile, path: Path, parsed: ParsedLabels) -> None:
    if not content.has_classes:
        parsed.add_finding(
            "warning",
            "class.unnamed",
            path,
            "{file}: has no column for the class; every box gets the class {name}.",
            name=UNNAMED_CLASS,
        )
    losses: Counter[LossReason] = content.left_out
    if count := losses["unreadable"]:
        parsed.leave_out(
            "box",
            "error",
            "label.unreadable",
            path,
            "{file}: lines without four numbers: {count}; left out.",
            count=count,
        )
    if count := losses["no_class"]:
        parsed.leave_out(
            "box", "error", "label.no_class", path, "{file}: boxes without a class: {count}; left out.", count=count
        )
    if count := losses["no_image"]:
        parsed.leave_out(
            "box",
            "error",
            "label.no_image",
            path,
            "{file}: lines that name no image: {count}; left out.",
            count=count,
        )
