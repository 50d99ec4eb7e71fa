"""An index of images and boxes, whatever their format on disk. Boxes are packed arrays, never a list of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.dataset.splits import SPLITS, fill_splits
from engine.messages import Message, bad_input
from engine.recipe import MIN_BATCH_SIZE

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or a remark about a data set; `file` is relative to its root where it is inside."""

    severity: Severity
    file: str
    message: Message

    def to_json(self) -> dict[str, str]:
        """The form in `data check --json`."""
        return {"code": self.message.code, "severity": self.severity, "file": self.file, "message": str(self.message)}


def finding(severity: Severity, code: str, file: str, template: str, **values: object) -> Finding:
    """A Finding about `file`; `template` is a format string over `file` and `values`."""
    return Finding(severity, file, Message(code, template, {"file": file, **values}))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images, their boxes and their splits."""

    root: Path
    format: str
    classes: tuple[str, ...]
    images: tuple[str, ...]
    """Paths: relative to `root` with forward slashes where they are inside it, else absolute."""
    sizes: NDArray[np.int32]
    """(images, 2) width and height as the labels state them; 0 where they do not."""
    boxes: NDArray[np.float32]
    """(boxes, 4) x1 y1 x2 y2 in `unit`."""
    labels: NDArray[np.int32]
    """(boxes,) class ids: indices into `classes`."""
    offsets: NDArray[np.int64]
    """(images + 1,): the boxes of image i are boxes[offsets[i]:offsets[i + 1]]."""
    unit: Literal["pixel", "fraction"]
    splits: Mapping[str, NDArray[np.int32]]
    """Image indices of train, val and test."""
    splits_drawn: bool
    """Whether some of the splits were drawn at random; else they are the data set's own."""
    findings: tuple[Finding, ...] = ()
    own_splits: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    """The splits that the data set itself defines, before missing ones were drawn."""
    books: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For label files, lines, images and boxes: how many were seen, kept and left out."""

    def with_split_seed(self, seed: int) -> Dataset:
        """The same data set, with the splits that it lacks drawn by `seed`."""
        splits, drawn = fill_splits(self.own_splits, len(self.images), seed)
        return replace(self, splits=splits, splits_drawn=drawn)

    def with_images(self, kept: Sequence[int], seed: int) -> Dataset:
        """The images `kept` (ascending indices) with their boxes; `seed` draws the splits again where they were drawn."""
        new_index = np.full(len(self.images), -1, np.int32)
        new_index[kept] = np.arange(len(kept), dtype=np.int32)
        has_box = np.repeat(new_index >= 0, np.diff(self.offsets))  # (boxes,)

        def remaining(splits: Mapping[str, NDArray[np.int32]]) -> dict[str, NDArray[np.int32]]:
            return {name: found[found >= 0] for name, part in splits.items() for found in (new_index[part],)}

        own, drawn = remaining(self.own_splits), remaining(self.splits)
        return replace(
            self,
            images=tuple(self.images[index] for index in kept),
            sizes=self.sizes[kept],
            boxes=self.boxes[has_box],
            labels=self.labels[has_box],
            offsets=np.concatenate(([0], np.cumsum(np.diff(self.offsets)[kept]))).astype(np.int64),
            splits=fill_splits(own, len(kept), seed)[0] if self.splits_drawn else drawn,
            own_splits=own,
        )

    def image_path(self, image_index: int) -> Path:
        """The path of one image."""
        return self.root / self.images[image_index]

    def boxes_of(self, image_index: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """(n, 4) boxes in `unit` and (n,) class ids of one image."""
        part = slice(self.offsets[image_index], self.offsets[image_index + 1])
        return self.boxes[part], self.labels[part]

    def box_counts(self) -> dict[str, int]:
        """Number of boxes of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}

    def image_counts(self) -> dict[str, int]:
        """Number of images in each split."""
        return {name: len(self.splits[name]) for name in SPLITS}


def require_training_images(dataset: Dataset) -> None:
    """Check that the training split has enough images for one step.

    Raises:
        BadInput: it has not.
    """
    count = len(dataset.splits["train"])
    if count < MIN_BATCH_SIZE:
        raise bad_input(
            "dataset.too_few",
            "{path}: too few training images ({count}); a step needs at least {least}.",
            path=dataset.root,
            count=count,
            least=MIN_BATCH_SIZE,
        )
