"""The check of a whole data set: every image is decoded, every box measured; the findings say what is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dataset.box_checks import ImageBoxes, check_boxes
from engine.dataset.image_pool import image_pool
from engine.dataset.images import DecodedImage, UnreadableImage, decode_image, read_image_file
from engine.dataset.index import Dataset, Finding, Severity, finding
from engine.dataset.near_duplicates import Fingerprint, fingerprint, near_duplicates
from engine.dataset.split_checks import check_classes, check_splits, readable_counts
from engine.dataset.splits import SPLITS
from engine.messages import phrase

DEFAULT_INPUT_SHAPE = (416, 416)


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """The result of `check_dataset`."""

    dataset: Dataset
    findings: tuple[Finding, ...]
    """All of them, errors first; see `engine.dataset.finding_groups` for a list that can be read."""
    unreadable: frozenset[int]
    """Indices of the images that cannot be read."""

    def readable_counts(self) -> dict[str, int]:
        """Number of images in each split that can be read."""
        return readable_counts(self.dataset, self.unreadable)

    def to_json(self) -> dict[str, Any]:
        """The form of `data check --json`."""
        return {
            "format": self.dataset.format,
            "classes": list(self.dataset.classes),
            "images": self.dataset.image_counts(),
            "boxes": self.dataset.box_counts(),
            "findings": [item.to_json() for item in self.findings],
        }


@dataclass(frozen=True, slots=True)
class _ImageCheck:
    """The result of one image."""

    findings: list[Finding]
    digest: str | None = None
    """SHA-256 of the file; None if it cannot be read."""
    fingerprint: Fingerprint | None = None
    """None if it cannot be read, or is blank."""


def check_dataset(
    dataset: Dataset,
    progress: Callable[[int, int], None] | None = None,
    *,
    input_shape: tuple[int, int] = DEFAULT_INPUT_SHAPE,
) -> DatasetReport:
    """Decode every image and measure every box.

    Args:
        dataset: the data set.
        progress: called after each image with the number of checked images and of all; may raise to cancel the check.
        input_shape: (height, width) of the network's input, which decides what boxes are too small.
    """
    findings = list(dataset.findings)
    digests: list[str | None] = []
    fingerprints: dict[int, Fingerprint] = {}
    with image_pool() as pool:
        checks = pool.map(lambda index: _check_image(dataset, index, input_shape), range(len(dataset.images)))
        for image_index, check in enumerate(checks):
            findings.extend(check.findings)
            digests.append(check.digest)
            if check.fingerprint is not None:
                fingerprints[image_index] = check.fingerprint
            if progress is not None:
                progress(image_index + 1, len(dataset.images))
    findings.extend(_find_duplicates(dataset, digests, fingerprints))
    unreadable = frozenset(index for index, digest in enumerate(digests) if digest is None)
    findings.extend(check_classes(dataset))
    findings.extend(check_splits(dataset, unreadable))
    severities = {"error": 0, "warning": 1, "info": 2}
    return DatasetReport(dataset, tuple(sorted(findings, key=lambda item: severities[item.severity])), unreadable)


def _check_image(dataset: Dataset, image_index: int, input_shape: tuple[int, int]) -> _ImageCheck:
    name, path = dataset.images[image_index], dataset.image_path(image_index)
    try:
        content = read_image_file(path)
        decoded = decode_image(path, content)
        findings = [Finding(remark.severity, name, remark.message) for remark in decoded.remarks]
        size, size_findings = _check_size(dataset, image_index, decoded)
        boxes, labels = dataset.boxes_of(image_index)
        if dataset.unit == "fraction":
            boxes = boxes * np.array([*size, *size], np.float32)
        findings += [*size_findings, *check_boxes(ImageBoxes(boxes, labels, size), input_shape, name)]
        return _ImageCheck(findings, hashlib.sha256(content).hexdigest(), fingerprint(decoded.pixels))
    except UnreadableImage as error:
        return _ImageCheck([Finding("error", name, error.message)])
    except MemoryError:
        return _ImageCheck(
            [
                finding(
                    "error",
                    "image.no_memory",
                    name,
                    "{file}: there is not enough free memory to decode this image; close other programs and check again.",
                )
            ]
        )


def _check_size(dataset: Dataset, image_index: int, decoded: DecodedImage) -> tuple[tuple[int, int], list[Finding]]:
    """The (width, height) that the boxes refer to, and findings about it."""
    name = dataset.images[image_index]
    height, width = decoded.pixels.shape[:2]
    stored = tuple(decoded.stored)
    stated = tuple(int(side) for side in dataset.sizes[image_index])
    findings = []
    if stored != (width, height):
        findings.append(
            finding(
                "info",
                "image.turned",
                name,
                "{file}: EXIF rotates this image; its boxes are taken as drawn on the {drawn} one.",
                drawn=phrase("unrotated") if stated == stored else phrase("rotated"),
            )
        )
    if min(stated) > 0 and stated not in ((width, height), stored):
        findings.append(
            finding(
                "warning",
                "image.size_differs",
                name,
                "{file}: the label says {stated_width}x{stated_height}, the image has {width}x{height}; the boxes may be "
                "misplaced.",
                stated_width=stated[0],
                stated_height=stated[1],
                width=width,
                height=height,
            )
        )
    return (decoded.stored if stated == stored else (width, height)), findings


def _find_duplicates(
    dataset: Dataset, digests: list[str | None], fingerprints: Mapping[int, Fingerprint]
) -> Iterator[Finding]:
    """The same file under two names, and images of two splits that show nearly the same."""
    split_of = {int(index): name for name in SPLITS for index in dataset.splits[name]}
    first_of: dict[str, int] = {}
    twins: set[int] = set()
    for image_index, digest in enumerate(digests):
        if digest is not None and (original := first_of.setdefault(digest, image_index)) != image_index:
            twins.add(image_index)
            yield _duplicate_image(dataset, split_of, original, image_index)
    compared = [index for index in fingerprints if index in split_of and index not in twins]
    splits: NDArray[np.int8] = np.array([SPLITS.index(split_of[index]) for index in compared], np.int8)
    for first, second in near_duplicates([fingerprints[index] for index in compared], splits):
        yield finding(
            "warning",
            "image.near_duplicate",
            dataset.images[compared[second]],
            "{file}: shows nearly the same as {other} ({first} and {second}); the validation result will look better than it is.",
            other=dataset.images[compared[first]],
            first=split_of[compared[first]],
            second=split_of[compared[second]],
        )


def _duplicate_image(dataset: Dataset, split_of: Mapping[int, str], original: int, duplicate: int) -> Finding:
    """The same file under two names. In two splits it makes the validation result look better than it is."""
    first, second = split_of.get(original), split_of.get(duplicate)
    severity: Severity = "warning" if first != second else "info"
    return finding(
        severity,
        "image.twin",
        dataset.images[duplicate],
        "{file}: the same image as {other} ({first} and {second}).",
        other=dataset.images[original],
        first=first or phrase("no split"),
        second=second or phrase("no split"),
    )
