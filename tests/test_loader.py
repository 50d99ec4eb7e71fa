"""Batches: the same whatever prepares them, each image once, nothing left running."""

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

import numpy as np
import pytest
import torch
from dataset_on_disk import cut_off, voc, with_orientation

from engine.dataset import loader
from engine.dataset.formats import open_dataset
from engine.dataset.images import UnreadableImage, load
from engine.dataset.loader import Batch, CachedImages, epoch_order, training_batches, validation_batches
from engine.messages import BadInput
from engine.recipe import Recipe, make_recipe

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


def test_an_epochs_order_visits_every_image_once_and_hangs_on_seed_and_epoch_only() -> None:
    order = epoch_order(11, 3, 500)
    assert sorted(order) == list(range(500))
    np.testing.assert_array_equal(order, epoch_order(11, 3, 500))
    assert not np.array_equal(order, epoch_order(11, 4, 500))
    assert not np.array_equal(order, epoch_order(12, 3, 500))


# Training


def test_batches_do_not_hang_on_the_number_of_workers(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=22)
    cut_off(tmp_path / "JPEGImages" / "004.jpg")
    made = [
        content(
            training_batches(CachedImages(dataset), recipe(), epoch=2, batch_size=4, first_image=0, workers=workers)
        )
        for workers in (0, 1, 4)
    ]
    assert made[0] == made[1] == made[2]
    assert len(made[0]) == 5


def test_a_full_memory_changes_nothing_but_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = voc(tmp_path, train=12)
    roomy = CachedImages(dataset)

    def epoch(images: CachedImages) -> list[tuple[bytes, bytes, tuple[int, ...], list[str]]]:
        return content(training_batches(images, recipe(), epoch=0, batch_size=3, first_image=0, workers=2))

    cold = epoch(roomy)
    assert epoch(roomy) == cold
    monkeypatch.setattr(loader, "CACHE_BYTES", 3 * 96 * 64 * 2)
    assert epoch(CachedImages(dataset)) == cold


def test_decoded_images_are_kept_up_to_the_limit_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = voc(tmp_path, train=6)
    one_image = 96 * 64 * 3
    monkeypatch.setattr(loader, "CACHE_BYTES", 2 * one_image + 1)
    images = CachedImages(dataset)
    again = [images.load(i)[0] is images.load(i)[0] for i in range(6)]
    assert again == [True, True, False, False, False, False]


def test_an_epoch_visits_every_image_once_and_drops_what_makes_no_whole_batch(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=23))
    batches = list(training_batches(images, recipe(), epoch=0, batch_size=4, first_image=0, workers=2))
    visited = [index for batch in batches for index in batch.indices]
    assert len(visited) == 20
    assert len(set(visited)) == 20
    assert [len(batch.indices) for batch in batches] == [4] * 5


def test_epochs_and_seeds_differ(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=8))
    seen = {
        content(training_batches(images, recipe(seed=seed), epoch=epoch, batch_size=8, first_image=0, workers=0))[0][0]
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    }
    assert len(seen) == 3


def test_an_image_looks_different_in_every_epoch_and_the_same_wherever_it_stands(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=8))

    def picture(epoch: int, batch_size: int) -> bytes:
        for batch in training_batches(images, recipe(), epoch=epoch, batch_size=batch_size, first_image=0, workers=0):
            if 5 in batch.indices:
                return batch.images[batch.indices.index(5)].numpy().tobytes()
        raise AssertionError

    assert picture(0, 8) == picture(0, 2)
    assert picture(0, 8) != picture(1, 8)


@pytest.mark.parametrize("done", [4, 12, 20])
def test_an_epoch_goes_on_in_its_middle_with_exactly_what_was_left(tmp_path: Path, done: int) -> None:
    images = CachedImages(voc(tmp_path, train=22))
    whole = content(training_batches(images, recipe(), epoch=1, batch_size=4, first_image=0, workers=2))
    rest = content(training_batches(images, recipe(), epoch=1, batch_size=4, first_image=done, workers=0))
    assert rest == whole[done // 4 :]


def test_after_another_batch_size_the_epoch_still_visits_every_image_once(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=20))
    large = next(training_batches(images, recipe(), epoch=0, batch_size=8, first_image=0, workers=0))
    small = training_batches(images, recipe(), epoch=0, batch_size=4, first_image=8, workers=0)
    visited = [*large.indices, *(index for batch in small for index in batch.indices)]
    assert sorted(visited) == list(range(20))


def test_tensors_are_of_the_promised_kinds(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=8))
    for batch in training_batches(images, recipe(), epoch=0, batch_size=4, first_image=0, workers=0):
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


def test_images_without_boxes_make_one_row_of_padding(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=4)
    bare = replace(
        dataset,
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int32),
        first=np.zeros(len(dataset.images) + 1, np.int64),
    )
    batch = next(training_batches(CachedImages(bare), recipe(), epoch=0, batch_size=4, first_image=0, workers=0))
    np.testing.assert_array_equal(batch.targets, [[[0, 0, 0, 0, -1]]] * 4)


# What cannot be read


def test_an_unreadable_image_gives_way_to_the_next_and_is_named(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=8)
    cut_off(tmp_path / "JPEGImages" / "003.jpg")
    batch = next(
        training_batches(CachedImages(dataset), recipe(mosaic=False), epoch=0, batch_size=8, first_image=0, workers=2)
    )
    assert [error.path.name for error in batch.skipped] == ["003.jpg"]
    assert "003.jpg" in str(batch.skipped[0])
    assert sorted(batch.indices) == list(range(8))
    shown = batch.images[batch.indices.index(3)]
    assert (shown[0].int() - shown[1].int() > 80).any(), "the next image's red rectangle stands in"


def test_images_that_are_gone_or_no_pictures_are_skipped_alike(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=6)
    (tmp_path / "JPEGImages" / "000.jpg").unlink()
    (tmp_path / "JPEGImages" / "001.jpg").write_bytes(b"")
    (tmp_path / "JPEGImages" / "002.jpg").write_bytes(b"\xff\xd8 no picture \xff\xd9")
    batch = next(training_batches(CachedImages(dataset), recipe(), epoch=0, batch_size=6, first_image=0, workers=1))
    assert {error.path.name for error in batch.skipped} == {"000.jpg", "001.jpg", "002.jpg"}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_of_which_nothing_can_be_read_is_refused_in_one_sentence(tmp_path: Path, workers: int) -> None:
    dataset = voc(tmp_path, train=4)
    for path in (tmp_path / "JPEGImages").iterdir():
        cut_off(path)
    with pytest.raises(BadInput, match="none of the training images can be read"):
        next(training_batches(CachedImages(dataset), recipe(), epoch=0, batch_size=2, first_image=0, workers=workers))
    assert not loader_threads()


# Threads


def test_closing_ends_the_threads_at_once(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=64))
    batches = training_batches(images, recipe(), epoch=0, batch_size=4, first_image=0, workers=3)
    next(batches)
    assert loader_threads()
    began = time.monotonic()
    batches.close()
    assert time.monotonic() - began < 1
    assert not loader_threads()


def test_no_thread_is_left_when_an_epoch_ends_or_is_forgotten(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=16, val=6))
    list(training_batches(images, recipe(), epoch=0, batch_size=4, first_image=0, workers=3))
    assert not loader_threads()
    list(validation_batches(images, "val", (64, 96), 4, workers=3))
    assert not loader_threads()
    next(training_batches(images, recipe(), epoch=0, batch_size=4, first_image=0, workers=3))
    gc.collect()
    assert not loader_threads()


def test_the_loader_runs_only_a_little_ahead(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=60)
    # Images deeper in the epoch than two batches ahead are still untouched when the first batch is out.
    order = dataset.splits["train"][epoch_order(11, 0, 60)]
    images = CachedImages(dataset)
    with closing(
        training_batches(images, recipe(mosaic=False), epoch=0, batch_size=4, first_image=0, workers=2)
    ) as batches:
        next(batches)
        time.sleep(0.3)
        for image in order[16:]:
            dataset.path(int(image)).unlink()
        assert not next(batches).skipped
        assert not next(batches).skipped
        later = [next(batches) for _ in range(3)]
    assert any(batch.skipped for batch in later)


def test_importing_the_loader_leaves_opencvs_threads_alone() -> None:
    script = "import cv2; n = cv2.getNumThreads(); import engine.dataset.loader; assert cv2.getNumThreads() == n"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent.parent)


# Validation


def test_validation_shows_every_image_once_in_order_and_a_smaller_last_batch(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=3, val=7)
    batches = list(validation_batches(CachedImages(dataset), "val", (64, 64), 3, workers=2))
    assert [batch.indices for batch in batches] == [(3, 4, 5), (6, 7, 8), (9,)]
    assert [batch.images.shape[0] for batch in batches] == [3, 3, 1]


def test_a_validation_split_smaller_than_a_batch_is_no_trouble_and_an_empty_one_makes_no_batch(tmp_path: Path) -> None:
    images = CachedImages(voc(tmp_path, train=3, val=2))
    assert [b.indices for b in validation_batches(images, "val", (64, 64), 16, workers=2)] == [(3, 4)]
    assert list(validation_batches(images, "test", (64, 64), 16, workers=2)) == []


def test_validation_is_the_same_with_any_number_of_workers(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=2, val=9)
    made = [content(validation_batches(CachedImages(dataset), "val", (64, 64), 4, workers=n)) for n in (0, 1, 4)]
    assert made[0] == made[1] == made[2]


def test_an_unreadable_validation_image_is_named_and_left_out(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=2, val=4)
    cut_off(tmp_path / "JPEGImages" / "003.jpg")
    cut_off(tmp_path / "JPEGImages" / "004.jpg")
    cut_off(tmp_path / "JPEGImages" / "005.jpg")
    batches = list(validation_batches(CachedImages(dataset), "val", (64, 64), 2, workers=1))
    assert [batch.indices for batch in batches] == [(2,), ()]
    assert [[error.path.name for error in batch.skipped] for batch in batches] == [["003.jpg"], ["004.jpg", "005.jpg"]]
    assert batches[1].images.shape == (0, 3, 64, 64)


@pytest.mark.parametrize("shape", [(64, 64), (96, 160), (160, 96)], ids=str)
def test_validation_boxes_follow_the_pixels_and_come_back(tmp_path: Path, shape: tuple[int, int]) -> None:
    dataset = voc(tmp_path, train=1, val=5)
    for batch in validation_batches(CachedImages(dataset), "val", shape, 5, workers=0):
        for pixels, targets, original in zip(batch.images, batch.targets, batch.originals, strict=True):
            cx, cy, w, h, label = targets[0].tolist()
            inside = np.array([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]], np.float32)
            np.testing.assert_allclose(inside[0], red_box(pixels.permute(1, 2, 0).numpy()), atol=1.5)
            np.testing.assert_allclose(original.letterbox.back(inside, original.size), original.boxes, atol=1e-3)
            assert original.size == (96, 64)
            assert label == 0


def red_box(pixels: np.ndarray) -> np.ndarray:
    """Where the red rectangle is seen."""
    strength = pixels[..., 0].astype(int) - pixels[..., 1:].max(axis=-1)
    found = strength > 115
    x, y = np.flatnonzero(found.any(axis=0)), np.flatnonzero(found.any(axis=1))
    return np.array([x[0], y[0], x[-1] + 1, y[-1] + 1], np.float32)


# Decoded smaller


@pytest.mark.parametrize(("enough", "divided_by"), [(None, 1), (500, 1), (400, 2), (200, 4), (100, 8), (10, 8)])
def test_a_large_jpeg_is_decoded_no_smaller_than_asked_and_its_boxes_with_it(
    tmp_path: Path, enough: int | None, divided_by: int
) -> None:
    dataset = voc(tmp_path, train=1, size=(801, 603))
    pixels, boxes, _ = load(dataset, 0, enough=enough)
    assert pixels.shape == (-(-603 // divided_by), -(-801 // divided_by), 3)
    assert enough is None or max(pixels.shape) >= min(enough, 801 // 8)
    np.testing.assert_allclose(boxes * divided_by, dataset.boxes)
    np.testing.assert_allclose(boxes[0], red_box(pixels), atol=1)


# Turned upside down or mirrored (2 to 4) the size stays the same, so a stored size that is stated says nothing.
TURNS = [(turn, True) for turn in (1, 5, 6, 7, 8)] + [(turn, False) for turn in range(1, 9)]


@pytest.mark.parametrize(("orientation", "stored_size_is_stated"), TURNS)
def test_a_turned_photograph_decoded_smaller_keeps_its_boxes(
    tmp_path: Path, orientation: int, stored_size_is_stated: bool
) -> None:
    dataset = voc(tmp_path, train=1, size=(800, 600))
    with_orientation(dataset.path(0), orientation)
    if not stored_size_is_stated:  # labelled as a viewer shows it
        shown, _, _ = load(replace(dataset, sizes=np.zeros_like(dataset.sizes)), 0)
        dataset = replace(
            dataset, sizes=np.array([[shown.shape[1], shown.shape[0]]], np.int32), boxes=red_box(shown)[None]
        )
    small, boxes, _ = load(dataset, 0, enough=200)
    assert max(small.shape) == 200
    np.testing.assert_allclose(boxes[0], red_box(small), atol=1)


def test_a_cut_off_photograph_is_no_picture_at_any_size(tmp_path: Path) -> None:
    dataset = voc(tmp_path, train=1, size=(800, 600))
    cut_off(dataset.path(0))
    with pytest.raises(UnreadableImage, match="cut off"):
        load(dataset, 0, enough=100)


# Real pictures


@needs_bccd
def test_an_epoch_of_bccd_visits_all_205_training_images_and_validation_all_87() -> None:
    dataset = open_dataset(Path(os.environ["FREEZETUI_BCCD"]))
    images = CachedImages(dataset)
    settings = make_recipe({"input_shape": [224, 224]})
    batches = list(training_batches(images, settings, epoch=0, batch_size=5, first_image=0, workers=2))
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
