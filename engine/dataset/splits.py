"""Train, val and test: which of them a data set defines itself, and how those that it lacks are drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")

_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""What files and folders of a split are called."""


def draw_splits(image_count: int, seed: int) -> dict[str, NDArray[np.int32]]:
    """Image indices of the splits: 81 / 9 / 10 % drawn by `seed`; of two images or more, at least one is in val."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(image_count).astype(np.int32)
    test = round(0.1 * image_count)
    val = max(round(0.09 * image_count), 1 if image_count > 1 else 0)
    parts = np.split(order, [image_count - val - test, image_count - test])
    return {name: np.sort(part) for name, part in zip(SPLITS, parts, strict=True)}


def fill_splits(
    own: Mapping[str, NDArray[np.int32]], image_count: int, seed: int
) -> tuple[dict[str, NDArray[np.int32]], bool]:
    """The data set's own splits, and whether some had to be drawn.

    Without a training split all three are drawn from all images; where only validation is missing, it is drawn from training.
    """
    splits = {name: own.get(name, np.zeros(0, np.int32)) for name in SPLITS}
    train = splits["train"]
    if not len(train):
        return draw_splits(image_count, seed), True
    if not len(splits["val"]) and len(train) > 1:
        drawn = draw_splits(len(train), seed)
        val = np.sort(np.concatenate((drawn["val"], drawn["test"])))
        return {**splits, "train": np.delete(train, val), "val": train[val]}, True
    return splits, False


def split_in_name(name: str) -> str | None:
    """The split that the name of a file or folder contains (`2007_train`, `valid`, `val2017`), or None."""
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    for split, names in _NAMES.items():
        if any(word.rstrip("0123456789") in names for word in words):
            return split
    return None
