"""From a path to a Dataset: the labels are read, their classes mapped, and the splits that are missing drawn."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.dataset.class_mapping import ClassMapping, map_classes
from engine.dataset.classes_file import REPEATED_NAMES, find_classes_file, read_class_names, repeated_names
from engine.dataset.formats.books import Kind
from engine.dataset.formats.detect_format import read_labels
from engine.dataset.formats.file_tree import ProgressCallback
from engine.dataset.formats.index_cache import MIN_FILES, IndexCache, fingerprint_folders
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.sniff import is_root_or_home
from engine.dataset.index import Dataset, Finding
from engine.dataset.splits import DEFAULT_SEED, SPLITS, fill_splits
from engine.messages import BadInput, Message, bad_input, join_names, join_phrases, nearest, phrase

_log = logging.getLogger(__name__)

_CAUSES: tuple[Kind, ...] = ("box", "label_file", "line", "image")
_MAX_CAUSES = 4


def open_dataset(
    path: Path,
    *,
    format: str = "auto",
    classes_file: Path | None = None,
    mapping: Mapping[str, str] | None = None,
    seed: int = DEFAULT_SEED,
    progress: ProgressCallback | None = None,
) -> Dataset:
    """The Dataset at `path`: a folder at any level of its tree, or its data.yaml, .json, .csv or list.

    Args:
        path: where the data set is.
        format: voc, yolo, coco, labelme, csv or list; "auto" recognises it.
        classes_file: gives the classes and their order; boxes of other classes are left out. None: the classes of the labels.
        mapping: class names in the labels to the names that replace them.
        seed: draws the splits that the data set lacks.
        progress: called with the number of files read and of all (0: not known yet); may raise to cancel.

    Raises:
        BadInput: the path does not exist, is of no known format, or contains no usable box.
    """
    path = path.expanduser().absolute()
    require_path(path)
    cache = IndexCache(path, _options(format, classes_file, mapping or {}))
    if (cached := cache.load(progress)) is not None:
        _log.info("%s: read from the index cache", path)
        return cached.with_split_seed(seed)
    started = time.time_ns()
    reading = Reading(progress)
    dataset = _index(read_labels(path, format, reading), classes_file, mapping or {}, seed)
    _log.info(
        "%s: format %s, classes %s, images %s, findings %s; splits drawn: %s",
        *(path, dataset.format, dataset.classes, dataset.image_counts(), len(dataset.findings), dataset.splits_drawn),
    )
    if reading.file_count() >= MIN_FILES and (state := fingerprint_folders(reading.folders(), started, progress)):
        cache.store(dataset, reading.folders(), state)
    return dataset


def require_path(path: Path) -> None:
    """Check that something is at the absolute `path` that can be a data set. Reads no labels.

    Raises:
        BadInput: the path does not exist, or is the whole disk or the home folder.
    """
    if not path.exists():
        raise _missing(path)
    if path.is_dir() and is_root_or_home(path):
        raise bad_input(
            "dataset.whole_disk",
            "{path}: this is the whole disk or your home folder; choose the folder of the data set itself.",
            path=path,
        )


def _options(format: str, classes_file: Path | None, mapping: Mapping[str, str]) -> dict[str, Any]:
    """What decides, besides the files of a data set, what is read from it."""
    names = None if classes_file is None or not classes_file.is_file() else read_class_names(classes_file)
    return {"format": format, "classes_file": str(classes_file), "names": names, "mapping": dict(mapping)}


def _index(parsed: ParsedLabels, classes_file: Path | None, mapping: Mapping[str, str], seed: int) -> Dataset:
    """The Dataset of what a reader made of the labels."""
    sizes, boxes, labels, offsets = parsed.finish()
    if not parsed.images:
        raise _empty(parsed, Message("dataset.no_pictures", "no image with a label is left"))
    _name_by_classes_file(parsed, classes_file, mapping)
    own_file = find_classes_file(parsed.root, ("classes.txt",))
    own_names = read_class_names(own_file) if own_file else ()
    _report_repeated_names(parsed, classes_file, own_file)
    class_mapping = map_classes(parsed.names, labels, parsed.format, mapping, classes_file, own_names)
    if (similar := class_mapping.similar_classes(parsed.root)) is not None:
        parsed.findings.append(similar)
    labels = class_mapping.apply(labels)
    known = labels >= 0
    if unknown_count := int((~known).sum()):
        parsed.drop_boxes(class_mapping.unknown_classes(unknown_count), unknown_count)
        kept_before = np.concatenate(([0], np.cumsum(known)))  # (boxes + 1,) number of boxes kept before each box
        boxes, labels, offsets = boxes[known], labels[known], kept_before[offsets]
    if not len(boxes):
        raise _no_boxes(parsed, class_mapping)
    parsed.books.check()
    own_splits = {name: np.array(sorted(parsed.splits.get(name, [])), np.int32) for name in SPLITS}
    splits, splits_drawn = fill_splits(own_splits, len(parsed.images), seed)
    return Dataset(
        root=parsed.root,
        format=parsed.format,
        classes=class_mapping.classes,
        images=tuple(parsed.images),
        sizes=sizes,
        boxes=boxes,
        labels=labels,
        offsets=offsets,
        unit=parsed.unit,
        splits=splits,
        splits_drawn=splits_drawn,
        findings=tuple(parsed.findings),
        own_splits=own_splits,
        books=parsed.books.to_json(),
    )


def _name_by_classes_file(parsed: ParsedLabels, classes_file: Path | None, mapping: Mapping[str, str]) -> None:
    """Where labels hold class ids that no file of the data set names, `classes_file` names them."""
    if not parsed.is_unnamed or classes_file is None or not classes_file.is_file():
        return
    names = read_class_names(classes_file)
    if any(mapping.get(name, name) in names for name in parsed.names):  # the user calls them by their ids
        return
    parsed.names = [*names[: len(parsed.names)], *parsed.names[len(names) :]]
    parsed.findings[:] = [found for found in parsed.findings if found.message.code != "class.unnamed"]


def _report_repeated_names(parsed: ParsedLabels, classes_file: Path | None, own_file: Path | None) -> None:
    """Say which names the file that names the classes has more than once; each is one class."""
    if any(found.message.code == "class.repeated" for found in parsed.findings):  # by the reader
        return
    file = classes_file if classes_file is not None and classes_file.is_file() else own_file
    names = parsed.names if file is None else read_class_names(file)
    if repeated := repeated_names(names):
        parsed.add_finding(
            "warning",
            "class.repeated",
            file or parsed.root,
            REPEATED_NAMES,
            names=join_names(repeated[:MAX_NAMES]),
        )


def _missing(path: Path) -> BadInput:
    parent = next(folder for folder in path.parents if folder.is_dir())
    wanted = path.relative_to(parent).parts[0]
    similar = nearest(wanted, [entry.name for entry in parent.iterdir()])
    if similar is None:
        return bad_input("dataset.missing", "{path}: there is no such folder.", path=path)
    return bad_input(
        "dataset.missing", "{path}: there is no such folder; did you mean {near}?", path=path, near=parent / similar
    )


def _empty(parsed: ParsedLabels, problem: Message) -> BadInput:
    """The error for a data set whose format was recognised but which has nothing to learn from, with the reasons."""
    return bad_input(
        "dataset.empty",
        "{path}: looks like {format}, but {what}. {reason}",
        path=parsed.root,
        format=parsed.format,
        what=problem,
        reason=_why_empty(parsed),
    )


def _why_empty(parsed: ParsedLabels) -> Message | str:
    """What boxes were left out for; without any, what label files, lines or images were."""
    left_out = next((parsed.losses[kind] for kind in _CAUSES if parsed.losses[kind]), [])
    left_out = left_out or [found for found in parsed.findings if found.severity == "error"][:1]
    if not left_out:
        return phrase("Its labels contain no box.")
    causes: dict[str, list[Finding]] = {}
    for found in left_out:
        causes.setdefault(found.message.code, []).append(found)
    return join_phrases([_sum_of(findings, parsed.root) for findings in list(causes.values())[:_MAX_CAUSES]], " ")


def _sum_of(findings: Sequence[Finding], root: Path) -> Message:
    """One sentence for findings with the same cause, with the sum of their counts."""
    first = findings[0].message
    values = dict(first.values)
    for name in ("count", "boxes"):
        counts = [found.message.values.get(name) for found in findings]
        if name in values:
            values[name] = sum(count for count in counts if isinstance(count, int))
    if len({found.file for found in findings}) > 1 or findings[0].file == str(root):
        values["file"] = phrase("Its labels")  # the sentence before this one names the data set
    return Message(first.code, first.template, values)


def _no_boxes(parsed: ParsedLabels, class_mapping: ClassMapping) -> BadInput:
    names, classes = class_mapping.renamed, class_mapping.classes
    if class_mapping.classes_file is None or not names:
        return _empty(parsed, Message("dataset.no_box", "no box is left"))
    similar = (nearest(names[0], classes) or classes[0]) if classes else phrase("NAME")
    return bad_input(
        "dataset.no_boxes",
        "{path}: no box is left, since the labels' classes ({labels}) are not those of {file} ({names}).",
        path=parsed.root,
        labels=join_names(sorted(set(names))),
        file=class_mapping.classes_file,
        names=join_names(classes),
        old=names[0],
        new=similar,
    )
