"""Batches: the same for any number of threads, each image once, no thread left running."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.dataset.formats import open_dataset
from engine.dataset.images import LabelledImage, encode_image, read_image
from engine.dataset.index import Dataset
from engine.dataset.loader import (
    PREFETCHED_BATCHES,
    Batch,
    CachedImages,
    epoch_order,
    training_batches,
    validation_batches,
)
from engine.messages import BadInput
from engine.recipe import Recipe, make_recipe
from engine.training.oom import is_out_of_memory
from tests.dataset_on_disk import cut_off, red_box, voc_dataset

needs_bccd = pytest.mark.skipif(
    "FREEZETUI_BCCD" not in os.environ, reason="FREEZETUI_BCCD does not name the BCCD folder"
)


def recipe(**settings: object) -> Recipe:
    return make_recipe({"input_shape": [64, 96], **settings})


def content(batches: Iterable[Batch]) -> list[tuple[bytes, bytes, tuple[int, ...], list[str]]]:
    return [
        (b.images.numpy().tobytes(), b.targets.numpy().tobytes(), b.indices, [str(s) for s in b.skipped])
        for b in batches
    ]


def loader_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("loader")]


# The order


def test_an_epochs_order_visits_every_image_once_and_depends_on_seed_and_epoch_only() -> None:
    order = epoch_order(11, 3, 500)
    assert sorted(order) == list(range(500))
    np.testing.assert_array_equal(order, epoch_order(11, 3, 500))
    assert not np.array_equal(order, epoch_order(11, 4, 500))
    assert not np.array_equal(order, epoch_order(12, 3, 500))


# Training


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=22)
    cut_off(tmp_path / "JPEGImages" / "004.jpg")
    made = [
        content(training_batches(CachedImages(dataset), recipe(), epoch=2, batch_size=4, start=0, workers=workers))
        for workers in (0, 1, 4)
    ]
    assert made[0] == made[1] == made[2]
    assert len(made[0]) == 5


def test_a_full_cache_changes_only_the_time(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=12)
    all_cached = CachedImages(dataset)

    def epoch(images: CachedImages) -> list[tuple[bytes, bytes, tuple[int, ...], list[str]]]:
        return content(training_batches(images, recipe(), epoch=0, batch_size=3, start=0, workers=2))

    cold = epoch(all_cached)
    assert epoch(all_cached) == cold
    assert epoch(CachedImages(dataset, max_bytes=3 * 96 * 64 * 2)) == cold


def test_decoded_images_are_cached_up_to_the_limit_only(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=6)
    one_image = 96 * 64 * 3
    images = CachedImages(dataset, max_bytes=2 * one_image + 1)
    is_cached = [images.load(i)[0] is images.load(i)[0] for i in range(6)]
    assert is_cached == [True, True, False, False, False, False]


def test_an_epoch_visits_every_image_once_and_drops_what_makes_no_full_batch(tmp_path: Path) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=23))
    batches = list(training_batches(images, recipe(), epoch=0, batch_size=4, start=0, workers=2))
    visited = [index for batch in batches for index in batch.indices]
    assert len(visited) == 20
    assert len(set(visited)) == 20
    assert [len(batch.indices) for batch in batches] == [4] * 5


def test_epochs_and_seeds_differ(tmp_path: Path) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=8))
    seen = {
        content(training_batches(images, recipe(seed=seed), epoch=epoch, batch_size=8, start=0, workers=0))[0][0]
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    }
    assert len(seen) == 3


def test_a_sample_differs_in_every_epoch_and_is_the_same_at_any_position_in_the_batch(tmp_path: Path) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=8))

    def sample(epoch: int, batch_size: int) -> bytes:
        for batch in training_batches(images, recipe(), epoch=epoch, batch_size=batch_size, start=0, workers=0):
            if 5 in batch.indices:
                return batch.images[batch.indices.index(5)].numpy().tobytes()
        raise AssertionError

    assert sample(0, 8) == sample(0, 2)
    assert sample(0, 8) != sample(1, 8)


@pytest.mark.parametrize("done", [4, 12, 20])
def test_an_epoch_that_is_resumed_yields_exactly_the_remaining_batches(tmp_path: Path, done: int) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=22))
    all_batches = content(training_batches(images, recipe(), epoch=1, batch_size=4, start=0, workers=2))
    rest = content(training_batches(images, recipe(), epoch=1, batch_size=4, start=done, workers=0))
    assert rest == all_batches[done // 4 :]


def test_after_another_batch_size_the_epoch_still_visits_every_image_once(tmp_path: Path) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=20))
    large = next(training_batches(images, recipe(), epoch=0, batch_size=8, start=0, workers=0))
    small = training_batches(images, recipe(), epoch=0, batch_size=4, start=8, workers=0)
    visited = [*large.indices, *(index for batch in small for index in batch.indices)]
    assert sorted(visited) == list(range(20))


def test_tensors_have_the_documented_shapes_and_types(tmp_path: Path) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=8))
    for batch in training_batches(images, recipe(), epoch=0, batch_size=4, start=0, workers=0):
        assert batch.images.shape == (4, 3, 64, 96)
        assert batch.images.dtype == torch.uint8
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.targets.dtype == torch.float32
        assert batch.targets.shape[0] == 4
        assert batch.targets.shape[2] == 5
        padding = batch.targets[batch.targets[..., 4] == -1]
        assert (padding[:, :4] == 0).all()
        boxes = batch.targets[batch.targets[..., 4] >= 0]
        assert (boxes[:, 2:4] > 0).all()
        assert (boxes[:, 0] < 96).all()
        assert (boxes[:, 1] < 64).all()


def test_images_without_boxes_give_one_row_of_padding(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=4)
    without_boxes = replace(
        dataset,
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int32),
        offsets=np.zeros(len(dataset.images) + 1, np.int64),
    )
    batch = next(training_batches(CachedImages(without_boxes), recipe(), epoch=0, batch_size=4, start=0, workers=0))
    np.testing.assert_array_equal(batch.targets, [[[0, 0, 0, 0, -1]]] * 4)


# Unreadable images


def test_an_unreadable_image_is_replaced_by_the_next_and_reported(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=8)
    cut_off(tmp_path / "JPEGImages" / "003.jpg")
    batch = next(
        training_batches(CachedImages(dataset), recipe(mosaic=False), epoch=0, batch_size=8, start=0, workers=2)
    )
    assert [error.path.name for error in batch.skipped] == ["003.jpg"]
    assert "003.jpg" in str(batch.skipped[0])
    assert sorted(batch.indices) == list(range(8))
    shown = batch.images[batch.indices.index(3)]
    assert (shown[0].int() - shown[1].int() > 80).any(), "the next image's red rectangle replaces it"


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_image_for_which_there_is_no_memory_is_not_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    """OpenCV says it in its own way. The training then ends as one that is out of memory, instead of learning something else."""
    dataset = voc_dataset(tmp_path, train=4, val=2)
    for path in (tmp_path / "JPEGImages").iterdir():
        encode_image(path.with_suffix(".png"), read_image(path))
        path.with_suffix(".png").rename(path)
    failure = cv2.error("Insufficient memory")
    failure.code = cv2.Error.StsNoMem

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(cv2, "imdecode", fail)
    images = CachedImages(dataset)
    batches = (
        training_batches(images, recipe(), epoch=0, batch_size=4, start=0, workers=2)
        if split == "train"
        else validation_batches(images, "val", (64, 64), 2, 2)
    )
    with pytest.raises(MemoryError) as raised:
        next(batches)
    assert is_out_of_memory(raised.value)


def test_missing_empty_and_broken_image_files_are_skipped(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=6)
    (tmp_path / "JPEGImages" / "000.jpg").unlink()
    (tmp_path / "JPEGImages" / "001.jpg").write_bytes(b"")
    (tmp_path / "JPEGImages" / "002.jpg").write_bytes(b"\xff\xd8 no image \xff\xd9")
    batch = next(training_batches(CachedImages(dataset), recipe(), epoch=0, batch_size=6, start=0, workers=1))
    assert {error.path.name for error in batch.skipped} == {"000.jpg", "001.jpg", "002.jpg"}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_without_a_readable_image_is_refused_in_one_sentence(tmp_path: Path, workers: int) -> None:
    dataset = voc_dataset(tmp_path, train=4)
    for path in (tmp_path / "JPEGImages").iterdir():
        cut_off(path)
    with pytest.raises(BadInput, match="none of the training images can be read"):
        next(training_batches(CachedImages(dataset), recipe(), epoch=0, batch_size=2, start=0, workers=workers))
    assert not loader_threads()


# Threads


class CountingImages(CachedImages):
    """Notes which images are loaded."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.loaded: list[int] = []

    def load(self, image_index: int, min_long_side: int | None = None) -> LabelledImage:
        self.loaded.append(image_index)
        return super().load(image_index, min_long_side)


def test_closing_ends_the_threads_without_preparing_the_remaining_batches(tmp_path: Path) -> None:
    images = CountingImages(voc_dataset(tmp_path, train=64))
    batches = training_batches(images, recipe(mosaic=False), epoch=0, batch_size=4, start=0, workers=3)
    next(batches)
    assert loader_threads()
    batches.close()
    assert not loader_threads()
    assert len(images.loaded) <= 4 * (1 + PREFETCHED_BATCHES)


def test_no_thread_is_left_when_an_epoch_ends_or_its_iterator_is_dropped(tmp_path: Path) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=16, val=6))
    list(training_batches(images, recipe(), epoch=0, batch_size=4, start=0, workers=3))
    assert not loader_threads()
    list(validation_batches(images, "val", (64, 96), 4, workers=3))
    assert not loader_threads()
    next(training_batches(images, recipe(), epoch=0, batch_size=4, start=0, workers=3))
    gc.collect()
    assert not loader_threads()


def test_the_loader_runs_only_a_little_ahead(tmp_path: Path) -> None:
    images = CountingImages(voc_dataset(tmp_path, train=60))
    with closing(training_batches(images, recipe(mosaic=False), epoch=0, batch_size=4, start=0, workers=2)) as batches:
        for taken in range(1, 8):
            assert len(images.loaded) <= 4 * (taken - 1 + PREFETCHED_BATCHES)
            next(batches)
            deadline = time.monotonic() + 60
            while len(images.loaded) < 4 * (taken + PREFETCHED_BATCHES):  # as far ahead as the threads may run
                assert time.monotonic() < deadline
                time.sleep(0.001)


def test_importing_the_loader_does_not_change_opencvs_threads() -> None:
    script = "import cv2; n = cv2.getNumThreads(); import engine.dataset.loader; assert cv2.getNumThreads() == n"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent.parent)


# Validation


def test_validation_visits_every_image_once_in_order_with_a_smaller_last_batch(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=3, val=7)
    batches = list(validation_batches(CachedImages(dataset), "val", (64, 64), 3, workers=2))
    assert [batch.indices for batch in batches] == [(3, 4, 5), (6, 7, 8), (9,)]
    assert [batch.images.shape[0] for batch in batches] == [3, 3, 1]


def test_a_validation_split_smaller_than_a_batch_gives_one_batch_and_an_empty_one_none(tmp_path: Path) -> None:
    images = CachedImages(voc_dataset(tmp_path, train=3, val=2))
    assert [b.indices for b in validation_batches(images, "val", (64, 64), 16, workers=2)] == [(3, 4)]
    assert list(validation_batches(images, "test", (64, 64), 16, workers=2)) == []


def test_validation_is_the_same_with_any_number_of_workers(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=2, val=9)
    made = [content(validation_batches(CachedImages(dataset), "val", (64, 64), 4, workers=n)) for n in (0, 1, 4)]
    assert made[0] == made[1] == made[2]


def test_an_unreadable_validation_image_is_reported_and_left_out(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=2, val=4)
    cut_off(tmp_path / "JPEGImages" / "003.jpg")
    cut_off(tmp_path / "JPEGImages" / "004.jpg")
    cut_off(tmp_path / "JPEGImages" / "005.jpg")
    batches = list(validation_batches(CachedImages(dataset), "val", (64, 64), 2, workers=1))
    assert [batch.indices for batch in batches] == [(2,), ()]
    assert [[error.path.name for error in batch.skipped] for batch in batches] == [["003.jpg"], ["004.jpg", "005.jpg"]]
    assert batches[1].images.shape == (0, 3, 64, 64)


@pytest.mark.parametrize("shape", [(64, 64), (96, 160), (160, 96)], ids=str)
def test_validation_boxes_follow_the_pixels_and_map_back(tmp_path: Path, shape: tuple[int, int]) -> None:
    dataset = voc_dataset(tmp_path, train=1, val=5)
    for batch in validation_batches(CachedImages(dataset), "val", shape, 5, workers=0):
        for pixels, targets, truth in zip(batch.images, batch.targets, batch.ground_truth, strict=True):
            cx, cy, w, h, label = targets[0].tolist()
            corners = np.array([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]], np.float32)
            np.testing.assert_allclose(corners[0], red_box(pixels.permute(1, 2, 0).numpy()), atol=1.5)
            np.testing.assert_allclose(truth.letterbox.to_original(corners, truth.size), truth.boxes, atol=1e-3)
            assert truth.size == (96, 64)
            assert label == 0


# Real images


@needs_bccd
def test_an_epoch_of_bccd_visits_all_205_training_images_and_validation_all_87() -> None:
    dataset = open_dataset(Path(os.environ["FREEZETUI_BCCD"]))
    images = CachedImages(dataset)
    settings = make_recipe({"input_shape": [224, 224]})
    batches = list(training_batches(images, settings, epoch=0, batch_size=5, start=0, workers=2))
    assert sorted(i for b in batches for i in b.indices) == sorted(dataset.splits["train"])
    assert not any(b.skipped for b in batches)
    for batch in batches:
        boxes = batch.targets[batch.targets[..., 4] >= 0]
        corners = torch.cat((boxes[:, :2] - boxes[:, 2:4] / 2, boxes[:, :2] + boxes[:, 2:4] / 2), 1)
        assert corners.min() >= -1e-3
        assert corners.max() <= 224 + 1e-3
    seen = list(validation_batches(images, "val", (224, 224), 16, workers=2))
    assert [i for b in seen for i in b.indices] == list(dataset.splits["val"])
    truth = sum(len(dataset.boxes_of(int(i))[1]) for i in dataset.splits["val"])
    assert sum(int((b.targets[..., 4] >= 0).sum()) for b in seen) == truth
