"""`--split 80/10/10`: splits drawn by shares, whatever splits the data set has."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.dataset.index import Dataset
from engine.dataset.splits import SPLITS
from engine.messages import bad_input

OWN = "own"
"""Keep the splits of the data set."""


def with_splits(dataset: Dataset, word: str, seed: int) -> Dataset:
    """`dataset` with the splits that `word` asks for: its own, or drawn from all its images by `seed`.

    Every split whose share is not 0 gets at least one image, as long as there are enough.

    Raises:
        BadInput: `word` is neither "own" nor three shares.
    """
    if word == OWN:
        return dataset
    shares = _parse(word)
    count = len(dataset.images)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count).astype(np.int32)
    sizes = [max(round(share / sum(shares) * count), share > 0) for share in shares[1:]]
    ends = np.clip(np.cumsum([count - sum(sizes), sizes[0]]), min(1, count), count)
    parts = dict(zip(SPLITS, (np.sort(part) for part in np.split(order, ends)), strict=True))
    return replace(dataset, splits=parts, own_splits=parts, splits_drawn=False)


def _parse(word: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in word.split("/"))
    except ValueError:
        shares = ()
    if len(shares) != len(SPLITS) or not all(math.isfinite(s) and s >= 0 for s in shares) or not shares[0]:
        raise bad_input(
            "convert.split",
            "--split {word}: write own, or the shares of train, val and test, such as 80/10/10.",
            word=word,
        )
    return shares
