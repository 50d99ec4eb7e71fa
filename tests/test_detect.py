"""Non-maximum suppression: from decoded predictions to the objects in each image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.evaluation.detect import Detections, non_max_suppression

Row = tuple[float, ...]


def decoded_rows(*images: list[Row], classes: int = 3) -> Tensor:
    """(images, rows, 5 + classes) from rows of cx cy w h objectness class..., padded with rows of score 0."""
    count = max([1, *map(len, images)])
    decoded = torch.zeros(len(images), count, 5 + classes)
    decoded[..., 2:4] = 1
    for index, rows in enumerate(images):
        if rows:
            decoded[index, : len(rows)] = torch.tensor(rows)
    return decoded


def suppress(decoded: Tensor, confidence: float = 0.1, iou: float = 0.5, max_detections: int = 100) -> Detections:
    (detections,) = non_max_suppression(decoded, confidence=confidence, iou=iou, max_detections=max_detections)
    return detections


def test_a_row_becomes_corners_a_class_and_a_confidence() -> None:
    detections = suppress(decoded_rows([(100, 50, 40, 20, 0.8, 0.1, 0.9, 0.2)]))
    assert detections.boxes.tolist() == [[80, 40, 120, 60]]
    assert detections.labels.tolist() == [1]
    assert detections.scores.tolist() == pytest.approx([0.72])
    assert (detections.boxes.dtype, detections.scores.dtype, detections.labels.dtype) == (
        np.float32,
        np.float32,
        np.int32,
    )


def test_a_score_below_the_confidence_is_dropped_and_an_equal_one_is_kept() -> None:
    rows = [(50, 50, 20, 20, 1, score, 0, 0) for score in (0.25, 0.249)]
    rows[1] = (150, *rows[1][1:])
    assert suppress(decoded_rows(rows), confidence=0.25).boxes[:, 0].tolist() == [40]


def test_of_overlapping_boxes_of_a_class_the_most_confident_is_kept() -> None:
    detections = suppress(
        decoded_rows([(50, 50, 40, 40, 0.7, 1, 0, 0), (52, 50, 40, 40, 0.9, 1, 0, 0), (150, 50, 40, 40, 0.5, 1, 0, 0)])
    )
    assert detections.boxes[:, 0].tolist() == [32, 130]
    assert detections.scores.tolist() == pytest.approx([0.9, 0.5])


def test_the_iou_limit_is_a_parameter() -> None:
    # Two boxes of 40 x 40, 20 apart: IoU 1/3.
    decoded = decoded_rows([(50, 50, 40, 40, 0.9, 1, 0, 0), (70, 50, 40, 40, 0.8, 1, 0, 0)])
    assert len(suppress(decoded, iou=0.34).scores) == 2
    assert len(suppress(decoded, iou=0.33).scores) == 1


def test_boxes_of_another_class_are_kept() -> None:
    detections = suppress(decoded_rows([(50, 50, 40, 40, 0.9, 1, 0, 0), (50, 50, 40, 40, 0.8, 0, 0, 1)]))
    assert detections.labels.tolist() == [0, 2]


def test_images_of_a_batch_do_not_affect_each_other() -> None:
    same = (50, 50, 40, 40, 0.9, 1, 0, 0)
    detections = non_max_suppression(decoded_rows([same], [], [same, (55, 50, 40, 40, 0.8, 1, 0, 0)]), confidence=0.1)
    assert [len(image.scores) for image in detections] == [1, 0, 1]


def test_an_image_without_objects_has_empty_arrays() -> None:
    detections = suppress(decoded_rows([]))
    assert (detections.boxes.shape, detections.scores.shape, detections.labels.shape) == ((0, 4), (0,), (0,))


def test_at_most_max_detections_the_most_confident_ones() -> None:
    rows = [(20 * i + 10, 50, 10, 10, 0.01 * (i + 1), 1, 0, 0) for i in range(90)]
    detections = suppress(decoded_rows(rows), confidence=0.001, max_detections=7)
    assert detections.scores.tolist() == pytest.approx([0.9 - 0.01 * i for i in range(7)])


def test_a_batch_gives_the_same_as_its_images_alone() -> None:
    rng = torch.Generator().manual_seed(2)
    decoded = torch.rand(3, 3000, 9, generator=rng)
    decoded[..., :4] *= torch.tensor([400.0, 400.0, 90.0, 90.0])
    together = non_max_suppression(decoded, confidence=0.3)
    for index, detections in enumerate(together):
        alone = suppress(decoded[index : index + 1], confidence=0.3)
        assert np.array_equal(detections.boxes, alone.boxes)
        assert np.array_equal(detections.scores, alone.scores)
        assert np.array_equal(detections.labels, alone.labels)


def test_a_giant_box_does_not_round_the_others() -> None:
    """An untrained network predicts boxes of any size; two small ones side by side are still two objects."""
    giant = (0, 0, 3e8, 3e8, 0.9, 1, 0, 0)
    pair = [(50, 50, 8, 8, 0.8, 0, 0, 1), (55, 50, 8, 8, 0.7, 0, 0, 1)]
    detections = suppress(decoded_rows([giant, *pair]))
    assert detections.labels.tolist() == [0, 2, 2]
    assert detections.boxes[1:].tolist() == [[46, 46, 54, 54], [51, 46, 59, 54]]


@pytest.mark.parametrize("column", [0, 2, 4, 5])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_neither_appear_nor_replace_others(column: int, value: float) -> None:
    decoded = decoded_rows([(50, 50, 20, 20, 0.9, 1, 0, 0)] * 5000)
    decoded[0, 1:, column] = value
    detections = suppress(decoded, max_detections=5)
    assert np.isfinite(detections.boxes).all()
    assert [40, 40, 60, 60] in detections.boxes.tolist()
