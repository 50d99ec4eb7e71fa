"""Reading images: orientation, colour depth, reduced size, truncated files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.dataset.doctor import check_dataset
from engine.dataset.formats import open_dataset
from engine.dataset.images import UnreadableImage, load_image
from tests.dataset_on_disk import (
    SIZE,
    annotation,
    cut_off,
    red_box,
    voc_dataset,
    with_orientation,
    write_cat_voc,
    write_text,
    write_yolo,
)


@pytest.mark.parametrize("orientation", [6, 8])
@pytest.mark.parametrize("labelled_as_shown", [True, False])
def test_boxes_of_a_rotated_image_are_where_they_were_drawn(
    tmp_path: Path, orientation: int, labelled_as_shown: bool
) -> None:
    """EXIF rotation is applied, unless the size in the label is that of the unrotated image."""
    write_cat_voc(tmp_path, "a b")
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[5:25, 50:75] = 255
    image_path = tmp_path / "JPEGImages" / "a.jpg"
    cv2.imwrite(str(image_path), pixels)
    with_orientation(image_path, orientation)
    rotated = {6: (SIZE[1] - 25, 50, SIZE[1] - 5, 75), 8: (5, SIZE[0] - 75, 25, SIZE[0] - 50)}[orientation]
    size, box = (SIZE[::-1], rotated) if labelled_as_shown else (SIZE, (50, 5, 75, 25))
    write_text(tmp_path / "Annotations" / "a.xml", annotation("a.jpg", size, [("cat", box)]))
    dataset = open_dataset(tmp_path)
    shown, boxes, _ = load_image(dataset, 0)
    assert shown.shape[:2] == size[::-1]
    x1, y1, x2, y2 = boxes[0].astype(int)
    assert shown[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
    assert shown.mean() < 50
    (finding,) = [f for f in check_dataset(dataset).findings if f.message.code == "image.turned"]
    assert ("drawn on the rotated one" in str(finding.message)) == labelled_as_shown


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".PNG", ".bmp"])
def test_grey_and_16_bit_images_become_three_channels_of_8_bit(tmp_path: Path, suffix: str) -> None:
    write_yolo(tmp_path, f"a{suffix}", f"b{suffix}")
    has_16_bit = suffix.lower() == ".png"
    grey = np.full((SIZE[1], SIZE[0]), 40_000 if has_16_bit else 156, np.uint16 if has_16_bit else np.uint8)
    (tmp_path / f"a{suffix}").write_bytes(cv2.imencode(suffix.lower(), grey)[1].tobytes())
    pixels, boxes, _ = load_image(open_dataset(tmp_path), 0)
    assert (pixels.shape, pixels.dtype, len(boxes)) == ((SIZE[1], SIZE[0], 3), np.uint8, 1)
    assert abs(int(pixels.mean()) - 156) <= 1
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize(("min_long_side", "divisor"), [(None, 1), (500, 1), (400, 2), (200, 4), (100, 8), (10, 8)])
def test_a_large_jpeg_is_decoded_no_smaller_than_requested_and_its_boxes_are_scaled(
    tmp_path: Path, min_long_side: int | None, divisor: int
) -> None:
    dataset = voc_dataset(tmp_path, train=1, size=(801, 603))
    pixels, boxes, _ = load_image(dataset, 0, min_long_side=min_long_side)
    assert pixels.shape == (-(-603 // divisor), -(-801 // divisor), 3)
    assert min_long_side is None or max(pixels.shape) >= min(min_long_side, 801 // 8)
    np.testing.assert_allclose(boxes * divisor, dataset.boxes)
    np.testing.assert_allclose(boxes[0], red_box(pixels), atol=1)


# Orientations 2 to 4 (mirrored or upside down) keep the size, so that the stated size does not tell how the boxes were drawn.
ORIENTATIONS = [(number, True) for number in (1, 5, 6, 7, 8)] + [(number, False) for number in range(1, 9)]


@pytest.mark.parametrize(("orientation", "stored_size_is_stated"), ORIENTATIONS)
def test_a_rotated_image_decoded_at_a_reduced_size_keeps_its_boxes(
    tmp_path: Path, orientation: int, stored_size_is_stated: bool
) -> None:
    dataset = voc_dataset(tmp_path, train=1, size=(800, 600))
    with_orientation(dataset.image_path(0), orientation)
    if not stored_size_is_stated:  # labelled as a viewer displays it
        shown, _, _ = load_image(replace(dataset, sizes=np.zeros_like(dataset.sizes)), 0)
        dataset = replace(
            dataset, sizes=np.array([[shown.shape[1], shown.shape[0]]], np.int32), boxes=red_box(shown)[None]
        )
    small, boxes, _ = load_image(dataset, 0, min_long_side=200)
    assert max(small.shape) == 200
    np.testing.assert_allclose(boxes[0], red_box(small), atol=1)


def test_a_truncated_image_is_unreadable_at_any_size(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=1, size=(800, 600))
    cut_off(dataset.image_path(0))
    with pytest.raises(UnreadableImage, match="cut off"):
        load_image(dataset, 0, min_long_side=100)
