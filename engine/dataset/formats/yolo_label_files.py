"""Which label file belongs to which image: in parallel folders, beside each other, or alone of their name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from engine.dataset.formats.file_tree import same_name, stem_of, suffix_of
from engine.dataset.formats.label_studio import without_upload_prefix
from engine.dataset.image_files import IMAGE_SUFFIXES

_IMAGE_WORDS = frozenset({"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "frames"})
_LABEL_WORDS = frozenset(
    {"labels", "label", "annotations", "annotation", "annots", "anns", "txt", "txts", "yolo", "darknet", "bbox"}
)
_ROLE_WORDS = _IMAGE_WORDS | _LABEL_WORDS
"""Words of the names of folders that say what is in them, not which part of the data set."""
_BORDER = re.compile(r"[\s_.\-]+")
_MAX_COMPARISONS = 10_000
"""Of images and label files of one name."""


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """Label files by their images."""

    of_image: Mapping[str, str]
    """The label file of each image that has one."""
    by_name: tuple[str, ...]
    """Label files in no usual place, found by their names."""
    shared: tuple[str, ...]
    """Label files that several images have."""
    left_over: tuple[str, ...]
    """Text files that belong to no image."""


def match_label_files(images: Sequence[str], text_files: Iterable[str]) -> LabelFiles:
    """Find the label file of each image.

    `images/train/a.jpg` has `labels/train/a.txt`, in any letter case and with other words for both folders at any level; `a.txt` beside it;
    or, where only one image and one text file are called so, that file.

    Args:
        images: paths.
        text_files: the files that may be labels.
    """
    files = list(text_files)
    by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
    places = _Places()
    for file in files:
        by_place[places.of(file), same_name(stem_of(file))].append(file)
    of_image: dict[str, str] = {}
    for image in images:
        place = places.of(image)
        # Some tools write a.jpg.txt.
        for name in (stem_of(image), image.rpartition("/")[2]):
            if candidates := by_place.get((place, same_name(name))):
                of_image[image] = min(candidates, key=lambda file: _distance(image, file))
                break
    used = set(of_image.values())
    unlabelled = [image for image in images if image not in of_image]
    by_name = _match_by_name(unlabelled, [file for file in files if file not in used], places)
    counts: dict[str, int] = defaultdict(int)
    for file in of_image.values():
        counts[file] += 1
    of_image.update(by_name)
    used.update(by_name.values())
    return LabelFiles(
        of_image,
        tuple(by_name.values()),
        tuple(file for file, count in counts.items() if count > 1),
        tuple(file for file in files if file not in used),
    )


def is_label_folder(file: str) -> bool:
    """Whether a file lies in a folder whose name says that it holds labels."""
    return any(word in _LABEL_WORDS for part in file.split("/")[:-1] for word in _BORDER.split(part.lower()))


def has_role(folder: str) -> bool:
    """Whether the name of a folder says that it holds images or labels."""
    return any(word in _ROLE_WORDS for word in _BORDER.split(folder.lower()))


class _Places:
    """The folders of files without what only says whether they hold images or labels."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, file: str) -> str:
        folder = file.rpartition("/")[0]
        if folder not in self._known:
            parts = (
                "_".join(w for w in _BORDER.split(same_name(part)) if w not in _ROLE_WORDS)
                for part in folder.split("/")
            )
            self._known[folder] = "/".join(part for part in parts if part)
        return self._known[folder]


def _distance(image: str, file: str) -> tuple[int, int, str]:
    """How far from each other an image and a label file of its name are: first the parallel folder, then the same, then others."""
    image_parts, parts = image.lower().split("/")[:-1], file.lower().split("/")[:-1]
    if image_parts == parts:
        return 1, 0, file
    is_parallel = (
        len(image_parts) == len(parts) and "labels" in parts and parts.count("labels") > image_parts.count("labels")
    )
    return 0 if is_parallel else 2, abs(len(image_parts) - len(parts)), file


def _match_by_name(images: Collection[str], files: Collection[str], places: _Places) -> dict[str, str]:
    """The label files of images that are the only ones of their name, or whose folders agree best."""
    if not images or not files:
        return {}
    images_of: dict[str, list[str]] = defaultdict(list)
    for image in images:
        images_of[_loose_name(stem_of(image))].append(image)
    files_of: dict[str, list[str]] = defaultdict(list)
    for file in files:
        stem = stem_of(file)
        files_of[_loose_name(stem_of(stem) if suffix_of(stem) in IMAGE_SUFFIXES else stem)].append(file)
    matches: dict[str, str] = {}
    for name, rivals in files_of.items():
        matches.update(_match_one_name(images_of.get(name, []), rivals, places))
    return matches


def _match_one_name(images: Sequence[str], files: Sequence[str], places: _Places) -> dict[str, str]:
    """The label files of images of one name."""
    if not images:
        return {}
    if len(images) == len(files) == 1:
        return {images[0]: files[0]}
    # In many folders, as frames of videos: the folder that the file lies in decides.
    images_in, files_in = _by_last_folder(images, places), _by_last_folder(files, places)
    pairs = {
        images_in[key][0]: files_in[key][0]
        for key in images_in
        if len(images_in[key]) == len(files_in.get(key, ())) == 1
    }
    if pairs or len(images) * len(files) > _MAX_COMPARISONS:
        return pairs
    for image in images:
        best = _best(files, image, places)
        if best is not None and _best(images, best, places) == image:
            pairs[image] = best
    return pairs


def _by_last_folder(files: Sequence[str], places: _Places) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for file in files:
        groups[places.of(file).rpartition("/")[2]].append(file)
    return groups


def _best(candidates: Sequence[str], file: str, places: _Places) -> str | None:
    """The candidate whose folders agree best with those of `file`; None if several do."""
    parts = set(places.of(file).split("/"))
    agreement = [len(parts.intersection(places.of(candidate).split("/"))) for candidate in candidates]
    best = max(agreement)
    return candidates[agreement.index(best)] if agreement.count(best) == 1 else None


def _loose_name(stem: str) -> str:
    return same_name(without_upload_prefix(unquote(stem)))
