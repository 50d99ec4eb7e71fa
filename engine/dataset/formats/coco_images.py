"""Adds the images of a COCO file with their boxes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.dataset.formats.coco_boxes import CocoBoxes
from engine.dataset.formats.coco_file import AMBIGUOUS, CocoFile, IdTable, ImageEntry
from engine.dataset.formats.file_tree import stem_of
from engine.dataset.formats.image_finder import ImageFinder, is_image_name
from engine.dataset.formats.lost_images import ImageProblem, LostImages
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.splits import NAMES_OF_SPLITS, split_in_name

_PREFIX = "instances_"


def add_images(content: CocoFile, boxes: CocoBoxes, file: str, split: str | None, parsed: ParsedLabels) -> None:
    """Add the images of a file with their boxes.

    Args:
        content: the file.
        boxes: those that can be used.
        file: its path, relative to the root.
        split: the split that it is for, if any.
        parsed: gets the images and the findings.
    """
    parsed.see("line", len(content.entries) + content.bad_entries)
    finder = ImageFinder(parsed.tree, file.rpartition("/")[0], _split_folders(file))
    ids = IdTable((entry.id, entry.name) for entry in content.entries)
    order = np.argsort(boxes.image, kind="stable")
    images = boxes.image[order]
    starts = np.searchsorted(images, np.arange(len(content.entries) + 1))
    lost = LostImages()
    for index, entry in enumerate(content.entries):
        rows = order[starts[index] : starts[index + 1]]
        image, problem = _find(entry, finder, ids, file, parsed)
        if problem is not None:
            lost.add(problem, entry.name or str(entry.id), len(rows))
            continue
        parsed.keep("line")
        parsed.add_image(image, entry.size, boxes.corners[rows].tolist(), boxes.category[rows].tolist(), file, split)
    for _entry in range(content.bad_entries):
        lost.add("nameless", "", 0)
    if ambiguous := int((boxes.image == AMBIGUOUS).sum()):
        lost.add_boxes("same_id", ambiguous)
    lost.report("line", parsed.tree.path(file), parsed)


def _find(
    entry: ImageEntry, finder: ImageFinder, ids: IdTable, file: str, parsed: ParsedLabels
) -> tuple[str, ImageProblem | None]:
    """The file of an image, and why it cannot be used."""
    if entry.name is None or entry.id is None:
        return "", "nameless"
    match = finder.find(entry.name)
    if ids.find(entry.id)[0] == AMBIGUOUS:
        if match.file:
            parsed.exclude_image(match.file)
        return "", "same_id"
    path = Path(entry.name)
    if (match.by_name or match.absence) and path.is_absolute() and is_image_name(path.name) and path.is_file():
        return os.path.normpath(path), None  # `data convert` writes such paths of images that stay where they are
    if match.absence is not None:
        return "", match.absence
    if not is_image_name(match.file):
        return "", "unread"
    parsed.add_match(match, file)
    return match.file, None


def _split_folders(file: str) -> Iterator[str]:
    """What the folder may be called whose images a label file is for: train2017, train ..."""
    stem = stem_of(file)
    yield stem[len(_PREFIX) :] if stem.lower().startswith(_PREFIX) else stem
    split = split_in_name(stem)
    if split is not None:
        year = "".join(character for character in stem if character.isdigit())
        for name in NAMES_OF_SPLITS[split]:
            yield from (f"{name}{year}", name)
