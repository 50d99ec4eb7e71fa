"""Augmented samples: boxes stay on their objects, and randomness comes from the generator alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from engine.dataset.augment import MIN_SIDE, Augmentation, _clip_boxes, augmentation_of, training_sample
from engine.dataset.images import LabelledImage
from engine.recipe import make_recipe

SINGLE, MOSAIC, MIXED = Augmentation(0.0, 0.0), Augmentation(1.0, 0.0), Augmentation(1.0, 1.0)
RED, BLUE = (255, 0, 0), (0, 0, 255)
SEEDS = range(40)


def image(width: int, height: int, *objects: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> LabelledImage:
    """A black image with one-coloured rectangles; the n-th is of class n."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for (x1, y1, x2, y2), colour in objects:
        pixels[y1:y2, x1:x2] = colour
    pixels.flags.writeable = False  # the loader's cache returns the same array every time
    boxes = np.array([box for box, _ in objects], np.float32).reshape(-1, 4)
    return LabelledImage(pixels, boxes, np.arange(len(objects), dtype=np.int32))


def load_from(*images: LabelledImage) -> Callable[[int], LabelledImage]:
    return lambda index: images[index]


def rng(seed: int) -> Generator:
    return Generator(PCG64(seed))


def box_of_colour(pixels: NDArray[np.uint8], channel: int) -> NDArray[np.float32] | None:
    """The box around a pure colour in the pixels, whatever its saturation and value; None if there is none.

    Its edge is where the colour is half as strong as inside.
    """
    others = [c for c in range(3) if c != channel]
    strength = pixels[..., channel].astype(int) - pixels[..., others].max(axis=-1)
    if strength.max() < 12:
        return None
    bright = strength > strength.max() / 2
    x, y = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
    return np.array([x[0], y[0], x[-1] + 1, y[-1] + 1], np.float32)


IMAGES = {
    "usual": ((640, 480), (200, 120, 330, 300)),
    "large": ((1500, 1101), (700, 200, 1100, 900)),
    "upright": ((200, 301), (30, 60, 120, 200)),
    "tiny": ((41, 97), (5, 30, 30, 70)),
}


@pytest.mark.parametrize("augmentation", [SINGLE, MOSAIC, MIXED], ids=["single", "mosaic", "mixup"])
@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("shape", [(416, 416), (256, 416)], ids=str)
def test_a_box_follows_its_pixels(augmentation: Augmentation, name: str, shape: tuple[int, int]) -> None:
    size, box = IMAGES[name]
    load = load_from(image(*size, (box, RED)), image(640, 480))
    kept = 0
    for seed in SEEDS:
        pixels, boxes = training_sample(load, 0, np.array([1], np.int32), shape, augmentation, rng(seed))
        seen = box_of_colour(pixels, 0)
        if len(boxes):
            kept += 1
            assert seen is not None
            np.testing.assert_allclose(boxes[0, :4], seen, atol=1.5)
    assert kept > len(SEEDS) / 3


def test_the_boxes_of_the_image_that_is_blended_in_follow_its_pixels_too() -> None:
    # The mosaic is all black; red comes from the image that is blended over it.
    loaded: list[int] = []
    images = [image(640, 480), image(640, 480, ((200, 120, 330, 300), RED))]

    def load(index: int) -> LabelledImage:
        loaded.append(index)
        return images[index]

    checked = 0
    for seed in range(300):
        loaded.clear()
        pixels, boxes = training_sample(load, 0, np.array([0, 1], np.int32), (416, 416), MIXED, rng(seed))
        if loaded[:4] == [0, 0, 0, 0] and loaded[4:] == [1] and len(boxes):
            checked += 1
            seen = box_of_colour(pixels, 0)
            assert seen is not None
            np.testing.assert_allclose(boxes[0, :4], seen, atol=1.5)
    assert checked >= 8


def test_classes_stay_with_their_objects_and_half_of_the_images_are_flipped() -> None:
    load = load_from(image(640, 480, ((150, 150, 250, 300), RED), ((400, 150, 500, 300), BLUE)))
    flipped = []
    for seed in range(200):
        pixels, boxes = training_sample(load, 0, np.array([0], np.int32), (416, 416), SINGLE, rng(seed))
        for x1, y1, x2, y2, label in boxes:
            seen = box_of_colour(pixels, 0 if label == 0 else 2)
            assert seen is not None
            np.testing.assert_allclose((x1, y1, x2, y2), seen, atol=1.5)
        if len(boxes) == 2:
            flipped.append(boxes[0, 0] > boxes[1, 0])
    assert len(flipped) > 60
    assert 0.35 < np.mean(flipped) < 0.65


def test_all_four_images_of_a_mosaic_are_in_it_with_their_boxes() -> None:
    red = image(400, 400, ((0, 0, 400, 400), RED))
    counts = [
        len(training_sample(load_from(red), 0, np.array([0], np.int32), (416, 416), MOSAIC, rng(seed))[1])
        for seed in SEEDS
    ]
    assert max(counts) == 4
    assert np.mean(counts) > 2.5


def test_boxes_are_clipped_and_dropped_where_too_little_is_left() -> None:
    boxes = np.array(
        [
            [-79, 10, 21, 30],  # 21 % of it remains
            [-81, 10, 19, 30],  # 19 %
            [98.5, 10, 103, 30],  # a third, thinner than two pixels
            [120, 10, 140, 30],  # nothing
            [40, 40, 60, 60],  # all
        ],
        np.float64,
    )
    kept = _clip_boxes(boxes, np.arange(5, dtype=np.int32), (0, 0, 100, 100))
    np.testing.assert_allclose(kept, [[0, 10, 21, 30, 0], [40, 40, 60, 60, 4]])


@pytest.mark.parametrize("augmentation", [SINGLE, MOSAIC, MIXED], ids=["single", "mosaic", "mixup"])
@pytest.mark.parametrize("size", [(1, 1), (4000, 3), (3, 4000), (2, 2), (33, 1000)], ids=str)
def test_images_of_any_size_become_samples_of_the_shape(augmentation: Augmentation, size: tuple[int, int]) -> None:
    load = load_from(image(*size, ((0, 0, *size), RED)))
    for seed in range(12):
        pixels, boxes = training_sample(load, 0, np.array([0], np.int32), (96, 160), augmentation, rng(seed))
        assert pixels.shape == (96, 160, 3)
        assert pixels.dtype == np.uint8
        assert boxes.dtype == np.float32
        assert boxes.shape[1] == 5


def test_boxes_lie_inside_the_sample_and_are_no_slivers() -> None:
    corners = np.sort(rng(5).uniform(0, 480, (300, 2, 2)), axis=1)
    boxes = corners.reshape(300, 4).astype(np.float32)  # x1 y1 x2 y2
    many = LabelledImage(np.zeros((480, 480, 3), np.uint8), boxes, np.zeros(300, np.int32))
    for seed in SEEDS:
        for augmentation in (SINGLE, MIXED):
            _, clipped = training_sample(
                load_from(many), 0, np.array([0], np.int32), (320, 416), augmentation, rng(seed)
            )
            assert (clipped[:, :4] >= 0).all()
            assert (clipped[:, [0, 2]] <= 416).all()
            assert (clipped[:, [1, 3]] <= 320).all()
            assert (clipped[:, 2:4] - clipped[:, :2] >= MIN_SIDE - 1e-3).all()


def test_an_image_without_boxes_gives_a_sample_without_boxes() -> None:
    for augmentation in (SINGLE, MOSAIC, MIXED):
        _, boxes = training_sample(load_from(image(64, 48)), 0, np.array([0], np.int32), (64, 64), augmentation, rng(1))
        assert boxes.shape == (0, 5)


def test_the_same_generator_makes_the_same_sample_and_another_makes_another() -> None:
    noise = rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    noisy = LabelledImage(noise, np.array([[20, 20, 90, 90]], np.float32), np.zeros(1, np.int32))
    seen = set()
    for seed in (1, 2, 3):
        once = training_sample(load_from(noisy), 0, np.array([0], np.int32), (128, 128), MIXED, rng(seed))
        again = training_sample(load_from(noisy), 0, np.array([0], np.int32), (128, 128), MIXED, rng(seed))
        assert once[0].tobytes() == again[0].tobytes()
        assert once[1].tobytes() == again[1].tobytes()
        seen.add(once[0].tobytes())
    assert len(seen) == 3


def test_mosaic_and_mixup_are_as_frequent_as_their_probabilities_and_mixup_is_only_on_a_mosaic() -> None:
    # A sample without mosaic loads one image, a mosaic four, mixup a fifth.
    loads = []

    def load(index: int) -> LabelledImage:
        loads[-1] += 1
        return image(8, 8)

    for seed in range(2000):
        loads.append(0)
        training_sample(load, 0, np.array([0], np.int32), (32, 32), Augmentation(0.5, 0.3), rng(seed))
    assert set(loads) == {1, 4, 5}
    assert np.mean(np.array(loads) == 1) == pytest.approx(0.5, abs=0.04)
    assert np.mean(np.array(loads) == 5) == pytest.approx(0.15, abs=0.03)


def test_colour_changes_within_its_bounds_and_leaves_grey_grey() -> None:
    coloured = np.full((64, 64, 3), (200, 100, 100), np.uint8)
    values = []
    for seed in SEEDS:
        plain = LabelledImage(coloured, np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
        pixels, _ = training_sample(load_from(plain), 0, np.array([0], np.int32), (64, 64), SINGLE, rng(seed))
        rgb = pixels.reshape(-1, 3).astype(int)
        grey = rgb[rgb.max(axis=1) == rgb.min(axis=1)]
        tinted = rgb[rgb.max(axis=1) - rgb.min(axis=1) > 10]
        assert len(grey) + len(tinted) > 0.9 * len(rgb)
        if len(grey):
            assert 128 * 0.6 - 1 <= grey.min() <= grey.max() <= 128 * 1.4 + 1
        if len(tinted):
            values.append(np.median(tinted.max(axis=1)))
    assert 200 * 0.6 - 2 <= min(values) < 160
    assert 230 < max(values) <= 255


def test_mosaic_ends_after_special_aug_ratio_of_all_epochs() -> None:
    recipe = make_recipe({"unfreeze_epoch": 20, "special_aug_ratio": 0.7, "mosaic_prob": 0.4, "mixup_prob": 0.6})
    assert augmentation_of(recipe, 13) == Augmentation(0.4, 0.6)
    assert augmentation_of(recipe, 14).mosaic_prob == 0


def test_mosaic_and_mixup_can_be_turned_off() -> None:
    assert augmentation_of(make_recipe({"mosaic": False}), 0).mosaic_prob == 0
    without = augmentation_of(make_recipe({"mixup": False}), 0)
    assert without.mosaic_prob == 0.5
    assert without.mixup_prob == 0
