"""Which files below a folder are JSON of labels, by a look at the begin and end of each, and in which encoding they are."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.dataset.formats.file_tree import FileTree, stem_of
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.sniff import is_root_or_home
from engine.dataset.formats.yolo_label_files import has_role
from engine.dataset.splits import split_in_name
from engine.regular_files import MAX_INDEX_BYTES, open_regular_file

_FIRST_LOOK = 1 << 12
_LOOK = 1 << 16
"""Bytes at the begin and at the end of a file."""
_LABEL_FOLDERS = frozenset({"annotations", "annotation", "labels", "label", "json", "jsons", "coco", "labelme"})
_LABEL_SUFFIXES = (".json", ".csv")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def labels_root(path: Path, reading: Reading) -> Path:
    """The folder of the data set that a label file or a folder of labels belongs to: above the folders that hold labels only."""
    if path.is_dir():
        tree = reading.tree(path)
        if tree.images:
            return path if tree.with_suffix(*_LABEL_SUFFIXES) else _above_images(path, reading) or path
        return path.parent if path.name.lower() in _LABEL_FOLDERS else path
    folders = (path.parent, path.parent.parent)
    return next((folder.parent for folder in folders if folder.name.lower() in _LABEL_FOLDERS), path.parent)


def _above_images(folder: Path, reading: Reading) -> Path | None:
    """The folder of the data set that a folder of images belongs to: the one or two above it, where labels lie beside the images.

    Only a folder that is named after its images or its split (`images`, `train2017`) is part of something larger: beside any other one
    the labels may be those of other images.
    """
    for images, parent in zip((folder, folder.parent), folder.parents[:2], strict=False):
        if not has_role(images.name) and split_in_name(images.name) is None:
            return None
        try:
            beside = [entry for entry in parent.iterdir() if entry.name.lower() in _LABEL_FOLDERS and entry.is_dir()]
        except OSError:
            continue
        if not is_root_or_home(parent) and any(reading.tree(entry).with_suffix(*_LABEL_SUFFIXES) for entry in beside):
            return parent
    return None


def split_of_file(file: str, *further: str) -> str | None:
    """The split in the name of a label file, or else of the nearest of its folders; then of `further` names."""
    names = [stem_of(file), *reversed(file.split("/")[:-1]), *further]
    return next((split for name in names if (split := split_in_name(name)) is not None), None)


def json_files_with(tree: FileTree, keys: Sequence[str], not_with: Sequence[str] = ()) -> Iterator[str]:
    """The .json files of a tree that seem to have one of `keys`, and none of `not_with` near their begin."""
    for file in tree.with_suffix(".json"):
        if has_json_key(tree.path(file), keys, not_with):
            yield file


def has_json_key(path: Path, keys: Sequence[str], not_with: Sequence[str] = ()) -> bool:
    """Whether one of `keys` stands in the begin or the end of a file, and none of `not_with` in its first lines."""
    wanted, unwanted = _in_quotes(keys), _in_quotes(not_with)
    try:
        with open_regular_file(path, MAX_INDEX_BYTES) as file:
            head = _ascii(file.read(_FIRST_LOOK))
            if any(key in head for key in unwanted):
                return False
            if any(key in head for key in wanted):
                return True
            head += _ascii(file.read(_LOOK - _FIRST_LOOK))
            if any(key in head for key in wanted):
                return True
            size = os.fstat(file.fileno()).st_size
            if size <= _LOOK:
                return False
            file.seek(max(_LOOK, size - _LOOK))
            tail = _ascii(file.read(_LOOK))
            return any(key in tail for key in wanted)
    except OSError:
        return True  # the reader says why it cannot be read


def marked_encoding(path: Path) -> str | None:
    """The encoding that the byte order mark of a file says; UTF-8 without one, and None if it is another one for certain.

    Raises:
        OSError: the file cannot be read.
    """
    with open_regular_file(path, MAX_INDEX_BYTES) as file:
        head = file.read(4)
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    return marked or (None if b"\0" in head else "utf-8")


def _in_quotes(keys: Sequence[str]) -> list[bytes]:
    return [f'"{key}"'.encode() for key in keys]


def _ascii(content: bytes) -> bytes:
    """`content` without the zeros of UTF-16."""
    return content.replace(b"\0", b"")
