"""Data sets that are an index only: no image of them exists."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.dataset.index import Dataset


def dataset_of(train: int, val: int = 8, boxes: tuple[int, ...] = (60, 60)) -> Dataset:
    """A data set of `train` + `val` images; class i has `boxes[i]` boxes, all in the first image but the last one,
    which is in the first validation image."""
    labels = np.repeat(np.arange(len(boxes), dtype=np.int32), boxes)
    offsets = np.full(train + val + 1, len(labels), np.int64)
    offsets[1 : train + 1] -= bool(val and len(labels))
    offsets[0] = 0
    return Dataset(
        root=Path("data"),
        format="voc",
        classes=tuple(f"class {number}" for number in range(len(boxes))),
        images=tuple(f"{number}.jpg" for number in range(train + val)),
        sizes=np.full((train + val, 2), 100, np.int32),
        boxes=np.tile(np.array([[1, 1, 50, 50]], np.float32), (len(labels), 1)),
        labels=labels,
        offsets=offsets,
        unit="pixel",
        splits={
            "train": np.arange(train, dtype=np.int32),
            "val": np.arange(train, train + val, dtype=np.int32),
            "test": np.zeros(0, np.int32),
        },
        splits_drawn=False,
    )
