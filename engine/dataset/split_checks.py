"""What is wrong with the classes and splits of a data set, from its labels and from which images can be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from engine.dataset.index import Dataset, Finding, Severity, finding
from engine.dataset.splits import SPLITS
from engine.messages import join_names
from engine.recipe import MIN_BATCH_SIZE

FEW_BOXES = 50
RARE_CLASS = 0.02
"""A class with less than this fraction of all boxes is rare."""
IMBALANCE = 20
"""Classes are unbalanced if the largest has so many times the boxes of the smallest."""
MANY_BACKGROUNDS = 0.5
"""If more than this fraction of the images has no box, labels are probably missing."""


def readable_counts(dataset: Dataset, unreadable: Collection[int]) -> dict[str, int]:
    """Number of images in each split that are not in `unreadable` (indices)."""
    return {name: sum(index not in unreadable for index in dataset.splits[name].tolist()) for name in SPLITS}


def check_classes(dataset: Dataset) -> Iterator[Finding]:
    """Classes with few boxes or none, in the whole data set and in its splits."""
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
    present = {name: count for name, count in counts.items() if count}
    if present and max(present.values()) >= IMBALANCE * min(present.values()):
        most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
        yield finding(
            "info",
            "class.imbalance",
            root,
            "{file}: the classes are unbalanced: {most} has {most_count} boxes, {least} only {least_count}.",
            most=most,
            most_count=present[most],
            least=least,
            least_count=present[least],
        )
    for split in SPLITS:
        absent = [name for name in present if not _boxes_in(dataset, split)[dataset.classes.index(name)]]
        if absent and len(absent) < len(present):  # a split without any box is a finding of its own
            yield finding(
                "info" if split == "test" else "warning",
                "class.absent",
                root,
                "{file}: classes without a box in {split}: {names}.",
                split=split,
                names=join_names(absent),
            )


def check_splits(dataset: Dataset, unreadable: Collection[int]) -> Iterator[Finding]:
    """Splits without images that can be read, or without boxes, and images without boxes.

    Args:
        dataset: the data set.
        unreadable: indices of the images that cannot be read.
    """
    root = str(dataset.root)
    readable = readable_counts(dataset, unreadable)
    if readable["train"] < MIN_BATCH_SIZE:
        yield finding(
            "error",
            "split.too_few",
            root,
            "{file}: too few training images ({count}); a step needs at least {least}.",
            count=readable["train"],
            least=MIN_BATCH_SIZE,
        )
    if not len(dataset.splits["val"]):
        yield finding(
            "warning",
            "split.no_validation",
            root,
            "{file}: there is no validation image, so nothing will show when the network stops learning.",
        )
    for split in ("val", "test"):
        if len(dataset.splits[split]) and not readable[split]:
            yield unreadable_split(dataset, split)
    severities: Mapping[str, Severity] = {"train": "error", "val": "warning"}
    for split, severity in severities.items():
        if len(dataset.splits[split]) and not _boxes_in(dataset, split).any():
            yield finding(severity, "split.no_boxes", root, "{file}: no image in {split} has a box.", split=split)
    if background := int((np.diff(dataset.offsets) == 0).sum()):
        share = background / len(dataset.images)
        yield finding(
            "warning" if share > MANY_BACKGROUNDS else "info",
            "image.background",
            root,
            "{file}: images without a box: {count} of {total} ({percent} %); they are used as background.",
            count=background,
            total=len(dataset.images),
            percent=f"{100 * share:.3g}",
        )


def _boxes_in(dataset: Dataset, split: str) -> NDArray[np.int64]:
    """(classes,) the number of boxes of each class in a split."""
    per_image = np.diff(dataset.offsets)
    in_split = np.zeros(len(dataset.images), bool)
    in_split[dataset.splits[split]] = True
    return np.bincount(dataset.labels[np.repeat(in_split, per_image)], minlength=len(dataset.classes))


def unreadable_split(dataset: Dataset, split: str) -> Finding:
    """The finding that nothing is left of a split, since none of its images can be read."""
    return finding(
        "warning",
        "split.unreadable",
        str(dataset.root),
        "{file}: none of the images in {split} can be read ({count}).",
        split=split,
        count=len(dataset.splits[split]),
    )
