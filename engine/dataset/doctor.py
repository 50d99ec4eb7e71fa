"""The check of a whole data set: every image is decoded, every box measured; the findings say what is wrong."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.dataset.images import UnreadableImage, decode_image
from engine.dataset.index import Dataset, Finding, Severity, finding
from engine.dataset.jpeg import jpeg_size
from engine.dataset.splits import SPLITS
from engine.files import error_reason
from engine.messages import Message, phrase
from engine.recipe import MIN_BATCH_SIZE

MAX_FINDINGS_PER_CODE = 20
"""Of each kind of finding so many are listed; the others are counted."""
FEW_BOXES = 50
TINY_SIDE = 0.01
"""A box narrower than this fraction of the image is hardly detectable at any usual input size."""
RARE_CLASS = 0.02
"""A class with less than this fraction of all boxes is rare."""


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """The result of `check_dataset`."""

    dataset: Dataset
    findings: tuple[Finding, ...]

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
    tiny_boxes: int = 0


def check_dataset(dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> DatasetReport:
    """Decode every image and measure every box.

    Args:
        dataset: the data set.
        progress: called after each image with the number of checked images and of all; may raise to cancel the check.
    """
    findings = list(dataset.findings)
    image_of_digest: dict[str, int] = {}
    split_of = {int(index): name for name in SPLITS for index in dataset.splits[name]}
    tiny_boxes = 0
    with _cancelling_pool() as pool:
        checks = pool.map(lambda index: _check_image(dataset, index), range(len(dataset.images)))
        for image_index, check in enumerate(checks):
            findings.extend(check.findings)
            tiny_boxes += check.tiny_boxes
            if check.digest is not None:
                original = image_of_digest.setdefault(check.digest, image_index)
                if original != image_index:
                    findings.append(_duplicate_image(dataset, split_of, original, image_index))
            if progress is not None:
                progress(image_index + 1, len(dataset.images))
    findings.extend(_check_totals(dataset, tiny_boxes))
    return DatasetReport(dataset, tuple(_limit_per_code(findings)))


@contextmanager
def _cancelling_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that start no other image once the check is cancelled."""
    pool = ThreadPoolExecutor()
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _check_image(dataset: Dataset, image_index: int) -> _ImageCheck:
    name, path = dataset.images[image_index], dataset.image_path(image_index)
    try:
        content = path.read_bytes()
        pixels = decode_image(path, content)
        # A JPEG header has the size before EXIF rotation; other formats have to be decoded once more for it.
        stored = jpeg_size(content) or decode_image(path, content, apply_exif=False).shape[1::-1]
    except UnreadableImage as error:
        return _ImageCheck([Finding("error", name, error.message)])
    except OSError as error:
        return _ImageCheck(
            [finding("error", "image.missing", name, "{file}: cannot be read ({reason}).", reason=error_reason(error))]
        )
    findings = []
    height, width = pixels.shape[:2]
    stated = tuple(int(side) for side in dataset.sizes[image_index])
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
    boxes, _ = dataset.boxes_of(image_index)
    image_size = np.array([width, height]) if dataset.unit == "pixel" else np.ones(2)
    is_tiny = ((boxes[:, 2:] - boxes[:, :2]) / image_size < TINY_SIDE).any(axis=1)
    return _ImageCheck(findings, hashlib.sha256(content).hexdigest(), int(is_tiny.sum()))


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


def _check_totals(dataset: Dataset, tiny_boxes: int) -> Iterator[Finding]:
    """Findings about the data set as a whole."""
    counts = dataset.box_counts()
    total = sum(counts.values())
    root = str(dataset.root)
    for name, count in counts.items():
        if count == 0:
            yield finding("warning", "class.empty", root, "{file}: class {name} has no box.", name=name)
        elif count < FEW_BOXES:
            yield finding(
                "info",
                "class.few",
                root,
                "{file}: class {name} has few boxes: {count}; {few} or more are better.",
                name=name,
                count=count,
                few=FEW_BOXES,
            )
        elif count < RARE_CLASS * total:
            yield finding(
                "info",
                "class.rare",
                root,
                "{file}: class {name} is rare: {count} of {total} boxes.",
                name=name,
                count=count,
                total=total,
            )
    if len(dataset.splits["train"]) < MIN_BATCH_SIZE:
        yield finding(
            "error",
            "split.too_few",
            root,
            "{file}: too few training images ({count}); a step needs at least {least}.",
            count=len(dataset.splits["train"]),
            least=MIN_BATCH_SIZE,
        )
    if not len(dataset.splits["val"]):
        yield finding(
            "warning",
            "split.no_validation",
            root,
            "{file}: there is no validation image, so nothing will show when the network stops learning.",
        )
    if tiny_boxes:
        yield finding(
            "info",
            "label.tiny",
            root,
            "{file}: boxes narrower than 1 % of their image: {count}; a larger input_shape detects more of them.",
            count=tiny_boxes,
        )
    if background := int((np.diff(dataset.offsets) == 0).sum()):
        yield finding(
            "info",
            "image.background",
            root,
            "{file}: images without a box: {count}; they are used as background.",
            count=background,
        )


def _limit_per_code(findings: list[Finding]) -> Iterator[Finding]:
    """The findings, errors first; beyond MAX_FINDINGS_PER_CODE of a code only their number."""
    order = {"error": 0, "warning": 1, "info": 2}
    counts: Counter[str] = Counter()
    hidden: dict[str, list[Finding]] = {}
    for item in sorted(findings, key=lambda item: order[item.severity]):
        code = item.message.code
        counts[code] += 1
        if counts[code] <= MAX_FINDINGS_PER_CODE:
            yield item
        else:
            hidden.setdefault(code, []).append(item)
    for code, rest in hidden.items():
        message = Message(code, "and {count} more of this kind: {code}.", {"count": len(rest), "code": code})
        yield Finding(rest[0].severity, rest[0].file, message)
