"""The check of a whole data set: what it reports, and that it can be cancelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.dataset.doctor import check_dataset
from engine.dataset.formats import open_dataset
from tests.dataset_on_disk import SIZE, voc_dataset, write_cat_voc


def test_the_same_image_in_two_splits_is_a_warning(tmp_path: Path) -> None:
    write_cat_voc(tmp_path, "a b c d", train="a b", val="c", test="d")
    images = tmp_path / "JPEGImages"
    for number, name in enumerate("abd"):
        cv2.imwrite(str(images / f"{name}.jpg"), np.full((SIZE[1], SIZE[0], 3), 40 * number, np.uint8))
    (images / "c.jpg").write_bytes((images / "a.jpg").read_bytes())
    (duplicate,) = [f for f in check_dataset(open_dataset(tmp_path)).findings if f.message.code == "image.twin"]
    assert duplicate.severity == "warning"
    assert "the same image as JPEGImages/a.jpg (train and val)" in str(duplicate.message)


@pytest.mark.parametrize(("train", "few"), [("a", True), ("a b", False)])
def test_a_single_training_image_is_reported_as_too_few(tmp_path: Path, train: str, few: bool) -> None:
    write_cat_voc(tmp_path, "a b c", train=train, val="c")
    sentences = [
        str(f.message) for f in check_dataset(open_dataset(tmp_path)).findings if f.message.code == "split.too_few"
    ]
    assert bool(sentences) == few
    assert all("too few training images (1)" in sentence for sentence in sentences)


class CountingTuple(tuple[str, ...]):
    """Counts the accesses to its items."""

    access_count = 0

    def __getitem__(self, index: object) -> object:  # type: ignore[override]
        self.access_count += 1
        return super().__getitem__(index)  # type: ignore[index]


def test_a_cancelled_check_starts_hardly_any_other_image(tmp_path: Path) -> None:
    one = voc_dataset(tmp_path / "voc", train=1, size=(640, 480))
    count = 2000
    names = CountingTuple(one.images * count)
    many = replace(
        one,
        images=names,
        sizes=np.repeat(one.sizes, count, axis=0),
        boxes=np.repeat(one.boxes, count, axis=0),
        labels=np.repeat(one.labels, count),
        offsets=np.arange(count + 1),
        splits={**one.splits, "train": np.arange(count, dtype=np.int32)},
    )

    class CancelledError(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        assert total == count
        raise CancelledError

    with pytest.raises(CancelledError):
        check_dataset(many, cancel)
    assert names.access_count < count / 2
