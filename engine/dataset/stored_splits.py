"""The splits of a run in its dataset.json, and what its images and boxes were: a resumed run trains on what it started with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError

from engine.dataset.index import Dataset
from engine.dataset.splits import SPLITS
from engine.messages import Message, bad_input, gettext_noop, join_names, join_phrases, phrase

DATA_CHANGED = "resume.data_changed"
DATA_MISSING = "resume.data_missing"
"""Code of the error where the data set of a run has changed and that was not accepted."""
_SHOWN_NAMES = 3
_HASHED_WHOLE = 256 * 2**10
"""Bytes. Of a larger file in a compressed format only blocks are read: a change of the image changes its size, and all that
follows the change in the file."""
_UNCOMPRESSED = frozenset({".bmp", ".dib", ".pgm", ".ppm", ".pbm", ".pnm", ".tif", ".tiff"})
_BLOCKS, _BLOCK_BYTES = 8, 16 * 2**10
_READERS = 4
"""Threads; hashing and reading release the interpreter."""

Content = tuple[Annotated[int, Field(ge=0)], int, str]
"""Size in bytes, time of the last change in nanoseconds, hash."""


class StoredSplits(BaseModel):
    """The content of dataset.json. Runs of earlier versions have no `labels` and no `content`."""

    model_config = ConfigDict(extra="ignore", strict=True)

    splits: dict[str, list[InstanceOf[str]]]  # a name that is not valid UTF-8 is no `str` to pydantic
    classes: list[InstanceOf[str]] | None = None
    drawn: bool = False
    fingerprint: str | None = None
    labels: dict[str, list[str]] | None = None
    """For each image of each split, the hash of its boxes and their classes."""
    content: dict[str, list[Content | None]] | None = None

    @property
    def images(self) -> list[str]:
        """The images of all splits."""
        return [path for name in SPLITS for path in self.splits.get(name, [])]

    @property
    def all_labels(self) -> list[str] | None:
        """The hash of the boxes of each of `images`."""
        labels = self.labels
        return None if labels is None else [one for name in SPLITS for one in labels.get(name, [])]

    @property
    def all_content(self) -> list[Content | None] | None:
        """The content of each of `images`."""
        content = self.content
        return None if content is None else [one for name in SPLITS for one in content.get(name, [])]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A data set with the splits of a run, and how it differs from what the run started with.

    `gone`: images of a split that no longer exist; they are in no split of `dataset`. `other_boxes`, `other_content`: images
    whose boxes, classes or files have changed. `classes_then` where the classes are others; boxes of classes that the run does
    not have are left out. Images that were added later are in no split.
    """

    dataset: Dataset
    gone: tuple[str, ...] = ()
    other_boxes: tuple[str, ...] = ()
    other_content: tuple[str, ...] = ()
    classes_now: tuple[str, ...] = ()
    classes_then: tuple[str, ...] = ()
    fingerprint_differs: bool = False

    def describe(self) -> Message | str:
        """What has changed, as a phrase; "" where nothing has."""
        groups = (
            (gettext_noop("images that are missing: {count} ({names})"), self.gone),
            (gettext_noop("images with other boxes or classes: {count} ({names})"), self.other_boxes),
            (gettext_noop("images with another content: {count} ({names})"), self.other_content),
        )
        parts = [
            phrase(template, count=len(names), names=join_names(names, _SHOWN_NAMES))
            for template, names in groups
            if names
        ]
        if self.classes_then:
            now, then = join_names(self.classes_now), join_names(self.classes_then)
            parts.append(phrase("the classes are {now}, not {then}", now=now, then=then))
        if self.fingerprint_differs:
            parts.append(phrase("the boxes of some images, or their classes"))
        return join_phrases(parts, "; ")


def splits_to_json(dataset: Dataset) -> dict[str, Any]:
    """The content of dataset.json: the images of each split, and hashes of their boxes and their content."""
    paths = [dataset.image_path(int(index)) for name in SPLITS for index in dataset.splits[name]]
    contents = iter(_read_contents(paths))
    return {
        "root": str(dataset.root),
        "format": dataset.format,
        "classes": list(dataset.classes),
        "drawn": dataset.splits_drawn,
        "splits": {name: [dataset.images[i] for i in dataset.splits[name]] for name in SPLITS},
        "fingerprint": fingerprint(dataset),
        "labels": {name: [_hash_of_boxes(dataset, int(i)) for i in dataset.splits[name]] for name in SPLITS},
        "content": {name: [next(contents) for _ in dataset.splits[name]] for name in SPLITS},
    }


def parse_splits(stored: Mapping[str, Any], path: Path) -> StoredSplits:
    """The content of dataset.json at `path`.

    Raises:
        BadInput: a value is missing or of another type; the message names it.
    """
    try:
        parsed = StoredSplits.model_validate(_as_tuples(stored))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise bad_input(
            "run.broken_dataset_value",
            "{path}: {key} is not that of a run's list of images ({reason}).",
            path=path,
            key=".".join(map(str, first["loc"][:3])),
            reason=first["msg"],
        ) from error
    for key, values in (("labels", parsed.all_labels), ("content", parsed.all_content)):
        if values is not None and len(values) != len(parsed.images):
            raise bad_input(
                "run.broken_dataset_value",
                "{path}: {key} is not that of a run's list of images ({reason}).",
                path=path,
                key=key,
                reason=phrase("{found} values for {wanted} images", found=len(values), wanted=len(parsed.images)),
            )
    return parsed


def compare(dataset: Dataset, stored: StoredSplits) -> Comparison:
    """`dataset` with the splits of a run, and how it differs from what the run started with.

    An image is recognised by its path below the data set, else by its content, else (where that is not stored) by a name that
    only one image has.
    """
    classes_now = dataset.classes
    if stored.classes is not None and tuple(stored.classes) != classes_now:
        dataset = _with_classes(dataset, tuple(stored.classes))
    names, contents, labels = stored.images, stored.all_content, stored.all_labels
    found = _find_images(dataset, names, contents)
    present = [position for position, index in enumerate(found) if index is not None]
    indices = [index for index in found if index is not None]
    restored = _with_splits(dataset, stored, found)
    other_boxes: list[str] = []
    if labels is not None:
        hashes = (_hash_of_boxes(dataset, index) for index in indices)
        other_boxes = [names[at] for at, now in zip(present, hashes, strict=True) if labels[at] != now]
    other_content: list[str] = []
    if contents is not None:
        is_same = _same_contents(
            [(dataset.image_path(i), contents[at]) for at, i in zip(present, indices, strict=True)]
        )
        other_content = [names[at] for at, same in zip(present, is_same, strict=True) if not same]
    is_old = labels is None and stored.fingerprint is not None and len(present) == len(names)
    has_other_classes = stored.classes is not None and set(stored.classes) != set(classes_now)
    return Comparison(
        restored,
        gone=tuple(name for name, index in zip(names, found, strict=True) if index is None),
        other_boxes=tuple(other_boxes),
        other_content=tuple(other_content),
        classes_now=classes_now,
        classes_then=tuple(stored.classes or ()) if has_other_classes else (),
        fingerprint_differs=is_old and _fingerprint(restored, names) != stored.fingerprint,
    )


def restore_splits(dataset: Dataset, stored: Mapping[str, Any]) -> Dataset:
    """`dataset` with the splits of `stored` (see `splits_to_json`); images that were added later are in no split.

    Raises:
        BadInput: an image of a split no longer exists, or `stored` is not of that form.
    """
    parsed = parse_splits(stored, dataset.root)
    indices = {path: index for index, path in enumerate(dataset.images)}
    found = [indices.get(path) for path in parsed.images]
    for path, index in zip(parsed.images, found, strict=True):
        if index is None:
            raise bad_input(
                "dataset.image_gone",
                "{path}: the run trains on this image, and the image or its label no longer exists; put it back.",
                path=dataset.root / path,
            )
    return _with_splits(dataset, parsed, found)


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over the class names and, for every image of a split, its path, boxes and labels."""
    return _fingerprint(dataset, [dataset.images[i] for name in SPLITS for i in dataset.splits[name]])


def _fingerprint(dataset: Dataset, names: Sequence[str]) -> str:
    """The fingerprint with `names` instead of the paths of the images of all splits."""
    digest = hashlib.sha256("\0".join(dataset.classes).encode("utf-8", "surrogatepass"))
    paths = iter(names)
    for name in SPLITS:
        digest.update(name.encode())
        for index in dataset.splits[name]:
            boxes, labels = dataset.boxes_of(int(index))
            digest.update(next(paths).encode("utf-8", "surrogatepass"))
            digest.update(boxes.astype("<f4").tobytes())
            digest.update(labels.astype("<i4").tobytes())
    return digest.hexdigest()


def _with_splits(dataset: Dataset, stored: StoredSplits, found: Sequence[int | None]) -> Dataset:
    """`dataset` with the images `found` of `stored.images`, None for those that are gone, in their splits."""
    remaining = iter(found)
    splits = {}
    for name in SPLITS:
        part = [next(remaining) for _ in stored.splits.get(name, [])]
        splits[name] = np.array([index for index in part if index is not None], dtype=np.int32)
    return replace(dataset, splits=splits, splits_drawn=stored.drawn)


def _with_classes(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """`dataset` with the class ids of `classes`; boxes of other classes are left out."""
    ids = {name: index for index, name in enumerate(classes)}
    new_ids = np.array([ids.get(name, -1) for name in dataset.classes], np.int32)
    labels = new_ids[dataset.labels]
    known = labels >= 0
    kept_before = np.concatenate(([0], np.cumsum(known))).astype(np.int64)  # (boxes + 1,) boxes kept before each box
    return replace(
        dataset,
        classes=classes,
        boxes=dataset.boxes[known],
        labels=labels[known],
        offsets=kept_before[dataset.offsets],
    )


def _find_images(dataset: Dataset, names: Sequence[str], contents: Sequence[Content | None] | None) -> list[int | None]:
    """The index in `dataset` of each of `names`; None for those that are gone."""
    by_path = {path: index for index, path in enumerate(dataset.images)}
    found = [by_path.get(path) for path in names]
    missing = [position for position, index in enumerate(found) if index is None]
    if not missing:
        return found
    taken = set(found)
    unused = [index for index in range(len(dataset.images)) if index not in taken]
    if contents is None:
        by_name: dict[str, list[int]] = {}
        for index in unused:
            by_name.setdefault(PurePosixPath(dataset.images[index]).name, []).append(index)
        for position in missing:
            same_name = by_name.get(PureWindowsPath(names[position]).name, [])
            found[position] = same_name[0] if len(same_name) == 1 else None
        return found
    by_content: dict[tuple[int, str], list[int]] = {}
    for index, content in zip(unused, _read_contents([dataset.image_path(i) for i in unused]), strict=True):
        if content is not None:
            by_content.setdefault((content[0], content[2]), []).append(index)
    for position in missing:
        content = contents[position]
        same = [] if content is None else by_content.get((content[0], content[2]), [])
        found[position] = same.pop(0) if same else None
    return found


def _hash_of_boxes(dataset: Dataset, index: int) -> str:
    boxes, labels = dataset.boxes_of(index)
    digest = hashlib.blake2b(boxes.astype("<f4").tobytes(), digest_size=8)
    digest.update(labels.astype("<i4").tobytes())
    return digest.hexdigest()


def _read_contents(paths: Sequence[Path]) -> list[Content | None]:
    """Size, time and hash of each file; None for one that cannot be read."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(_read_content, paths))


def _same_contents(files: Iterable[tuple[Path, Content | None]]) -> list[bool]:
    """For each file, whether its content is the stored one. One with the stored size and time is not read."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(_is_same_content, files))


def _is_same_content(file: tuple[Path, Content | None]) -> bool:
    path, stored = file
    if stored is None:
        return True
    try:
        stat = path.stat()
    except OSError:
        return False
    if (stat.st_size, stat.st_mtime_ns) == stored[:2]:
        return True
    now = _read_content(path) if stat.st_size == stored[0] else None
    return now is not None and now[2] == stored[2]


def _read_content(path: Path) -> Content | None:
    try:
        if not path.is_file():  # a pipe would block
            return None
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            return stat.st_size, stat.st_mtime_ns, _hash_of_file(file, stat.st_size, path.suffix.lower())
    except OSError:
        return None


def _hash_of_file(file: BinaryIO, size: int, suffix: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    if size <= _HASHED_WHOLE or suffix in _UNCOMPRESSED:
        while block := file.read(_HASHED_WHOLE):
            digest.update(block)
        return digest.hexdigest()
    for block_index in range(_BLOCKS):  # evenly spread, the first and the last bytes among them
        file.seek(block_index * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
        digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()


def _as_tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    """`stored` with JSON's lists as the tuples that strict validation requires."""
    content = stored.get("content")
    if not isinstance(content, dict):
        return dict(stored)
    as_tuples = {
        name: [tuple(one) if isinstance(one, list) else one for one in part] if isinstance(part, list) else part
        for name, part in content.items()
    }
    return {**stored, "content": as_tuples}
