"""The letterbox: whole images, undistorted, on a grey background, with boxes that map back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.dataset.letterbox import GREY, letterbox_image, letterbox_of, resize


@pytest.mark.parametrize(
    ("size", "shape", "inside"),
    [
        ((640, 480), (416, 416), (0, 52, 416, 312)),
        ((480, 640), (416, 416), (52, 0, 312, 416)),
        ((100, 100), (320, 416), (48, 0, 320, 320)),
        ((4000, 3), (416, 416), (0, 207, 416, 1)),
    ],
    ids=str,
)
def test_a_whole_image_is_in_the_middle_of_a_grey_background(
    size: tuple[int, int], shape: tuple[int, int], inside: tuple[int, int, int, int]
) -> None:
    pixels = np.full((size[1], size[0], 3), 20, np.uint8)
    network_input, box = letterbox_image(pixels, shape)
    left, top, width, height = inside
    assert (box.left, box.top, box.width, box.height) == inside
    expected = np.full((*shape, 3), GREY, np.uint8)
    expected[top : top + height, left : left + width] = 20
    np.testing.assert_array_equal(network_input, expected)


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (1920, 1080), (417, 415)], ids=str)
@pytest.mark.parametrize("shape", [(416, 416), (320, 608)], ids=str)
def test_boxes_map_back_to_the_image(size: tuple[int, int], shape: tuple[int, int]) -> None:
    box = letterbox_of(size, shape)
    rng = np.random.Generator(np.random.PCG64(1))
    corners = np.sort(rng.uniform(0, 1, (50, 2, 2)) * size, axis=1).reshape(50, 4).astype(np.float32)
    in_input = box.to_input(corners)
    assert (in_input >= 0).all()
    assert (in_input <= (shape[1], shape[0], shape[1], shape[0])).all()
    np.testing.assert_allclose(box.to_original(in_input, size), corners, atol=1e-3 * max(size) / 100 + 1e-3)


def test_boxes_beyond_the_image_are_clipped_to_it() -> None:
    box = letterbox_of((640, 480), (416, 416))
    clipped = box.to_original(np.array([[-5, 0, 500, 416]], np.float32), (640, 480))
    np.testing.assert_allclose(clipped, [[0, 0, 640, 480]])


@pytest.mark.parametrize("size", [(640, 480), (1500, 1100), (4000, 3000)], ids=str)
def test_detail_finer_than_a_pixel_becomes_its_mean(size: tuple[int, int]) -> None:
    """A fine chequerboard shrinks to grey; bilinear interpolation alone would pick single pixels of it."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    checkerboard = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, axis=2)
    small = resize(checkerboard, 150, 110)
    assert abs(small.mean() - 127.5) < 2
    assert small.std() < 12
    assert cv2.resize(checkerboard[:480, :640], (150, 110), interpolation=cv2.INTER_LINEAR).std() > 40


@pytest.mark.parametrize("size", [(641, 481), (1501, 1101)], ids=str)
def test_noise_shrinks_nearly_as_with_area_averages(size: tuple[int, int]) -> None:
    noise = np.random.Generator(np.random.PCG64(2)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    areas = cv2.resize(noise, (150, 110), interpolation=cv2.INTER_AREA).astype(float)
    picked = cv2.resize(noise, (150, 110), interpolation=cv2.INTER_LINEAR).astype(float)
    assert np.abs(resize(noise, 150, 110) - areas).mean() < 0.4 * np.abs(picked - areas).mean()


@pytest.mark.parametrize("target", [(312, 416), (150, 200), (701, 97), (809, 1079), (1600, 2000)], ids=str)
def test_resizing_does_not_shift_the_image(target: tuple[int, int]) -> None:
    """In a linear brightness ramp the value of a pixel is its source position, to a quarter of a pixel."""
    width, height = target
    y, x = np.mgrid[0:1080, 0:810]
    ramp = np.round(np.stack([255 * x / 809, 255 * y / 1079, 0 * x], axis=-1)).astype(np.uint8)
    # The mean of the ramp and its negative cancels the upward rounding at each halving.
    small = (resize(ramp, width, height).astype(float) + 255 - resize(255 - ramp, width, height)) / 2
    for row, length, full in ((small[..., 0].mean(axis=0), width, 810), (small[..., 1].mean(axis=1), height, 1080)):
        source = np.clip((np.arange(length) + 0.5) / length * full - 0.5, 0, full - 1)
        per_pixel = 255 / length
        np.testing.assert_allclose(row, 255 * source / (full - 1), atol=0.6 + 0.25 * per_pixel)
