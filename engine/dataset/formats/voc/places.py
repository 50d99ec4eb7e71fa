"""Where the files of a VOC data set lie: the root of its tree, and the image of each XML file."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath

from engine.dataset.formats.file_tree import FileTree, Match, posix_name, same_name, stem_of, suffix_of
from engine.dataset.formats.reading import Reading
from engine.dataset.formats.sniff import is_root_or_home
from engine.dataset.formats.voc.annotation import Annotation
from engine.dataset.image_files import IMAGE_SUFFIXES
from engine.dataset.splits import split_in_name

_ROLE_WORDS = frozenset(
    (
        *(
            "annotations",
            "annotation",
            "annots",
            "annot",
            "annos",
            "anno",
            "anns",
            "ann",
            "xmls",
            "xml",
            "labels",
            "label",
        ),
        *(
            "jpegimages",
            "jpegimage",
            "images",
            "image",
            "imgs",
            "img",
            "pics",
            "pictures",
            "photos",
            "jpegs",
            "jpgs",
            "pngs",
            "data",
        ),
    )
)
"""Words in the names of folders that say which kind of file is in them."""
_WORD_ENDS = re.compile(r"[\s_.-]+")
_MAX_LEVELS = 3
"""`Annotations/xmls/train` is so many levels below the root."""
_MAX_ENTRIES = 500
"""Of a folder beside the one that was chosen at most so many entries are listed."""

Place = tuple[str, ...]


@lru_cache(4096)
def place_of(folder: str) -> Place:
    """The folders of a path without what names their role: XML file and image have the same place.

    `Annotations/day1` and `JPEGImages/day1`, or `train_annots` and `train_images`, are the same place.
    """
    names = (
        "_".join(word for word in _WORD_ENDS.split(same_name(part)) if word and word not in _ROLE_WORDS)
        for part in PurePosixPath(folder).parts
    )
    return tuple(name for name in names if name)


def voc_tree(path: Path, reading: Reading) -> FileTree | None:
    """The files of the data set that a folder belongs to, which may be any level of its tree; None if there is no XML file."""
    tree = reading.tree(path)
    label_files = tree.with_suffix(".xml")
    if not (label_files and tree.images):
        missing = IMAGE_SUFFIXES if label_files else frozenset({".xml"})
        if (label_files or tree.images) and (parent := _folder_with_both(path, missing)) is not None:
            return voc_tree(parent, reading)
    if not label_files:
        return None
    files = label_files + tree.images
    common = os.path.commonpath({file.rpartition("/")[0] for file in files}).replace(os.sep, "/")
    parts = common.split("/") if common else []
    depth = max((n for n, part in enumerate(parts, 1) if part.lower().startswith("voc")), default=0)
    return tree.below("/".join(parts[:depth])) if depth else tree


def _folder_with_both(path: Path, missing: frozenset[str]) -> Path | None:
    """The folder above `path` that has files with a `missing` suffix in a folder for them."""
    for folder in (path, *path.parents)[:_MAX_LEVELS]:
        if place_of(folder.name) and split_in_name(folder.name) is None:
            return None
        if is_root_or_home(folder.parent):
            return None
        if any(_has_file(beside, missing) for beside in _role_folders(folder.parent) if beside.name != folder.name):
            return folder.parent
    return None


def _role_folders(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_dir() and not place_of(entry.name):
            yield Path(entry.path)


def _has_file(folder: Path, suffixes: frozenset[str]) -> bool:
    """Whether a folder or a folder in it has a file with one of these suffixes."""
    entries = list(_entries(folder))
    if any(suffix_of(entry.name) in suffixes for entry in entries):
        return True
    below = (inner for entry in entries[:_MAX_LEVELS] if entry.is_dir() for inner in _entries(Path(entry.path)))
    return any(suffix_of(entry.name) in suffixes for entry in below)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(islice(entries, _MAX_ENTRIES))
    except OSError:
        return []


class ImagesByStem:
    """Finds the image of an XML file."""

    def __init__(self, tree: FileTree) -> None:
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        for image in tree.images + tree.unread_images:
            self._by_stem[same_name(stem_of(image))].append(image)
            self._by_name[same_name(image.rpartition("/")[2])].append(image)

    def find(self, label_file: str, annotation: Annotation) -> Match:
        """The image with the stem of the XML file, else the one that <filename> names; of several, the one that both name."""
        stem = stem_of(label_file)
        filename = posix_name(annotation.filename).rpartition("/")[2]
        for name in (stem, filename) if filename else (stem,):
            key = same_name(name)
            images = self._by_name.get(key) or self._by_stem.get(key)  # some tools write a.jpg.xml for a.jpg
            if not images and suffix_of(key) in IMAGE_SUFFIXES:  # the image was converted since
                images = self._by_stem.get(stem_of(key))
            if images:
                return _best(images, name, label_file, annotation)
        return Match("", "missing")


def _best(images: Sequence[str], name: str, label_file: str, annotation: Annotation) -> Match:
    """The image whose place, name and folders fit an XML file best."""
    folder = label_file.rpartition("/")[0]
    place = place_of(folder)
    if len(images) == 1:
        return Match(images[0], by_name=place_of(images[0].rpartition("/")[0]) != place)
    filename = same_name(posix_name(annotation.filename).rpartition("/")[2])
    labelled_at = PurePosixPath(same_name(posix_name(annotation.path or annotation.filename))).parts

    def fit(image: str) -> tuple[bool, bool, bool, bool, int, int]:
        parent, _, base_name = image.rpartition("/")
        return (
            place_of(parent) == place,
            stem_of(base_name) == name,
            same_name(base_name) == filename,
            parent == folder,
            common_length(PurePosixPath(same_name(image)).parts[::-1], labelled_at[::-1]),
            common_length(place_of(parent), place),
        )

    fits = [fit(image) for image in images]
    best = max(fits)
    if fits.count(best) > 1:
        return Match("", "ambiguous")
    return Match(images[fits.index(best)], by_name=not best[0])


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """How many first items are equal."""
    pairs = zip(first, second, strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
