"""The packed index: its size, and the splits of a run."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.dataset.formats import open_dataset
from engine.dataset.formats.file_tree import FileTree
from engine.dataset.formats.parsed_labels import ParsedLabels
from engine.dataset.sample_dataset import draw_sample_dataset
from engine.dataset.splits import draw_splits
from engine.dataset.stored_splits import restore_splits, splits_to_json
from engine.messages import BadInput
from tests.dataset_on_disk import split_names, write_yolo


def test_an_index_of_100000_images_takes_less_than_200_mb() -> None:
    tracemalloc.start()
    parsed = ParsedLabels(FileTree(Path("data"), ()), "voc", "pixel")
    boxes = [[4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3] for n in range(5)]
    for number in range(100_000):
        name = f"JPEGImages/a folder of images/{number:09d}.jpg"
        parsed.see("box", 5)
        parsed.add_image(name, (640, 480), boxes, [0, 1, 2, 0, 1], f"Annotations/{number:09d}.xml", None)
    arrays = parsed.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(arrays[1]) == 500_000
    assert peak < 200e6


def test_splits_are_reproducible_and_have_at_least_one_validation_image() -> None:
    first, second, other = draw_splits(160, 5), draw_splits(160, 5), draw_splits(160, 6)
    assert {name: len(part) for name, part in first.items()} == {"train": 130, "val": 14, "test": 16}
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["train"], other["train"])
    assert len(draw_splits(2, 0)["val"]) == 1


def test_a_run_keeps_its_splits_and_names_an_image_that_no_longer_exists(tmp_path: Path) -> None:
    root = draw_sample_dataset(tmp_path, 10)
    dataset = open_dataset(tmp_path)
    stored = splits_to_json(dataset)
    for folder, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".xml")):
        copy = (root / folder / f"000000{suffix}").read_bytes()
        (root / folder / f"extra{suffix}").write_bytes(copy)
    later = restore_splits(open_dataset(tmp_path), stored)
    assert splits_to_json(replace(later, splits_drawn=dataset.splits_drawn)) == stored
    (root / "Annotations" / "000003.xml").unlink()
    with pytest.raises(BadInput, match=r"000003\.jpg: the run trains on this image"):
        restore_splits(open_dataset(tmp_path), stored)


def test_images_that_are_added_later_do_not_change_the_splits_of_a_run(tmp_path: Path) -> None:
    write_yolo(tmp_path, *(f"images/{n:02d}.jpg" for n in range(10, 40)))
    at_start = open_dataset(tmp_path)
    stored = splits_to_json(at_start)
    write_yolo(tmp_path, *(f"images/{n:02d}.jpg" for n in (0, 1, 25, 26, 90)))
    assert split_names(restore_splits(open_dataset(tmp_path), stored)) == split_names(at_start)
