"""Train, val and test: which of them a data set defines itself, and how those that it lacks are drawn."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
DEFAULT_SEED = 11
"""The default of the recipe's `seed`, which draws the splits that a data set lacks."""

NAMES_OF_SPLITS = {
    "train": ("train", "training", "trainset", "训练", "训练集"),
    "val": ("val", "valid", "validation", "valset", "验证", "验证集"),
    "test": ("test", "testing", "testset", "测试", "测试集"),
}
"""What files and folders of a split are called."""

_SPLIT_OF_WORD = {word: split for split, words in NAMES_OF_SPLITS.items() for word in words}
_WORD_BORDER = re.compile(r"[\s_.\-]+|(?<=[a-z])(?=[A-Z])")
_NEUTRAL_WORDS = frozenset(
    (
        *(
            "annotation",
            "annotations",
            "coco",
            "data",
            "dataset",
            "files",
            "image",
            "images",
            "img",
            "imgs",
            "jpegimages",
            "jpg",
        ),
        *("label", "labels", "obj", "picture", "pictures", "png", "set", "split", "subset", "txt", "voc", "yolo"),
    )
)
"""Words that may stand beside that of a split in the name of a folder."""


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
    return _split_and_rest(name)[0]


def splits_of_folders(folders: Iterable[str]) -> dict[str, str]:
    """The split that each folder is named after, itself or the nearest of its parents that is; others are left out.

    A name such as `test_bench` contains the word by chance: beside it only words such as `images` may stand, or those of a
    folder of another split beside it (`cats_train`, `cats_test`).

    Args:
        folders: paths with forward slashes.
    """
    folders = list(folders)
    siblings: dict[tuple[str, tuple[str, ...]], set[str]] = defaultdict(set)
    paths = {"/".join(parts[: n + 1]) for parts in (folder.split("/") for folder in folders) for n in range(len(parts))}
    for path in paths:
        split, rest = _split_and_rest(path.rpartition("/")[2])
        if split is not None:
            siblings[path.rpartition("/")[0], rest].add(split)

    def split_of(path: str) -> str | None:
        while path:
            parent, _, name = path.rpartition("/")
            split, rest = _split_and_rest(name)
            if split is not None and (_NEUTRAL_WORDS.issuperset(rest) or len(siblings[parent, rest]) > 1):
                return split
            path = parent
        return None

    return {folder: split for folder in folders if (split := split_of(folder)) is not None}


def _split_and_rest(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that a name contains, and its other words in lower case without the digits around them."""
    words = [word.lower().strip("0123456789") for word in _WORD_BORDER.split(name)]
    found = next((_SPLIT_OF_WORD[word] for word in words if word in _SPLIT_OF_WORD), None)
    return found, tuple(word for word in words if word and word not in _SPLIT_OF_WORD)
