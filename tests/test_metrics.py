"""mAP as COCO defines it, and precision, recall and F1 at the one confidence that suits all classes best."""

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
Found = list[tuple[Box, int, float]]


def scores(*pictures: tuple[Truth, Found], classes: tuple[str, ...] = ("cat", "dog")) -> Scores:
    """Pictures as (true boxes with classes, found boxes with classes and confidences)."""
    scorer = DetectionMetrics(classes)
    for truth, found in pictures:
        scorer.add(SIZE, corners([box for box, _ in truth]), numbers([label for _, label in truth]), detected(found))
    return scorer.result()


def corners(boxes: list[Box]) -> NDArray[np.float32]:
    return np.array(boxes, np.float32).reshape(-1, 4)


def numbers(labels: list[int]) -> NDArray[np.int32]:
    return np.array(labels, np.int32)


def detected(found: Found) -> Detections:
    return Detections(
        corners([box for box, _, _ in found]),
        np.array([score for _, _, score in found], np.float32),
        numbers([label for _, label, _ in found]),
    )


# Average precision: COCO takes the mean over the 101 recalls 0, 0.01 ... 1.


def test_everything_found_exactly_is_1() -> None:
    result = scores(([(A, 0), (B, 1)], [(A, 0, 0.9), (B, 1, 0.8)]), ([(C, 0)], [(C, 0, 0.7)]))
    assert (result.images, result.map50, result.map50_95) == (2, 1.0, 1.0)
    cat = result.per_class["cat"]
    assert (cat.ap50, cat.ap50_95, cat.boxes, cat.precision, cat.recall, cat.f1) == (1.0, 1.0, 2, 1.0, 1.0, 1.0)


def test_one_of_two_found_reaches_51_of_101_recalls() -> None:
    result = scores(([(A, 0), (B, 0)], [(A, 0, 0.9)]))
    assert result.map50 == pytest.approx(51 / 101)
    assert (result.per_class["cat"].precision, result.per_class["cat"].recall) == (1.0, 0.5)
    assert result.per_class["cat"].f1 == pytest.approx(2 / 3)


def test_a_second_box_on_a_found_object_is_wrong() -> None:
    result = scores(([(A, 0), (B, 0)], [(A, 0, 0.9), (A, 0, 0.8), (B, 0, 0.7)]))
    assert result.map50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_a_right_box_of_the_wrong_class_finds_nothing() -> None:
    result = scores(([(A, 0), (B, 1)], [(A, 1, 0.9), (B, 0, 0.8)]))
    assert (result.map50, result.map50_95) == (0.0, 0.0)


def test_the_same_box_in_another_picture_finds_nothing() -> None:
    assert scores(([(A, 0)], []), ([], [(A, 0, 0.9)])).map50 == 0.0


def test_a_box_counts_at_every_overlap_it_reaches() -> None:
    # IoU 0.72: right at 0.50, 0.55, 0.60, 0.65 and 0.70 of the ten.
    result = scores(([((0, 0, 100, 100), 0)], [((0, 0, 100, 72), 0, 0.9)]))
    assert (result.map50, result.map50_95) == (1.0, pytest.approx(0.5))


def test_a_class_without_true_boxes_takes_no_part_in_the_mean() -> None:
    result = scores(([(A, 0)], [(A, 0, 0.9), (B, 1, 0.9)]))
    assert result.map50 == 1.0
    assert (result.per_class["dog"].boxes, result.per_class["dog"].ap50) == (0, 0.0)


def test_wrong_boxes_in_pictures_without_objects_count() -> None:
    clean = scores(([(A, 0)], [(A, 0, 0.6)]), ([], []))
    noisy = scores(([(A, 0)], [(A, 0, 0.6)]), ([], [(B, 0, 0.9)]))
    assert (clean.map50, noisy.map50) == (1.0, pytest.approx(0.5))


# The threshold


def test_precision_and_recall_are_those_of_the_boxes_above_the_threshold() -> None:
    """Four objects; from 0.30 on three are found and one box is wrong, and every other confidence is worse."""
    truth: Truth = [(A, 0), (B, 0), (C, 0), ((0, 0, 8, 8), 0)]
    found: Found = [(A, 0, 0.9), (B, 0, 0.8), ((150, 10, 190, 50), 0, 0.5), (C, 0, 0.305)]
    wrong: Found = [((x, 70, x + 9, 90), 0, 0.2) for x in range(70, 170, 10)]
    cat = scores((truth, found + wrong)).per_class["cat"]
    assert (cat.precision, cat.recall, cat.f1) == (0.75, 0.75, pytest.approx(0.75))


def test_the_threshold_is_the_middle_of_an_equally_good_range() -> None:
    result = scores(([(A, 0)], [(A, 0, 0.905), (B, 0, 0.105)]))
    assert result.threshold == pytest.approx(0.5, abs=0.011)


def test_one_threshold_suits_all_classes_together() -> None:
    """The dogs are only found at 0.3, which costs the cat its precision: two dogs in the mean would not be worth less."""
    cat: tuple[Truth, Found] = ([(A, 0)], [(A, 0, 0.9), (B, 0, 0.4)])
    dog: tuple[Truth, Found] = ([(C, 1)], [(C, 1, 0.305)])
    result = scores(cat, dog)
    assert result.threshold <= 0.305
    assert (result.per_class["cat"].precision, result.per_class["dog"].recall) == (0.5, 1.0)


def test_a_partner_at_a_stricter_overlap_makes_no_second_find() -> None:
    """One object under two boxes: the surer one overlaps by 0.6, the other by 0.9. At IoU 0.5 the second is wrong."""
    cat: tuple[Truth, Found] = (
        [((0, 0, 100, 100), 0)],
        [((0, 0, 100, 60), 0, 0.9), ((0, 0, 100, 90), 0, 0.8)],
    )
    dog: tuple[Truth, Found] = ([(C, 1)], [(C, 1, 0.3)])
    assert scores(cat, dog).per_class["cat"].precision == 0.5


# Nothing to score


def test_no_detections_are_zero_everywhere() -> None:
    result = scores(([(A, 0), (B, 1)], []))
    assert (result.images, result.map50, result.map50_95) == (1, 0.0, 0.0)
    assert result.per_class["dog"].boxes == 1


@pytest.mark.parametrize("pictures", [[], [([], [])], [([], [(A, 0, 0.9)])]], ids=["no picture", "empty", "only wrong"])
def test_no_truth_is_zero_everywhere(pictures: list[tuple[Truth, Found]]) -> None:
    result = scores(*pictures)
    assert (result.map50, result.map50_95, result.images) == (0.0, 0.0, len(pictures))
    assert 0 < result.threshold < 1


# What comes out


def test_the_json_form_is_the_contract() -> None:
    found = json.loads(json.dumps(scores(([(A, 0)], [(A, 0, 0.9)])).to_json()))
    assert set(found) == {"images", "map50", "map50_95", "per_class", "threshold"}
    assert set(found["per_class"]["cat"]) == {"ap50", "ap50_95", "boxes", "precision", "recall", "f1"}


def test_class_names_may_be_anything() -> None:
    classes = ("[red]x[/red]", "\x1b[2J", "中文 名", "a,b", "")
    result = scores(([(A, 2), (B, 4)], [(A, 2, 0.9), (B, 4, 0.8)]), classes=classes)
    assert tuple(result.per_class) == classes
    assert [result.per_class[name].ap50 for name in classes] == [0.0, 0.0, 1.0, 0.0, 1.0]


def test_the_library_says_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        scores(([(A, 0)], [(A, 0, 0.9)]))
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


# The long way


def matches(truth: Truth, found: Found, iou: float) -> list[bool]:
    """Whether each found box, the surest first, takes a free object of its class: the one it overlaps most."""
    free = list(range(len(truth)))
    right = [False] * len(found)
    for number in sorted(range(len(found)), key=lambda n: -found[n][2]):
        box, label, _ = found[number]
        there = [t for t in free if truth[t][1] == label and overlap(truth[t][0], box) >= iou]
        if there:
            free.remove(max(there, key=lambda t: overlap(truth[t][0], box)))
            right[number] = True
    return right


def overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    both = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / (both - shared)


def average_precision(pictures: list[tuple[Truth, Found]], label: int, iou: float) -> float:
    count = sum(own == label for truth, _ in pictures for _, own in truth)
    rows = [
        (score, right)
        for truth, found in pictures
        for (_, own, score), right in zip(found, matches(truth, found, iou), strict=True)
        if own == label
    ]
    rows.sort(key=lambda row: -row[0])
    hits = np.cumsum([right for _, right in rows])
    recall, precision = hits / count, hits / np.arange(1, len(rows) + 1)
    return float(np.mean([max(precision[recall >= r], default=0.0) for r in np.linspace(0, 1, 101)]))


def drawn_pictures(count: int) -> list[tuple[Truth, Found]]:
    rng = np.random.default_rng(4)
    pictures = []
    for _ in range(count):
        truth: Truth = []
        found: Found = []
        for _ in range(int(rng.integers(0, 6))):
            x, y, width, height = rng.integers(5, 90, 4).tolist()
            truth.append(((x, y, x + width, y + height), int(rng.integers(0, 3))))
            for _ in range(int(rng.integers(0, 4))):
                moved = (np.array(truth[-1][0]) + rng.integers(-9, 9, 4)).clip(0, 200)
                x1, y1, x2, y2 = moved.tolist()
                label = truth[-1][1] if rng.random() < 0.9 else int(rng.integers(0, 3))
                found.append(((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)), label, float(np.float32(rng.random()))))
        pictures.append((truth, found))
    return pictures


def test_the_figures_are_those_of_counting_it_out() -> None:
    pictures, classes = drawn_pictures(60), ("cat", "dog", "cow")
    result = scores(*pictures, classes=classes)
    for label, name in enumerate(classes):
        aps = [average_precision(pictures, label, iou) for iou in np.linspace(0.5, 0.95, 10)]
        assert result.per_class[name].ap50 == pytest.approx(aps[0], abs=1e-6)
        assert result.per_class[name].ap50_95 == pytest.approx(np.mean(aps), abs=1e-6)
        sure = [
            (own, right)
            for truth, found in pictures
            for (_, own, score), right in zip(found, matches(truth, found, 0.5), strict=True)
            if score >= result.threshold
        ]
        hits = sum(right for own, right in sure if own == label)
        assert result.per_class[name].precision == pytest.approx(hits / sum(own == label for own, _ in sure))
        assert result.per_class[name].recall == pytest.approx(hits / result.per_class[name].boxes)
