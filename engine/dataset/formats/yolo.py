"""YOLO text: a row `class cx cy w h` for each box, as fractions of the image; names in data.yaml or a classes file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.dataset.classes_file import YOLO_CLASSES_FILES
from engine.dataset.formats.class_names import (
    ClassesFiles,
    find_class_names,
    find_class_names_above,
    is_classes_file,
    report_class_names,
    report_named_above,
)
from engine.dataset.formats.file_tree import FileTree, stem_of
from engine.dataset.formats.image_lists import find_image_lists, listed_images
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.reading_log import MAX_NAMES, relative_path
from engine.dataset.formats.yolo_images import images_of_sources, report_sources
from engine.dataset.formats.yolo_label_files import has_role, is_label_folder, match_label_files
from engine.dataset.formats.yolo_labels import add_labelled_images, is_label_row
from engine.dataset.formats.yolo_left_over import report_left_over
from engine.dataset.formats.yolo_sources import Sources, data_tree, find_sources
from engine.dataset.formats.yolo_yaml import YAML_SUFFIXES, DataYaml, may_be_data_yaml, read_data_yaml, report_data_yaml
from engine.dataset.splits import splits_of_folders
from engine.files import read_text, text_lines
from engine.messages import BadInput, join_names

_YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_MAX_YAML_FILES = 50
_MAX_YAML_DEPTH = 3
_SAMPLED_LABELS = 30
_SAMPLED_LINES = 5


class _ChosenYaml(NamedTuple):
    data: DataYaml
    sources: Sources
    others: tuple[DataYaml, ...]
    """Other files of the folder that could be meant."""


def read_yolo(path: Path, reading: Reading) -> ParsedLabels | None:
    """Every image that a data.yaml names, or every image below a folder without one; None if `path` is no YOLO data set.

    Raises:
        BadInput: its data.yaml cannot be read.
    """
    if path.is_file():
        if path.suffix.lower() not in YAML_SUFFIXES:
            return _read_folder(path.parent, reading) if path.suffix.lower() == ".data" else None
        data = read_data_yaml(path)
        reading.add_file(path)
        sources = find_sources(data)
        return _read(data_tree(data, sources.all, reading, None), _ChosenYaml(data, sources, ()), reading)
    return _read_folder(_root_of(path, reading), reading)


def _read_folder(root: Path, reading: Reading) -> ParsedLabels | None:
    tree = reading.tree(root)
    chosen = _choose_yaml(tree)
    if chosen is not None:
        return _read(data_tree(chosen.data, chosen.sources.all, reading, root), chosen, reading)
    return _read(tree, None, reading) if _looks_like_yolo(tree) else None


def _root_of(folder: Path, reading: Reading) -> Path:
    """The folder that holds both images and labels, where `folder` is one of them or a split in one."""
    tree = reading.tree(folder)
    if tree.images and any(not is_classes_file(file) for file in tree.with_suffix(".txt")):
        return folder
    if not tree.images and not tree.with_suffix(".txt"):
        return folder
    for candidate in (folder, folder.parent):
        try:
            others = [entry for entry in candidate.parent.iterdir() if entry != candidate and entry.is_dir()]
        except OSError:
            continue
        if has_role(candidate.name) and any(entry.name.lower().startswith(("labels", "images")) for entry in others):
            return candidate.parent
    return folder


def _choose_yaml(tree: FileTree) -> _ChosenYaml | None:
    """The data.yaml in a folder or not far below: that which names images that are there, then by its name.

    Raises:
        BadInput: the only one cannot be read.
    """
    found: list[tuple[DataYaml, Sources]] = []
    refusal: BadInput | None = None
    files = [
        file
        for file in tree.with_suffix(*YAML_SUFFIXES)
        if file.count("/") <= _MAX_YAML_DEPTH and may_be_data_yaml(tree.path(file))
    ]
    for file in files[:_MAX_YAML_FILES]:
        try:
            data = read_data_yaml(tree.path(file))
        except BadInput as error:
            refusal = refusal or error
            continue
        sources = find_sources(data)
        if data.names is not None or sources.found:
            found.append((data, sources))
    if not found:
        if refusal is not None and any(file.rpartition("/")[2].lower() in _YAML_NAMES for file in files):
            raise refusal
        return None

    def fit(candidate: tuple[DataYaml, Sources]) -> tuple[bool, bool, int, bool]:
        data, sources = candidate
        has_place = any(not source.by_name for source in sources.found)
        return has_place, bool(sources.found), -len(data.path.parts), data.path.name.lower() in _YAML_NAMES

    data, sources = max(found, key=fit)
    return _ChosenYaml(data, sources, tuple(other for other, _ in found if other is not data))


def _looks_like_yolo(tree: FileTree) -> bool:
    """Whether one of the first text files that are not empty has a row of a label file."""
    looked_at = 0
    stems = {stem_of(image) for image in tree.images}
    for file in sorted(_text_files(tree, ()), key=lambda file: not is_label_folder(file)):
        try:
            lines = text_lines(read_text(tree.path(file)))[:_SAMPLED_LINES]
        except BadInput:
            continue
        may_be_label = is_label_folder(file) or stem_of(file) in stems
        if any(is_label_row(line, only_fractions=not may_be_label) for line in lines):
            return True
        looked_at += bool(lines)
        if looked_at >= _SAMPLED_LABELS:
            break
    return False


def _text_files(tree: FileTree, lists: Sequence[str]) -> Iterator[str]:
    """The text files that may be labels."""
    left_out = set(lists)
    return (file for file in tree.with_suffix(".txt") if file not in left_out and not is_classes_file(file))


def _read(tree: FileTree, chosen: _ChosenYaml | None, reading: Reading) -> ParsedLabels:
    parsed = ParsedLabels(tree, "yolo", "fraction")
    if chosen is not None:
        report_data_yaml(chosen.data, parsed)
        report_sources(chosen.data, chosen.sources, parsed)
        _report_other_yaml(chosen, parsed)
    _set_names(chosen, parsed, reading)
    images, lists = ({}, []) if chosen is None else images_of_sources(chosen.sources, parsed)
    if not images:
        images, more_lists = _images_of_folder(lists, parsed)
        lists += more_lists
    labels = match_label_files(list(images), _text_files(tree, lists))
    is_unnamed = not parsed.names
    add_labelled_images(images, labels, None if chosen is None else chosen.data.keypoints, parsed, reading)
    report_left_over(labels, images, parsed)
    if is_unnamed and not parsed.names:
        parsed.name_classes_by_id()
        parsed.add_finding(
            "info",
            "class.unnamed",
            parsed.root,
            "{file}: no file names the classes; they are called class 0, class 1 and so on.",
        )
    return parsed


def _images_of_folder(read_lists: Sequence[str], parsed: ParsedLabels) -> tuple[dict[str, list[str]], list[str]]:
    """Every image below the root with its splits, by lists other than `read_lists` or by the names of folders; and those lists."""
    images: dict[str, list[str]] = {image: [] for image in parsed.tree.images}
    lists = {file: split for file, split in find_image_lists(parsed.tree).items() if file not in read_lists}
    for file, split in lists.items():
        for image in listed_images(file, (), parsed):
            if split not in images[image]:
                images[image].append(split)
    if not any(images.values()):
        splits = splits_of_folders({image.rpartition("/")[0] for image in images})
        for image, own in images.items():
            if (found := splits.get(image.rpartition("/")[0])) is not None:
                own.append(found)
    return images, list(lists)


def _set_names(chosen: _ChosenYaml | None, parsed: ParsedLabels, reading: Reading) -> None:
    """The class names: those of the data.yaml, else of a file in the data set, else of one above its folder.

    A data.yaml whose images are not there may be that of another data set, which programs bring with them.
    """
    files = find_class_names(parsed.tree, YOLO_CLASSES_FILES)
    yaml_names = None if chosen is None else chosen.data.names
    if chosen is not None and yaml_names is not None:
        is_stale = chosen.data.entries and not chosen.sources.all
        if not (is_stale and files.names):
            parsed.names = list(yaml_names)
            if files.names and files.names != yaml_names[: len(files.names)]:
                files = files._replace(differing=(files.file, *files.differing))
            report_class_names(files, parsed, chosen.data.path)
            return
        if files.names != yaml_names:
            files = files._replace(differing=(relative_path(chosen.data.path, parsed.root), *files.differing))
    if not files.names:
        files = _names_above(parsed.root)
        if files.names:
            reading.add_file(Path(files.file))
            report_named_above(files, parsed)
    parsed.names = list(files.names)
    report_class_names(files, parsed)


def _names_above(root: Path) -> ClassesFiles:
    for name in _YAML_NAMES:
        file = root.parent / name
        try:
            if file.is_file() and (names := read_data_yaml(file).names):
                return ClassesFiles(str(file), names)
        except BadInput:
            continue
    return find_class_names_above(root)


def _report_other_yaml(chosen: _ChosenYaml, parsed: ParsedLabels) -> None:
    groups: dict[bool, list[str]] = defaultdict(list)
    for other in chosen.others:
        groups[other.names == chosen.data.names].append(relative_path(other.path, parsed.root))
    for is_same, names in groups.items():
        parsed.add_finding(
            "info" if is_same else "warning",
            "yaml.several",
            chosen.data.path,
            "{file}: used of several YAML files of data sets; the others: {names}. Name the file itself to choose another.",
            names=join_names(names[:MAX_NAMES]),
        )
