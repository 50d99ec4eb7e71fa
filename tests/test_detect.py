"""From what a network says to the objects in each picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.evaluation.detect import Detections, detections

Row = tuple[float, ...]


def said(*pictures: list[Row], classes: int = 3) -> Tensor:
    """(pictures, rows, 5 + classes) from rows of cx cy w h objectness class..., filled up with rows that say nothing."""
    most = max([1, *map(len, pictures)])
    decoded = torch.zeros(len(pictures), most, 5 + classes)
    decoded[..., 2:4] = 1
    for number, rows in enumerate(pictures):
        if rows:
            decoded[number, : len(rows)] = torch.tensor(rows)
    return decoded


def one(decoded: Tensor, confidence: float = 0.1, iou: float = 0.5, most: int = 100) -> Detections:
    (found,) = detections(decoded, confidence=confidence, iou=iou, most=most)
    return found


def test_a_row_becomes_corners_a_class_and_a_confidence() -> None:
    found = one(said([(100, 50, 40, 20, 0.8, 0.1, 0.9, 0.2)]))
    assert found.boxes.tolist() == [[80, 40, 120, 60]]
    assert found.labels.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.72])
    assert (found.boxes.dtype, found.scores.dtype, found.labels.dtype) == (np.float32, np.float32, np.int32)


def test_less_than_the_confidence_is_left_out_and_exactly_that_stays() -> None:
    rows = [(50, 50, 20, 20, 1, score, 0, 0) for score in (0.25, 0.249)]
    rows[1] = (150, *rows[1][1:])
    assert one(said(rows), confidence=0.25).boxes[:, 0].tolist() == [40]


def test_of_overlapping_boxes_of_a_class_the_surest_stays() -> None:
    found = one(said([(50, 50, 40, 40, 0.7, 1, 0, 0), (52, 50, 40, 40, 0.9, 1, 0, 0), (150, 50, 40, 40, 0.5, 1, 0, 0)]))
    assert found.boxes[:, 0].tolist() == [32, 130]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])


def test_how_much_overlap_is_one_object_can_be_said() -> None:
    # Two boxes of 40 x 40, 20 apart: IoU 1/3.
    decoded = said([(50, 50, 40, 40, 0.9, 1, 0, 0), (70, 50, 40, 40, 0.8, 1, 0, 0)])
    assert len(one(decoded, iou=0.34).scores) == 2
    assert len(one(decoded, iou=0.33).scores) == 1


def test_boxes_of_another_class_stay() -> None:
    found = one(said([(50, 50, 40, 40, 0.9, 1, 0, 0), (50, 50, 40, 40, 0.8, 0, 0, 1)]))
    assert found.labels.tolist() == [0, 2]


def test_pictures_of_a_batch_do_not_touch_each_other() -> None:
    same = (50, 50, 40, 40, 0.9, 1, 0, 0)
    found = detections(said([same], [], [same, (55, 50, 40, 40, 0.8, 1, 0, 0)]), confidence=0.1)
    assert [len(picture.scores) for picture in found] == [1, 0, 1]


def test_a_picture_without_objects_has_empty_arrays() -> None:
    found = one(said([]))
    assert (found.boxes.shape, found.scores.shape, found.labels.shape) == ((0, 4), (0,), (0,))


def test_at_most_so_many_the_surest_ones() -> None:
    rows = [(20 * i + 10, 50, 10, 10, 0.01 * (i + 1), 1, 0, 0) for i in range(90)]
    found = one(said(rows), confidence=0.001, most=7)
    assert found.scores.tolist() == pytest.approx([0.9 - 0.01 * i for i in range(7)])


def test_a_batch_finds_what_its_pictures_find_alone() -> None:
    rng = torch.Generator().manual_seed(2)
    decoded = torch.rand(3, 3000, 9, generator=rng)
    decoded[..., :4] *= torch.tensor([400.0, 400.0, 90.0, 90.0])
    together = detections(decoded, confidence=0.3)
    for number, found in enumerate(together):
        alone = one(decoded[number : number + 1], confidence=0.3)
        assert np.array_equal(found.boxes, alone.boxes)
        assert np.array_equal(found.scores, alone.scores)
        assert np.array_equal(found.labels, alone.labels)


def test_a_giant_box_does_not_blur_the_others() -> None:
    """An untrained network makes boxes of any size; two small ones beside each other are two objects all the same."""
    giant = (0, 0, 3e8, 3e8, 0.9, 1, 0, 0)
    pair = [(50, 50, 8, 8, 0.8, 0, 0, 1), (55, 50, 8, 8, 0.7, 0, 0, 1)]
    found = one(said([giant, *pair]))
    assert found.labels.tolist() == [0, 2, 2]
    assert found.boxes[1:].tolist() == [[46, 46, 54, 54], [51, 46, 59, 54]]


@pytest.mark.parametrize("column", [0, 2, 4, 5])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rows_that_are_no_numbers_neither_appear_nor_push_others_out(column: int, value: float) -> None:
    decoded = said([(50, 50, 20, 20, 0.9, 1, 0, 0)] * 5000)
    decoded[0, 1:, column] = value
    found = one(decoded, most=5)
    assert np.isfinite(found.boxes).all()
    assert [40, 40, 60, 60] in found.boxes.tolist()
