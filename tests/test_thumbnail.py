"""Small images with their boxes, as the terminal shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.colours import colour_of
from engine.evaluation.thumbnail import labelled_thumbnail, thumbnail
from engine.messages import BadInput
from tests.dataset_on_disk import cut_off, voc_dataset


def test_a_thumbnail_fits_keeps_its_aspect_and_shows_the_boxes_in_their_colours(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path / "voc", train=2, size=(96, 64))
    small = labelled_thumbnail(dataset, 0, 30, 40)
    assert (small.width, small.height) == (30, 20)
    assert small.objects == (("thing", 1, colour_of(0)),)
    pixels = np.frombuffer(small.rgb, np.uint8).reshape(20, 30, 3)
    # The box is x 5 to 35, y 4 to 29 of 96x64.
    assert tuple(pixels[round(4 * 20 / 64), round(20 * 30 / 96)]) == colour_of(0)
    assert tuple(pixels[15, 25]) != colour_of(0)


def test_a_small_image_is_enlarged_and_boxes_at_its_edge_stay_inside() -> None:
    small = thumbnail(
        np.zeros((4, 8, 3), np.uint8), np.array([[0, 0, 8, 4]], np.float32), np.array([1], np.int32), ("a", "b"), 40, 40
    )
    assert (small.width, small.height) == (40, 20)
    pixels = np.frombuffer(small.rgb, np.uint8).reshape(20, 40, 3)
    assert tuple(pixels[19, 39]) == colour_of(1)


def test_an_unreadable_image_is_refused(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path / "voc", train=2)
    cut_off(dataset.image_path(1))
    with pytest.raises(BadInput, match="cut off"):
        labelled_thumbnail(dataset, 1, 30, 40)


def test_texts_of_boxes_are_drawn_or_returned_for_large_pixels() -> None:
    pixels = np.full((100, 200, 3), 60, np.uint8)
    boxes, labels = np.array([[20, 40, 120, 90]], np.float32), np.array([1], np.int32)
    given = (pixels, boxes, labels, ("cat", "dog"), 400, 200)
    returned = thumbnail(*given, texts=["dog 0.87"])
    (label,) = returned.labels
    assert (label.x, label.y, label.text, label.colour) == (40, 80, "dog 0.87", colour_of(1))
    drawn = thumbnail(*given, texts=["dog 0.87"], text_size=14)
    assert drawn.labels == ()
    assert drawn.rgb != returned.rgb
