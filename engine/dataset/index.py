"""An index of images and boxes, whatever their format on disk. Boxes are packed arrays, never a list of objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.messages import Message, bad_input
from engine.recipe import LEAST_BATCH

Severity = Literal["error", "warning", "info"]
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noteworthy in a data set; `file` is relative to its root where it lies inside."""

    severity: Severity
    file: str
    message: Message

    def to_json(self) -> dict[str, str]:
        """The form in `data check --json`."""
        return {"code": self.message.code, "severity": self.severity, "file": self.file, "message": str(self.message)}


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images, their boxes and their division into splits."""

    root: Path
    format: str
    classes: tuple[str, ...]
    images: tuple[str, ...]
    """Paths: relative to `root` with forward slashes where they lie inside it, else absolute."""
    sizes: NDArray[np.int32]
    """(images, 2) width and height as the labels say; 0 where they say nothing."""
    boxes: NDArray[np.float32]
    """(boxes, 4) x1 y1 x2 y2 in `unit`."""
    labels: NDArray[np.int32]
    """(boxes,) class numbers."""
    first: NDArray[np.int64]
    """(images + 1,): the boxes of image i are boxes[first[i]:first[i + 1]]."""
    unit: Literal["pixel", "fraction"]
    splits: Mapping[str, NDArray[np.int32]]
    """Image numbers of train, val and test."""
    splits_drawn: bool
    """Whether the splits were drawn here; else they are the data set's own."""
    findings: tuple[Finding, ...] = ()

    def path(self, image: int) -> Path:
        """Where image number `image` lies."""
        return self.root / self.images[image]

    def boxes_of(self, image: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """(n, 4) boxes in `unit` and (n,) class numbers of one image."""
        part = slice(self.first[image], self.first[image + 1])
        return self.boxes[part], self.labels[part]

    def box_counts(self) -> dict[str, int]:
        """Number of boxes of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}

    def image_counts(self) -> dict[str, int]:
        """Number of images in each split."""
        return {name: len(self.splits[name]) for name in SPLITS}


def require_training_images(dataset: Dataset) -> None:
    """Be sure that there are images enough for one step.

    Raises:
        BadInput: there are not.
    """
    count = len(dataset.splits["train"])
    if count < LEAST_BATCH:
        raise bad_input(
            "dataset.too_few",
            "{path}: too few training images ({count}); a step needs at least {least}.",
            path=dataset.root,
            count=count,
            least=LEAST_BATCH,
        )


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over the class names and, for every image of a split, its path, boxes and labels."""
    digest = hashlib.sha256("\0".join(dataset.classes).encode())
    for name in SPLITS:
        digest.update(name.encode())
        for image in dataset.splits[name]:
            boxes, labels = dataset.boxes_of(int(image))
            digest.update(dataset.images[image].encode("utf-8", "surrogatepass"))
            digest.update(boxes.astype("<f4").tobytes())
            digest.update(labels.astype("<i4").tobytes())
    return digest.hexdigest()


def splits_to_json(dataset: Dataset) -> dict[str, Any]:
    """What a run keeps as dataset.json: the images of each split by path, and the fingerprint of their labels."""
    return {
        "root": str(dataset.root),
        "format": dataset.format,
        "classes": list(dataset.classes),
        "drawn": dataset.splits_drawn,
        "splits": {name: [dataset.images[i] for i in dataset.splits[name]] for name in SPLITS},
        "fingerprint": fingerprint(dataset),
    }


def with_splits(dataset: Dataset, stored: Mapping[str, Any]) -> Dataset:
    """`dataset` with the splits a run began with; images that were added since are in none of them.

    Raises:
        BadInput: an image of a split is gone.
    """
    numbers = {path: number for number, path in enumerate(dataset.images)}
    splits = {}
    for name in SPLITS:
        paths = stored.get("splits", {}).get(name, [])
        for path in paths:
            if path not in numbers:
                raise bad_input(
                    "dataset.image_gone",
                    "{path}: the run trains on this image and it, or its label, is no longer there; put it back.",
                    path=dataset.root / path,
                )
        splits[name] = np.array([numbers[path] for path in paths], dtype=np.int32)
    return replace(dataset, splits=splits, splits_drawn=bool(stored.get("drawn", False)))


def draw_splits(count: int, seed: int) -> dict[str, NDArray[np.int32]]:
    """81 / 9 / 10 % of `count` images, drawn by `seed`; from two images on, one of them validates."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count).astype(np.int32)
    test = round(0.1 * count)
    val = max(round(0.09 * count), 1 if count > 1 else 0)
    parts = np.split(order, [count - val - test, count - test])
    return {name: np.sort(part) for name, part in zip(SPLITS, parts, strict=True)}


class DatasetBuilder:
    """Collects images and boxes one by one and packs them into arrays."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._boxes: list[NDArray[np.float32]] = []
        self._labels: list[NDArray[np.int32]] = []
        self._first: list[int] = [0]

    def add(
        self, image: str, size: tuple[int, int], boxes: NDArray[np.float32], labels: Sequence[int] | NDArray[np.int32]
    ) -> int:
        """Take in an image with (n, 4) boxes and n class numbers; returns its number."""
        self.images.append(image)
        self._sizes.append(size)
        self._boxes.append(boxes.reshape(-1, 4).astype(np.float32, copy=False))
        self._labels.append(np.asarray(labels, dtype=np.int32))
        self._first.append(self._first[-1] + len(labels))
        return len(self.images) - 1

    def labels(self) -> list[NDArray[np.int32]]:
        """The class numbers of each image so far."""
        return self._labels

    def arrays(
        self,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
        """sizes, boxes, labels, first, as in `Dataset`."""
        return (
            np.array(self._sizes, dtype=np.int32).reshape(-1, 2),
            np.concatenate(self._boxes) if self._boxes else np.zeros((0, 4), np.float32),
            np.concatenate(self._labels) if self._labels else np.zeros(0, np.int32),
            np.array(self._first, dtype=np.int64),
        )
