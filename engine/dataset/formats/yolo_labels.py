"""Reads the label files of YOLO images, and says what is left out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.dataset.formats.file_tree import suffix_of
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.row_classes import ClassIds, class_id_of
from engine.dataset.formats.yolo_label_files import LabelFiles
from engine.dataset.formats.yolo_losses import (
    RowLosses,
    report_ids_from_one,
    report_losses,
    report_meaning,
    report_rows_left_out,
)
from engine.dataset.formats.yolo_rows import Row, RowTable, are_finite, interpret, parse_row
from engine.dataset.image_files import IMAGE_SUFFIXES
from engine.files import read_decoded, text_lines
from engine.messages import BadInput


def add_labelled_images(
    images: Mapping[str, Sequence[str]],
    labels: LabelFiles,
    keypoints: tuple[int, int] | None,
    parsed: ParsedLabels,
    reading: Reading,
) -> None:
    """Add images with the boxes of their label files.

    Args:
        images: each image and the splits that name it.
        labels: the label files of the images.
        keypoints: see `interpret`.
        parsed: gets the images, boxes and findings; its names are those of the classes, or empty.
        reading: is told how far the reading is.
    """
    files = list(dict.fromkeys(labels.of_image.values()))
    class_ids = ClassIds(parsed.names)
    table, losses = _read_files(files, class_ids, parsed, reading)
    classes = _resolve_words(class_ids.words(), table, files, losses, parsed)
    meaning = interpret(table, keypoints)
    is_kept = ~(meaning.rotated | meaning.not_fractions) & (classes >= 0)
    report_meaning(meaning, parsed)
    report_rows_left_out(meaning, classes, table, files, parsed)
    report_losses(losses, parsed)
    report_ids_from_one(classes[is_kept], losses, parsed)
    starts = np.searchsorted(np.array(table.files, np.int32), np.arange(len(files) + 1))
    number_of = {file: number for number, file in enumerate(files)}
    unlabelled = 0
    for image, splits in images.items():
        file = labels.of_image.get(image)
        if file in losses.refused:
            parsed.exclude_image(image)
            continue
        rows = slice(0)
        if file is not None:
            start, end = starts[number_of[file]], starts[number_of[file] + 1]
            rows = slice(int(start), int(end))
        else:
            unlabelled += 1
        kept = is_kept[rows]
        of_boxes: list[int] = classes[rows][kept].tolist()
        parsed.see("box", len(of_boxes))
        first = splits[0] if splits else None
        parsed.add_image(image, (0, 0), meaning.corners[rows][kept].tolist(), of_boxes, file or image, first)
        for split in splits[1:]:
            parsed.set_split(image, split)
    if unlabelled:
        parsed.add_finding(
            "info",
            "image.unlabelled",
            parsed.root,
            "{file}: images without a label file: {count}; used as background.",
            count=unlabelled,
        )


def count_rows(file: str, parsed: ParsedLabels) -> int | None:
    """The number of rows of a text file that may be a label file; None if it is none."""
    try:
        lines = text_lines(read_decoded(parsed.tree.path(file)).text)
    except BadInput:
        return None
    rows = sum(is_label_row(line) for line in lines)
    return rows if rows or not lines else None


def is_label_row(line: str, *, only_fractions: bool = False) -> bool:
    """Whether a line may be a row of a label file: a class id and numbers, or a word and a box; perhaps with a box in pixels."""
    row = parse_row(line)
    if row is None or suffix_of(row.class_text) in IMAGE_SUFFIXES:
        return False  # of a list of images, perhaps
    if are_finite(row.values) and max(map(abs, row.values[:4])) <= 1:
        return True
    return not only_fractions and (class_id_of(row.class_text) is not None or len(row.values) == 4)


def _read_files(
    files: Sequence[str], class_ids: ClassIds, parsed: ParsedLabels, reading: Reading
) -> tuple[RowTable, RowLosses]:
    table, losses = RowTable(), RowLosses()
    for number, file in enumerate(files):
        reading.report(number + 1, len(files))
        parsed.see("label_file")
        try:
            decoded = read_decoded(parsed.tree.path(file))
        except BadInput as error:
            losses.refused[file] = error.as_one_message()
            continue
        parsed.keep("label_file")
        parsed.add_encoding(decoded, file)
        for line_number, line in enumerate(decoded.text.splitlines(), 1):
            if line and not line.isspace():
                _read_row(line, line_number, (number, file), class_ids, table, losses)
    return table, losses


def _read_row(
    line: str, line_number: int, file: tuple[int, str], class_ids: ClassIds, table: RowTable, losses: RowLosses
) -> None:
    number, name = file
    row: Row | None = parse_row(line)
    if row is None:
        losses.unreadable.append(f"{name}:{line_number}")
        return
    class_id = class_ids.of(row.class_text)
    if class_id is None:
        losses.unknown_class[row.class_text] += 1
        losses.files_of_unknown_class[name] = None
    elif not are_finite(row.values):
        losses.not_finite.append(f"{name}:{line_number}")
    else:
        table.add(number, class_id, row)


def _resolve_words(
    words: Sequence[str], table: RowTable, files: Sequence[str], losses: RowLosses, parsed: ParsedLabels
) -> NDArray[np.int32]:
    """(rows,) class ids, also for rows that begin with words; -1 where other rows begin with class ids that nothing names."""
    classes = np.array(table.classes, np.int32)
    is_word = classes < 0
    if not is_word.any():
        return classes
    if is_word.all():
        parsed.names = sorted(words)
        order = {word: index for index, word in enumerate(parsed.names)}
        return np.array([order[word] for word in words], np.int32)[-1 - classes]
    for row in np.flatnonzero(is_word).tolist():
        losses.unknown_class[words[-1 - classes[row]]] += 1
        losses.files_of_unknown_class[files[table.files[row]]] = None
    return np.where(is_word, -1, classes)
