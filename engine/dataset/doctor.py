"""A close look at a data set: every picture opened, every box weighed, each finding with what it means."""

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
from engine.dataset.index import SPLITS, Dataset, Finding, Severity
from engine.dataset.jpeg import jpeg_size
from engine.messages import Message, phrase
from engine.recipe import LEAST_BATCH

SHOWN_PER_KIND = 20
"""Findings of one kind that are listed each; the others are counted."""
FEW_BOXES = 50
TINY_SIDE = 0.01
"""A box narrower than this share of the picture is hardly to be found at any usual input size."""
RARE = 0.02


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor found."""

    dataset: Dataset
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """The form of `data check --json`."""
        return {
            "format": self.dataset.format,
            "classes": list(self.dataset.classes),
            "images": self.dataset.image_counts(),
            "boxes": self.dataset.box_counts(),
            "findings": [finding.to_json() for finding in self.findings],
        }


def check(dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> Report:
    """Open every picture and weigh every box; `progress` hears how many of how many are done, and may raise to give up."""
    findings = list(dataset.findings)
    contents: dict[str, int] = {}
    split_of = {int(image): name for name in SPLITS for image in dataset.splits[name]}
    tiny = 0
    with _pool() as pool:
        looks = pool.map(lambda image: _look(dataset, image), range(len(dataset.images)))
        for image, (found, digest, small) in enumerate(looks):
            findings.extend(found)
            tiny += small
            if digest is not None:
                twin = contents.setdefault(digest, image)
                if twin != image:
                    findings.append(_twins(dataset, split_of, twin, image))
            if progress is not None:
                progress(image + 1, len(dataset.images))
    findings.extend(_whole(dataset, tiny))
    return Report(dataset, tuple(_gathered(findings)))


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that begin no other picture once the looking is given up."""
    pool = ThreadPoolExecutor()
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _look(dataset: Dataset, image: int) -> tuple[list[Finding], str | None, int]:
    """Findings about one picture, the digest of its file, and how many of its boxes are tiny."""
    name, path = dataset.images[image], dataset.path(image)
    try:
        content = path.read_bytes()
        pixels = decode_image(path, content)
        # A JPEG says its size before EXIF turns it; other kinds have to be decoded once more to tell.
        stored = jpeg_size(content) or decode_image(path, content, honour_exif=False).shape[1::-1]
    except UnreadableImage as error:
        return [Finding("error", name, error.message)], None, 0
    except OSError as error:
        message = Message(
            "image.missing", "{file}: cannot be read ({reason}).", {"file": name, "reason": error.strerror}
        )
        return [Finding("error", name, message)], None, 0
    found = []
    height, width = pixels.shape[:2]
    stated = tuple(int(side) for side in dataset.sizes[image])
    if stored != (width, height):
        drawn = phrase("unturned") if stated == stored else phrase("turned")
        found.append(
            _finding(
                "info",
                "image.turned",
                name,
                "EXIF turns this picture; its boxes are taken as drawn on the {drawn} one.",
                drawn=drawn,
            )
        )
    if min(stated) > 0 and stated not in ((width, height), stored):
        found.append(
            _finding(
                "warning",
                "image.size_differs",
                name,
                "the label says {stated_width}x{stated_height}, the picture has {width}x{height}; the boxes may be off.",
                stated_width=stated[0],
                stated_height=stated[1],
                width=width,
                height=height,
            )
        )
    boxes, _ = dataset.boxes_of(image)
    scale = np.array([width, height]) if dataset.unit == "pixel" else np.ones(2)
    small = int(((boxes[:, 2:] - boxes[:, :2]) / scale < TINY_SIDE).any(axis=1).sum())
    return found, hashlib.sha256(content).hexdigest(), small


def _twins(dataset: Dataset, split_of: Mapping[int, str], first: int, second: int) -> Finding:
    """The same file under two names; in two splits it makes the validation look better than it is."""
    splits = [split_of.get(image, "no split") for image in (first, second)]
    severity: Severity = "warning" if splits[0] != splits[1] else "info"
    return _finding(
        severity,
        "image.twin",
        dataset.images[second],
        "the same picture as {other} ({first} and {second}).",
        other=dataset.images[first],
        first=splits[0],
        second=splits[1],
    )


def _whole(dataset: Dataset, tiny: int) -> Iterator[Finding]:
    """What is to be said about the data set as a whole."""
    counts = dataset.box_counts()
    root = str(dataset.root)
    for name, count in counts.items():
        if count == 0:
            yield _finding("warning", "class.empty", root, "class {name} has no box.", name=name)
        elif count < FEW_BOXES:
            yield _finding(
                "info",
                "class.few",
                root,
                "class {name} has few boxes: {count}; {few} or more are better.",
                name=name,
                count=count,
                few=FEW_BOXES,
            )
        elif count < RARE * sum(counts.values()):
            yield _finding(
                "info",
                "class.rare",
                root,
                "class {name} is rare: {count} of {total} boxes.",
                name=name,
                count=count,
                total=sum(counts.values()),
            )
    if len(dataset.splits["train"]) < LEAST_BATCH:
        yield _finding(
            "error",
            "split.too_few",
            root,
            "too few training images ({count}); a step needs at least {least}.",
            count=len(dataset.splits["train"]),
            least=LEAST_BATCH,
        )
    if not len(dataset.splits["val"]):
        yield _finding(
            "warning",
            "split.no_validation",
            root,
            "no image validates, so nothing will tell when the network stops learning.",
        )
    if tiny:
        yield _finding(
            "info",
            "label.tiny",
            root,
            "boxes narrower than 1 % of their picture: {count}; a larger input_shape finds more of them.",
            count=tiny,
        )
    bare = int((np.diff(dataset.first) == 0).sum())
    if bare:
        yield _finding(
            "info", "image.background", root, "pictures without a box: {count}; they serve as background.", count=bare
        )


def _gathered(findings: list[Finding]) -> Iterator[Finding]:
    """The findings, errors first; beyond SHOWN_PER_KIND of a kind only their number."""
    order = {"error": 0, "warning": 1, "info": 2}
    shown: Counter[str] = Counter()
    hidden: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda f: order[f.severity]):
        code = finding.message.code
        shown[code] += 1
        if shown[code] <= SHOWN_PER_KIND:
            yield finding
        else:
            hidden.setdefault(code, []).append(finding)
    for code, rest in hidden.items():
        message = Message(code, "and {count} more of this kind: {code}.", {"count": len(rest), "code": code})
        yield Finding(rest[0].severity, rest[0].file, message)


def _finding(severity: Severity, code: str, file: str, template: str, **values: object) -> Finding:
    return Finding(severity, file, Message(code, "{file}: " + template, {"file": file, **values}))
