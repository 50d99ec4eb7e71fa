"""The images below a folder: which have labels, where a label file of the others belongs, and how the classes are called."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from engine.dataset.classes_file import STOCK_CLASSES_FILES, YOLO_CLASSES_FILES, find_classes_file, read_class_names
from engine.dataset.formats.class_names import find_class_names, find_class_names_above, is_classes_file
from engine.dataset.formats.detect_format import READERS
from engine.dataset.formats.file_tree import FileTree, ProgressCallback, same_name
from engine.dataset.formats.image_lists import find_image_lists
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.sniff import is_root_or_home
from engine.dataset.formats.voc.annotation import Annotation, parse_annotation
from engine.dataset.formats.voc.places import ImagesByStem, voc_tree
from engine.dataset.formats.voc.reader import MAX_XML_BYTES
from engine.dataset.formats.yolo_label_files import match_label_files
from engine.dataset.formats.yolo_yaml import YAML_SUFFIXES, may_be_data_yaml, read_data_yaml
from engine.messages import BadInput, bad_input, did_you_mean
from engine.regular_files import read_regular_file

LabelFormat = Literal["voc", "yolo"]
LABEL_FORMATS: tuple[LabelFormat, ...] = ("voc", "yolo")
PROPOSED_LIST = "proposed.txt"
"""The list of the images whose YOLO labels are proposed: a row of a YOLO file has no room for a mark."""
_MASK_FOLDER = "/segmentation"
"""The start of VOC's folders of masks."""


@dataclass(frozen=True, slots=True)
class FolderLabels:
    """What is below a folder; all paths are absolute."""

    folder: Path
    format: str | None
    """Of the labels that are there; None: there is no box."""
    images: tuple[Path, ...]
    """Every image below the folder."""
    label_of: Mapping[Path, Path | None]
    """The label file of each image that has one; None: its labels are in a file with those of other images."""
    names: tuple[str, ...]
    """The class names of the data set: by class id for YOLO; for VOC those that its classes.txt allows. Empty: any."""
    names_source: Path
    """The file or folder that the names are from."""

    def unlabelled(self) -> list[Path]:
        """The images without labels."""
        return [image for image in self.images if image not in self.label_of]


def parse_label_format(word: str) -> LabelFormat:
    """The value of --to.

    Raises:
        BadInput: labels are not proposed in that format.
    """
    for known in LABEL_FORMATS:
        if word == known:
            return known
    raise bad_input(
        "label.format",
        "--to {word}: it is voc or yolo{hint}",
        word=word,
        hint=did_you_mean(word, LABEL_FORMATS),
    )


def read_folder_labels(folder: Path, to: LabelFormat | None, progress: ProgressCallback | None = None) -> FolderLabels:
    """What is below `folder`, read for labels in the format `to`; None: in the format that is there.

    Args:
        folder: a folder with images, at any level of the tree of a data set.
        to: the format in which labels are to be written.
        progress: called with the number of files read and of all (0: not known yet); may raise to cancel.

    Raises:
        BadInput: it is no folder, has no image, or has labels in another format than `to`.
    """
    folder = _checked_folder(folder)
    reading = Reading(progress)
    images = tuple(folder / image for image in reading.tree(folder).images if _MASK_FOLDER not in f"/{image}".lower())
    if not images:
        raise bad_input("predict.no_pictures", "{path}: there is no image in this folder.", path=folder)
    parsed = _read_all(folder, to, reading)
    # A reader may find the data set in a folder above; only labels of images in this one count.
    inside = set(images)
    with_boxes = {
        name: {image for file in result.images_with_boxes() if (image := result.root / file) in inside}
        for name, result in parsed.items()
    }
    own = max(with_boxes, key=lambda name: len(with_boxes[name]), default=None)
    if own is None or not with_boxes[own]:
        own = None
    elif to is not None and own != to:
        raise _other_format(folder, own, to)
    label_of: dict[Path, Path | None] = {image: None for labelled in with_boxes.values() for image in labelled}
    label_format = to or own
    if label_format == "voc":
        label_of.update(_voc_label_files(folder, reading))
    elif label_format == "yolo":
        label_of.update(_yolo_label_files(parsed["yolo"].tree if "yolo" in parsed else reading.tree(folder)))
    names, source = _class_names(folder, label_format, parsed, reading, has_labels=bool(label_of))
    return FolderLabels(folder, own, images, label_of, names, source)


def data_root(folder: Path) -> Path:
    """The folder that holds images and labels, for a folder of images: that above `images`."""
    for parent in (folder, folder.parent):
        if same_name(parent.name) in ("images", "jpegimages"):
            return parent.parent
    return folder


class LabelPlaces:
    """Where the label file of an image belongs: where those of its neighbours are, else where the format has them."""

    def __init__(self, labels: FolderLabels, to: LabelFormat) -> None:
        neighbours: defaultdict[Path, Counter[Path]] = defaultdict(Counter)
        for image, label_file in labels.label_of.items():
            if label_file is not None:
                neighbours[image.parent][label_file.parent] += 1
        self._known = {folder: counts.most_common(1)[0][0] for folder, counts in neighbours.items()}
        self._first_part = len(labels.folder.parts) - 2
        """Of a path only the folder, the one above it, and those below may say that they hold images."""
        self._to: LabelFormat = to

    def of(self, image: Path) -> Path:
        """The path of the image's label file, which may exist."""
        if image.parent not in self._known:
            self._known[image.parent] = self._usual_folder(image.parent)
        return self._known[image.parent] / f"{image.stem}.{'xml' if self._to == 'voc' else 'txt'}"

    def _usual_folder(self, folder: Path) -> Path:
        parts = folder.parts
        for index in range(len(parts) - 1, max(0, self._first_part) - 1, -1):
            name = same_name(parts[index])
            above = Path(*parts[:index])
            if self._to == "yolo" and name == "images":
                return above.joinpath(_existing_name(above, "labels") or "labels", *parts[index + 1 :])
            if self._to == "voc" and name in ("jpegimages", "images"):
                existing = _existing_name(above, "Annotations")
                if existing is not None or name == "jpegimages":
                    return above.joinpath(existing or "Annotations", *parts[index + 1 :])
        return folder


def _checked_folder(folder: Path) -> Path:
    folder = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100  resolve() would follow links
    if not folder.exists():
        raise bad_input("dataset.missing", "{path}: there is no such folder.", path=folder)
    if not folder.is_dir():
        raise bad_input("label.no_folder", "{path}: this is no folder; give the folder of the images.", path=folder)
    if is_root_or_home(folder):
        raise bad_input(
            "dataset.whole_disk",
            "{path}: this is the whole disk or your home folder; choose the folder of the data set itself.",
            path=folder,
        )
    return folder


def _read_all(folder: Path, to: LabelFormat | None, reading: Reading) -> dict[str, ParsedLabels]:
    """What each reader makes of the folder."""
    parsed: dict[str, ParsedLabels] = {}
    for name, read in READERS.items():
        try:
            result = read(folder, reading)
        except BadInput:
            if name == to:
                raise
            continue
        if result is not None:
            parsed[name] = result
    return parsed


def _other_format(folder: Path, own: str, to: LabelFormat) -> BadInput:
    if own in LABEL_FORMATS:
        return bad_input(
            "label.other_format",
            "--to {to}: the labels in {path} are {format}, and others beside them would not be read; give --to {format}.",
            to=to,
            path=folder,
            format=own,
        )
    return bad_input(
        "label.other_format",
        "--to {to}: the labels in {path} are {format}, and others beside them would not be read; first write the data set in that "
        "format: freezetui data convert {path} --to {to} OUT",
        to=to,
        path=folder,
        format=own,
    )


def _voc_label_files(folder: Path, reading: Reading) -> dict[Path, Path | None]:
    tree = voc_tree(folder, reading)
    if tree is None:
        return {}
    images = ImagesByStem(tree)
    found: dict[Path, Path | None] = {}
    for label_file in tree.with_suffix(".xml"):
        if match := images.find(label_file, _annotation(tree.path(label_file))).file:
            found[tree.path(match)] = tree.path(label_file)
    return found


def _annotation(path: Path) -> Annotation:
    """What an XML file says; nothing if it cannot be read: it belongs to the image of its name all the same."""
    try:
        return parse_annotation(read_regular_file(path, MAX_XML_BYTES)) or Annotation()
    except (OSError, ParseError, DefusedXmlException):
        return Annotation()


def _yolo_label_files(tree: FileTree) -> dict[Path, Path | None]:
    lists = find_image_lists(tree)
    text_files = (
        file
        for file in tree.with_suffix(".txt")
        if file not in lists and not is_classes_file(file) and file.rpartition("/")[2] != PROPOSED_LIST
    )
    matches = match_label_files(tree.images, text_files).of_image
    return {tree.path(image): tree.path(file) for image, file in matches.items()}


def _class_names(
    folder: Path, format: str | None, parsed: Mapping[str, ParsedLabels], reading: Reading, *, has_labels: bool
) -> tuple[tuple[str, ...], Path]:
    """The names that labels of a format must have, and where they are from."""
    if format == "voc":
        root = parsed["voc"].root if "voc" in parsed else data_root(folder)
        file = find_classes_file(root, ("classes.txt",))
        return ((), root) if file is None else (tuple(read_class_names(file)), file)
    if format != "yolo":
        return (), folder
    own = parsed.get("yolo")
    tree = reading.tree(folder) if own is None else own.tree
    files = find_class_names(tree, YOLO_CLASSES_FILES)
    if not files.names:
        files = find_class_names_above(tree.root)
    if own is not None and own.names:
        names = tuple(own.names)
        return names, tree.root / files.file if files.names == names else _yaml_with(names, tree) or tree.root
    is_stock = same_name(files.file.rpartition("/")[2]) in STOCK_CLASSES_FILES
    if not files.names or (is_stock and not has_labels):
        return (), folder
    return files.names, tree.root / files.file


def _yaml_with(names: tuple[str, ...], tree: FileTree) -> Path | None:
    """The data.yaml that has these class names."""
    for file in tree.with_suffix(*YAML_SUFFIXES):
        try:
            if may_be_data_yaml(tree.path(file)) and read_data_yaml(tree.path(file)).names == names:
                return tree.path(file)
        except BadInput:
            continue
    return None


def _existing_name(folder: Path, name: str) -> str | None:
    """The folder in `folder` that is called `name`, in any letter case."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if same_name(entry.name) == same_name(name) and entry.is_dir()]
    except OSError:
        return None
    return name if name in found else next(iter(sorted(found)), None)
