"""mAP as COCO defines it, and precision, recall and F1 at the confidence with the best mean F1 of all classes."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.evaluation.detect import Detections
from engine.evaluation.metrics import DetectionMetrics, Scores

SIZE = (200, 200)
A, B, C = (10, 10, 50, 50), (100, 100, 180, 160), (20, 120, 60, 190)
Box = tuple[float, float, float, float]
Truth = list[tuple[Box, int]]
Detected = list[tuple[Box, int, float]]


def scores(*images: tuple[Truth, Detected], classes: tuple[str, ...] = ("cat", "dog")) -> Scores:
    """Images as (true boxes with classes, detected boxes with classes and confidences)."""
    metrics = DetectionMetrics(classes)
    for truth, detected in images:
        boxes, labels = corners([box for box, _ in truth]), class_numbers([label for _, label in truth])
        metrics.add(SIZE, boxes, labels, as_detections(detected))
    return metrics.result()


def corners(boxes: list[Box]) -> NDArray[np.float32]:
    return np.array(boxes, np.float32).reshape(-1, 4)


def class_numbers(labels: list[int]) -> NDArray[np.int32]:
    return np.array(labels, np.int32)


def as_detections(detected: Detected) -> Detections:
    return Detections(
        corners([box for box, _, _ in detected]),
        np.array([score for _, _, score in detected], np.float32),
        class_numbers([label for _, label, _ in detected]),
    )


# Average precision: COCO takes the mean over the 101 recalls 0, 0.01 ... 1.


def test_all_objects_detected_exactly_is_1() -> None:
    result = scores(([(A, 0), (B, 1)], [(A, 0, 0.9), (B, 1, 0.8)]), ([(C, 0)], [(C, 0, 0.7)]))
    assert (result.images, result.map50, result.map50_95) == (2, 1.0, 1.0)
    cat = result.per_class["cat"]
    assert (cat.ap50, cat.ap50_95, cat.boxes, cat.precision, cat.recall, cat.f1) == (1.0, 1.0, 2, 1.0, 1.0, 1.0)


def test_one_of_two_detected_reaches_51_of_101_recalls() -> None:
    result = scores(([(A, 0), (B, 0)], [(A, 0, 0.9)]))
    assert result.map50 == pytest.approx(51 / 101)
    assert (result.per_class["cat"].precision, result.per_class["cat"].recall) == (1.0, 0.5)
    assert result.per_class["cat"].f1 == pytest.approx(2 / 3)


def test_a_second_box_on_a_detected_object_is_wrong() -> None:
    result = scores(([(A, 0), (B, 0)], [(A, 0, 0.9), (A, 0, 0.8), (B, 0, 0.7)]))
    assert result.map50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_a_correct_box_of_the_wrong_class_counts_as_wrong() -> None:
    result = scores(([(A, 0), (B, 1)], [(A, 1, 0.9), (B, 0, 0.8)]))
    assert (result.map50, result.map50_95) == (0.0, 0.0)


def test_the_same_box_in_another_image_counts_as_wrong() -> None:
    assert scores(([(A, 0)], []), ([], [(A, 0, 0.9)])).map50 == 0.0


def test_a_box_counts_at_every_overlap_it_reaches() -> None:
    # IoU 0.72: correct at 0.50, 0.55, 0.60, 0.65 and 0.70 of the ten.
    result = scores(([((0, 0, 100, 100), 0)], [((0, 0, 100, 72), 0, 0.9)]))
    assert (result.map50, result.map50_95) == (1.0, pytest.approx(0.5))


def test_a_class_without_true_boxes_is_left_out_of_the_mean() -> None:
    result = scores(([(A, 0)], [(A, 0, 0.9), (B, 1, 0.9)]))
    assert result.map50 == 1.0
    assert (result.per_class["dog"].boxes, result.per_class["dog"].ap50) == (0, 0.0)


def test_wrong_boxes_in_images_without_objects_count() -> None:
    clean = scores(([(A, 0)], [(A, 0, 0.6)]), ([], []))
    noisy = scores(([(A, 0)], [(A, 0, 0.6)]), ([], [(B, 0, 0.9)]))
    assert (clean.map50, noisy.map50) == (1.0, pytest.approx(0.5))


# The threshold


def test_precision_and_recall_are_those_of_the_boxes_above_the_threshold() -> None:
    """Four objects; from 0.30 on three are detected and one box is wrong; every other confidence is worse."""
    truth: Truth = [(A, 0), (B, 0), (C, 0), ((0, 0, 8, 8), 0)]
    detected: Detected = [(A, 0, 0.9), (B, 0, 0.8), ((150, 10, 190, 50), 0, 0.5), (C, 0, 0.305)]
    wrong: Detected = [((x, 70, x + 9, 90), 0, 0.2) for x in range(70, 170, 10)]
    cat = scores((truth, detected + wrong)).per_class["cat"]
    assert (cat.precision, cat.recall, cat.f1) == (0.75, 0.75, pytest.approx(0.75))


def test_the_threshold_is_the_middle_of_an_equally_good_range() -> None:
    result = scores(([(A, 0)], [(A, 0, 0.905), (B, 0, 0.105)]))
    assert result.threshold == pytest.approx(0.5, abs=0.011)


def test_one_threshold_is_used_for_all_classes() -> None:
    """The dog is only detected at 0.3, where the cat has a lower precision; the mean F1 is still better there."""
    cat: tuple[Truth, Detected] = ([(A, 0)], [(A, 0, 0.9), (B, 0, 0.4)])
    dog: tuple[Truth, Detected] = ([(C, 1)], [(C, 1, 0.305)])
    result = scores(cat, dog)
    assert result.threshold <= 0.305
    assert (result.per_class["cat"].precision, result.per_class["dog"].recall) == (0.5, 1.0)


def test_a_match_at_a_stricter_overlap_is_no_second_match() -> None:
    """One object with two boxes: the more confident has IoU 0.6, the other 0.9. At IoU 0.5 the second is wrong."""
    cat: tuple[Truth, Detected] = (
        [((0, 0, 100, 100), 0)],
        [((0, 0, 100, 60), 0, 0.9), ((0, 0, 100, 90), 0, 0.8)],
    )
    dog: tuple[Truth, Detected] = ([(C, 1)], [(C, 1, 0.3)])
    assert scores(cat, dog).per_class["cat"].precision == 0.5


# Nothing to score


def test_no_detections_are_zero_everywhere() -> None:
    result = scores(([(A, 0), (B, 1)], []))
    assert (result.images, result.map50, result.map50_95) == (1, 0.0, 0.0)
    assert result.per_class["dog"].boxes == 1


@pytest.mark.parametrize("images", [[], [([], [])], [([], [(A, 0, 0.9)])]], ids=["no image", "empty", "only wrong"])
def test_no_truth_is_zero_everywhere(images: list[tuple[Truth, Detected]]) -> None:
    result = scores(*images)
    assert (result.map50, result.map50_95, result.images) == (0.0, 0.0, len(images))
    assert 0 < result.threshold < 1


# The result


def test_the_json_keys_are_a_contract() -> None:
    stored = json.loads(json.dumps(scores(([(A, 0)], [(A, 0, 0.9)])).to_json()))
    assert set(stored) == {"images", "map50", "map50_95", "per_class", "threshold"}
    assert set(stored["per_class"]["cat"]) == {"ap50", "ap50_95", "boxes", "precision", "recall", "f1"}


def test_class_names_may_be_anything() -> None:
    classes = ("[red]x[/red]", "\x1b[2J", "中文 名", "a,b", "")
    result = scores(([(A, 2), (B, 4)], [(A, 2, 0.9), (B, 4, 0.8)]), classes=classes)
    assert tuple(result.per_class) == classes
    assert [result.per_class[name].ap50 for name in classes] == [0.0, 0.0, 1.0, 0.0, 1.0]


def test_the_library_prints_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        scores(([(A, 0)], [(A, 0, 0.9)]))
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


# The same figures computed without the library


def matches(truth: Truth, detected: Detected, iou: float) -> list[bool]:
    """Whether each detected box, the most confident first, matches a free object of its class: the one of largest IoU."""
    free = list(range(len(truth)))
    is_match = [False] * len(detected)
    for index in sorted(range(len(detected)), key=lambda i: -detected[i][2]):
        box, label, _ = detected[index]
        possible = [t for t in free if truth[t][1] == label and overlap(truth[t][0], box) >= iou]
        if possible:
            free.remove(max(possible, key=lambda t: overlap(truth[t][0], box)))
            is_match[index] = True
    return is_match


def overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    intersection = max(width, 0) * max(height, 0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return intersection / (areas - intersection)


def average_precision(images: list[tuple[Truth, Detected]], label: int, iou: float) -> float:
    count = sum(own == label for truth, _ in images for _, own in truth)
    rows = [
        (score, right)
        for truth, detected in images
        for (_, own, score), right in zip(detected, matches(truth, detected, iou), strict=True)
        if own == label
    ]
    rows.sort(key=lambda row: -row[0])
    hits = np.cumsum([right for _, right in rows])
    recall, precision = hits / count, hits / np.arange(1, len(rows) + 1)
    return float(np.mean([max(precision[recall >= r], default=0.0) for r in np.linspace(0, 1, 101)]))


def random_images(count: int) -> list[tuple[Truth, Detected]]:
    rng = np.random.default_rng(4)
    images = []
    for _ in range(count):
        truth: Truth = []
        detected: Detected = []
        for _ in range(int(rng.integers(0, 6))):
            x, y, width, height = rng.integers(5, 90, 4).tolist()
            truth.append(((x, y, x + width, y + height), int(rng.integers(0, 3))))
            for _ in range(int(rng.integers(0, 4))):
                moved = (np.array(truth[-1][0]) + rng.integers(-9, 9, 4)).clip(0, 200)
                x1, y1, x2, y2 = moved.tolist()
                label = truth[-1][1] if rng.random() < 0.9 else int(rng.integers(0, 3))
                detected.append(((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)), label, float(np.float32(rng.random()))))
        images.append((truth, detected))
    return images


def test_the_figures_equal_those_computed_without_the_library() -> None:
    images, classes = random_images(60), ("cat", "dog", "cow")
    result = scores(*images, classes=classes)
    for label, name in enumerate(classes):
        aps = [average_precision(images, label, iou) for iou in np.linspace(0.5, 0.95, 10)]
        assert result.per_class[name].ap50 == pytest.approx(aps[0], abs=1e-6)
        assert result.per_class[name].ap50_95 == pytest.approx(np.mean(aps), abs=1e-6)
        confident = [
            (own, right)
            for truth, detected in images
            for (_, own, score), right in zip(detected, matches(truth, detected, 0.5), strict=True)
            if score >= result.threshold
        ]
        hits = sum(right for own, right in confident if own == label)
        assert result.per_class[name].precision == pytest.approx(hits / sum(own == label for own, _ in confident))
        assert result.per_class[name].recall == pytest.approx(hits / result.per_class[name].boxes)
