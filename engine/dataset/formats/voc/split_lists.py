"""The splits of a VOC data set: lists of names in ImageSets/Main or beside the data, else the names of folders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from posixpath import normpath
from typing import NamedTuple

from engine.dataset.formats.file_tree import FileTree, posix_name, same_name, stem_of, suffix_of
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.formats.reading_log import MAX_NAMES
from engine.dataset.formats.voc.places import common_length, place_of
from engine.dataset.image_files import IMAGE_SUFFIXES, UNREAD_IMAGE_SUFFIXES
from engine.dataset.splits import SPLITS, split_in_name
from engine.files import error_reason, text_lines
from engine.messages import join_names
from engine.regular_files import MAX_TEXT_BYTES, read_regular_file
from engine.text_encoding import decode_text

_SUFFIXES = IMAGE_SUFFIXES | UNREAD_IMAGE_SUFFIXES | {".xml"}
_NUMBERS = (re.compile(r"\s+-?[01]$"), re.compile(r"(\s+-?\d{1,6}){1,8}$"))
"""What follows the name in a list of one class (1, 0 or -1), of ImageNet and of the Oxford pets."""
_BOX = re.compile(r"\s-?\d+(\.\d+)?(,-?\d+(\.\d+)?){3}")
_BOTH = "trainval"
_OTHER_TASKS = frozenset({"layout", "segmentation", "action"})
_MAX_LISTS = 20
_SAMPLED_LINES = 20


class _List(NamedTuple):
    """A list of the images of one split."""

    file: str
    split: str
    """train, val, test or trainval."""
    is_whole: bool
    """Whether its name is that of the split; `train_val` has the images of VOC's class "train"."""
    lines: list[str]


def assign_splits(image_of: Mapping[str, str], parsed: ParsedLabels) -> None:
    """Put images into the splits that lists define; where there is no list, into those that folders are named after.

    Args:
        image_of: each XML file and its image, "" where the file is left out.
        parsed: has the images already; gets the splits and the findings.
    """
    listed: set[str] = set()
    for folder, files in sorted(_files_by_folder(parsed.tree).items()):
        inside = {file: image for file, image in image_of.items() if not folder or file.startswith(folder + "/")}
        finder = _LabelFinder(folder, inside)
        lists = [found for file in files if (found := _read_list(file, parsed)) is not None]
        others = [found for found in lists if not ("imagesets" in found.file.lower() or _is_of(found, finder))]
        if others:
            parsed.add_finding(
                "info",
                "split.other_list",
                parsed.root,
                "{file}: text files that may be lists of a split, but name none of these annotations: {names}; not used.",
                names=join_names([found.file for found in others[:MAX_NAMES]]),
            )
        lists = [found for found in lists if found not in others]
        if lists:
            listed.update(inside)
            _apply(lists, finder, inside, parsed)
    for label_file, image in image_of.items():
        if image and label_file not in listed and (split := _split_of_folders(image, label_file)) is not None:
            parsed.set_split(image, split)


def _files_by_folder(tree: FileTree) -> Mapping[str, list[str]]:
    """The lists for the XML files below each folder: those of ImageSets/Main, else of ImageSets, else of the folders themselves."""
    by_rank: list[defaultdict[str, list[str]]] = [defaultdict(list) for _ in range(3)]
    for folder, files in tree.folders.items():
        lists = [file for file in files if suffix_of(file) == ".txt" and _split_of_list(file) is not None]
        if not lists:
            continue
        base, below = _around_image_sets(folder)
        if below is None:
            if len(lists) <= _MAX_LISTS:  # more are YOLO labels of images that are called train_0001 and so on
                by_rank[2][base] += lists
        elif below == "main":
            by_rank[0][base] += lists
        elif below.partition("/")[0] not in _OTHER_TASKS:
            by_rank[1][base] += lists
    return {**by_rank[1], **by_rank[0]} or by_rank[2]


def _around_image_sets(folder: str) -> tuple[str, str | None]:
    """The folder that ImageSets is in, and the path below ImageSets in lower case; None if `folder` is not in ImageSets."""
    parts = folder.split("/")
    lower = [part.lower() for part in parts]
    if "imagesets" not in lower:
        return folder, None
    index = lower.index("imagesets")
    return "/".join(parts[:index]), "/".join(lower[index + 1 :])


def _split_of_list(file: str) -> str | None:
    """The split that a list is for: `val` of cat_val.txt, and of VOC's train_val.txt."""
    stem = stem_of(file).lower()
    if stem.endswith(_BOTH):
        return _BOTH
    return split_in_name(re.split(r"[\s_.-]", stem)[-1]) or split_in_name(stem)


def _read_list(file: str, parsed: ParsedLabels) -> _List | None:
    try:
        decoded = decode_text(read_regular_file(parsed.tree.path(file), MAX_TEXT_BYTES))
    except OSError as error:
        parsed.add_finding(
            "error",
            "split.unreadable",
            parsed.tree.path(file),
            "{file}: this list of a split cannot be read ({reason}).",
            reason=error_reason(error),
        )
        return None
    parsed.add_encoding(decoded, parsed.tree.path(file))
    split = _split_of_list(file) or _BOTH
    return _List(file, split, stem_of(file).rstrip("0123456789").isalpha(), text_lines(decoded.text))


def _is_of(found: _List, finder: _LabelFinder) -> bool:
    """Whether a list outside of ImageSets has names of XML files or their images, and no boxes."""
    lines = found.lines[:_SAMPLED_LINES]
    return not any(map(_BOX.search, lines)) and any(map(finder.find, lines))


def _apply(lists: Sequence[_List], finder: _LabelFinder, image_of: Mapping[str, str], parsed: ParsedLabels) -> None:
    """Put the listed images into their splits: trainval is train where no list is, without what is in val or test."""
    done: set[str] = set()
    for split in (*SPLITS, _BOTH):
        of_split = [found for found in lists if found.split == split]
        if split == _BOTH and any(found.split == "train" for found in lists):
            return
        for found in [found for found in of_split if found.is_whole] or of_split:
            for label_file in _find_lines(found, finder, parsed):
                image = image_of[label_file]
                if image and not (split == _BOTH and label_file in done):
                    parsed.set_split(image, "train" if split == _BOTH else split)
                done.add(label_file)


def _find_lines(found: _List, finder: _LabelFinder, parsed: ParsedLabels) -> Iterator[str]:
    """The XML file of each line of a list; the lines without one are reported."""
    missing: list[str] = []
    outside: list[str] = []
    parsed.see("line", len(found.lines))
    for line in found.lines:
        if (label_file := finder.find(line)) is not None:
            parsed.keep("line")
            yield label_file
        elif normpath(posix_name(line)).startswith(".."):
            outside.append(line)
        else:
            missing.append(line)
    path = parsed.tree.path(found.file)
    if missing:
        parsed.leave_out(
            "line",
            "error",
            "label.missing",
            path,
            "{file}: names in this list that no annotation has, or several have: {count} ({names}); left out.",
            count=len(missing),
            names=join_names(missing[:MAX_NAMES]),
        )
    if outside:
        parsed.leave_out(
            "line",
            "error",
            "label.outside_dataset",
            path,
            "{file}: names in this list that are outside the data set: {count} ({names}); left out.",
            count=len(outside),
            names=join_names(outside[:MAX_NAMES]),
        )


def _split_of_folders(image: str, label_file: str) -> str | None:
    """The split that a folder of an image or of its XML file is named after."""
    folders = (folder for file in (image, label_file) for folder in file.split("/")[:-1])
    return next((split for folder in folders if (split := split_in_name(folder)) is not None), None)


class _LabelFinder:
    """Finds the XML file that a line of a list means: by its name or by that of its image, with or without suffix and folders."""

    def __init__(self, folder: str, image_of: Mapping[str, str]) -> None:
        """`image_of`: the XML files below `folder`, and their images."""
        self._prefix_length = len(folder) + 1 if folder else 0
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        for label_file, image in image_of.items():
            for name in {same_name(stem_of(label_file)), same_name(stem_of(image))} - {""}:
                self._by_name[name].append(label_file)

    def find(self, line: str) -> str | None:
        """The XML file; None if there is none, or several fit equally well."""
        for form in _forms(line):
            path = posix_name(form)
            folder, _, name = path.rpartition("/")
            labels = self._by_name.get(same_name(name))
            if labels is None and suffix_of(name) in _SUFFIXES:
                labels = self._by_name.get(same_name(stem_of(name)))
            if labels is not None:
                return self._best(labels, folder)
        return None

    def _best(self, labels: Sequence[str], folder: str) -> str | None:
        if len(labels) == 1:
            return labels[0]
        place = place_of(folder)

        def fit(label_file: str) -> tuple[bool, int]:
            own = place_of(label_file[self._prefix_length :].rpartition("/")[0])
            return own == place, common_length(own[::-1], place[::-1])

        fits = [fit(label_file) for label_file in labels]
        best = max(fits)
        return None if fits.count(best) > 1 else labels[fits.index(best)]


def _forms(line: str) -> Iterator[str]:
    """The names that a line may be, the likeliest first."""
    yield line
    yield line.strip("\"'")
    for numbers in _NUMBERS:
        if (name := numbers.sub("", line)) != line:
            yield name.strip("\"'")
    first = line.split(maxsplit=1)[0]
    if suffix_of(first) in _SUFFIXES or "/" in first:  # PaddleDetection: images/a.jpg annotations/a.xml
        yield first
