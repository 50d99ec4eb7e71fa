"""The packed index: small, and faithful to the splits a run began with."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.index import DatasetBuilder, draw_splits, splits_to_json, with_splits
from engine.dataset.sample import draw_sample
from engine.messages import BadInput


def test_an_index_of_100000_images_takes_less_than_200_mb() -> None:
    tracemalloc.start()
    packer = DatasetBuilder()
    boxes = np.arange(20, dtype=np.float32).reshape(5, 4)
    for number in range(100_000):
        packer.add(f"JPEGImages/a folder of pictures/{number:09d}.jpg", (640, 480), boxes.copy(), [0, 1, 2, 0, 1])
    arrays = packer.arrays()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(arrays[1]) == 500_000
    assert peak < 200e6


def test_splits_are_drawn_the_same_again_and_validate_with_one_image_at_least() -> None:
    first, second, other = draw_splits(160, 5), draw_splits(160, 5), draw_splits(160, 6)
    assert {name: len(part) for name, part in first.items()} == {"train": 130, "val": 14, "test": 16}
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["train"], other["train"])
    assert len(draw_splits(2, 0)["val"]) == 1


def test_a_run_keeps_its_splits_whatever_is_added_and_names_what_is_gone(tmp_path: Path) -> None:
    root = draw_sample(tmp_path, 10)
    dataset = open_dataset(tmp_path)
    stored = splits_to_json(dataset)
    for folder, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".xml")):
        copy = (root / folder / f"000000{suffix}").read_bytes()
        (root / folder / f"extra{suffix}").write_bytes(copy)
    later = with_splits(open_dataset(tmp_path), stored)
    assert splits_to_json(replace(later, splits_drawn=dataset.splits_drawn)) == stored
    (root / "Annotations" / "000003.xml").unlink()
    with pytest.raises(BadInput, match=r"000003\.jpg: the run trains on this image"):
        with_splits(open_dataset(tmp_path), stored)
