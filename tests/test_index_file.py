"""A Dataset written for another process is the same Dataset there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.dataset.formats import open_dataset
from engine.dataset.index_file import load_index, save_index
from engine.dataset.stored_splits import splits_to_json
from tests.dataset_on_disk import write_voc


def test_every_field_but_the_findings_survives(tmp_path: Path) -> None:
    dataset = open_dataset(write_voc(tmp_path / "图片 [1]", train=6, val=2))
    dataset = replace(dataset, images=("\udcff.jpg", *dataset.images[1:]))  # a name that is not UTF-8
    save_index(dataset, tmp_path / "index.npz")
    loaded = load_index(tmp_path / "index.npz")
    assert (loaded.root, loaded.format, loaded.classes, loaded.images) == (
        dataset.root,
        dataset.format,
        dataset.classes,
        dataset.images,
    )
    for name in ("sizes", "boxes", "labels", "offsets"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(dataset, name))
        assert getattr(loaded, name).dtype == getattr(dataset, name).dtype
    assert splits_to_json(loaded) == splits_to_json(dataset)
    assert {name: list(ids) for name, ids in loaded.own_splits.items()} == {
        name: list(ids) for name, ids in dataset.own_splits.items()
    }
