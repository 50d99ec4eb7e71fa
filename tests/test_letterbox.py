"""The one preprocessing: whole images, undistorted, on grey ground, with boxes that find back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.dataset.letterbox import GREY, letterbox_of, letterboxed, resized


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
def test_an_image_lies_whole_in_the_middle_of_grey_ground(
    size: tuple[int, int], shape: tuple[int, int], inside: tuple[int, int, int, int]
) -> None:
    pixels = np.full((size[1], size[0], 3), 20, np.uint8)
    into, box = letterboxed(pixels, shape)
    left, top, width, height = inside
    assert (box.left, box.top, box.width, box.height) == inside
    expected = np.full((*shape, 3), GREY, np.uint8)
    expected[top : top + height, left : left + width] = 20
    np.testing.assert_array_equal(into, expected)


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (1920, 1080), (417, 415)], ids=str)
@pytest.mark.parametrize("shape", [(416, 416), (320, 608)], ids=str)
def test_boxes_find_back_to_the_image(size: tuple[int, int], shape: tuple[int, int]) -> None:
    box = letterbox_of(size, shape)
    chance = np.random.Generator(np.random.PCG64(1))
    corners = np.sort(chance.uniform(0, 1, (50, 2, 2)) * size, axis=1).reshape(50, 4).astype(np.float32)
    inside = box.into(corners)
    assert (inside >= 0).all()
    assert (inside <= (shape[1], shape[0], shape[1], shape[0])).all()
    np.testing.assert_allclose(box.back(inside, size), corners, atol=1e-3 * max(size) / 100 + 1e-3)


def test_boxes_beyond_the_image_come_back_cut_at_its_edges() -> None:
    box = letterbox_of((640, 480), (416, 416))
    back = box.back(np.array([[-5, 0, 500, 416]], np.float32), (640, 480))
    np.testing.assert_allclose(back, [[0, 0, 640, 480]])


@pytest.mark.parametrize("size", [(640, 480), (1500, 1100), (4000, 3000)], ids=str)
def test_what_is_finer_than_a_pixel_becomes_its_mean(size: tuple[int, int]) -> None:
    """A fine chequer board shrinks to grey; bilinear alone would pick pixels from it."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    board = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, axis=2)
    small = resized(board, 150, 110)
    assert abs(small.mean() - 127.5) < 2
    assert small.std() < 12
    assert cv2.resize(board[:480, :640], (150, 110), interpolation=cv2.INTER_LINEAR).std() > 40


@pytest.mark.parametrize("size", [(641, 481), (1501, 1101)], ids=str)
def test_noise_shrinks_nearly_as_area_averages_do(size: tuple[int, int]) -> None:
    noise = np.random.Generator(np.random.PCG64(2)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    areas = cv2.resize(noise, (150, 110), interpolation=cv2.INTER_AREA).astype(float)
    picked = cv2.resize(noise, (150, 110), interpolation=cv2.INTER_LINEAR).astype(float)
    assert np.abs(resized(noise, 150, 110) - areas).mean() < 0.4 * np.abs(picked - areas).mean()


@pytest.mark.parametrize("target", [(312, 416), (150, 200), (701, 97), (809, 1079), (1600, 2000)], ids=str)
def test_resizing_moves_nothing(target: tuple[int, int]) -> None:
    """Brightness rising evenly to the right and down tells every pixel where it came from, to a quarter of a pixel."""
    width, height = target
    y, x = np.mgrid[0:1080, 0:810]
    ramp = np.round(np.stack([255 * x / 809, 255 * y / 1079, 0 * x], axis=-1)).astype(np.uint8)
    # The ramp and its negative: their mean is free of what is rounded upwards at each halving.
    small = (resized(ramp, width, height).astype(float) + 255 - resized(255 - ramp, width, height)) / 2
    for row, length, full in ((small[..., 0].mean(axis=0), width, 810), (small[..., 1].mean(axis=1), height, 1080)):
        there = np.clip((np.arange(length) + 0.5) / length * full - 0.5, 0, full - 1)
        per_pixel = 255 / length
        np.testing.assert_allclose(row, 255 * there / (full - 1), atol=0.6 + 0.25 * per_pixel)
