"""The kinds of mistakes, as TIDE sorts them, and the confusion matrix."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.mistakes import Kind, Matches, Mistakes, confusion_matrix, match_boxes

CAT, DOG, COW = 0, 1, 2
Box = tuple[int, int, int, int]
A: Box = (0, 0, 100, 100)
B: Box = (300, 300, 400, 400)
A_CLOSE: Box = (0, 0, 100, 80)  # IoU 0.8 with A
A_HALF: Box = (0, 0, 100, 50)  # IoU 0.5
A_PART: Box = (0, 0, 100, 30)  # IoU 0.3
A_TOUCHED: Box = (0, 0, 100, 9)  # IoU 0.09
ELSEWHERE: Box = (200, 0, 250, 50)


def matched(truth: list[tuple[Box, int]], detected: list[tuple[Box, int]], threshold: float = 0.5) -> Matches:
    """Detections in descending confidence, all above 0.5."""
    scores = np.linspace(0.9, 0.6, len(detected), dtype=np.float32)
    return match_boxes(
        Detections(corners([box for box, _ in detected]), scores, labels([label for _, label in detected])),
        TrueBoxes(corners([box for box, _ in truth]), labels([label for _, label in truth])),
        threshold,
    )


def corners(boxes: list[Box]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def labels(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.int32)


@pytest.mark.parametrize(
    ("detected", "kinds"),
    [
        ([(A, CAT)], {}),
        ([(A_HALF, CAT)], {}),
        ([], {Kind.MISSED: 1}),
        ([(A_CLOSE, DOG)], {Kind.WRONG_CLASS: 1}),
        ([(A_PART, CAT)], {Kind.BADLY_PLACED: 1}),
        ([(A_PART, DOG)], {Kind.BOTH_WRONG: 1, Kind.MISSED: 1}),
        ([(A, CAT), (A_CLOSE, CAT)], {Kind.DOUBLE: 1}),
        ([(A_CLOSE, CAT), (A, CAT)], {Kind.DOUBLE: 1}),
        ([(A, CAT), (A_PART, CAT)], {Kind.BADLY_PLACED: 1}),
        ([(A, CAT), (A_CLOSE, DOG)], {Kind.WRONG_CLASS: 1}),
        ([(ELSEWHERE, CAT)], {Kind.BACKGROUND: 1, Kind.MISSED: 1}),
        ([(A_TOUCHED, CAT)], {Kind.BACKGROUND: 1, Kind.MISSED: 1}),
        ([(A_TOUCHED, DOG)], {Kind.BACKGROUND: 1, Kind.MISSED: 1}),
        ([(A_CLOSE, DOG), (A, CAT), (A_PART, CAT), (A, CAT), (ELSEWHERE, COW)],
         {Kind.WRONG_CLASS: 1, Kind.BADLY_PLACED: 1, Kind.DOUBLE: 1, Kind.BACKGROUND: 1}),
    ],
)  # fmt: skip
def test_each_kind(detected: list[tuple[Box, int]], kinds: dict[Kind, int]) -> None:
    assert matched([(A, CAT)], detected).count_kinds() == kinds


def test_an_object_of_the_class_that_is_near_comes_before_one_of_another_class() -> None:
    """As in TIDE's code: a dog on a cat with a second cat beside it is called badly placed where it is called a cat."""
    assert matched([(A, DOG), ((0, 70, 100, 170), CAT)], [(A, CAT)]).kinds == (Kind.BADLY_PLACED,)


def test_without_objects_every_detection_is_on_the_background() -> None:
    assert matched([], [(A, CAT), (B, DOG)]).kinds == (Kind.BACKGROUND, Kind.BACKGROUND)


def test_detections_below_the_threshold_do_not_count() -> None:
    match = matched([(A, CAT)], [(B, CAT), (A, CAT)], threshold=0.7)
    assert match.kinds == (Kind.BACKGROUND,)
    assert match.count_mistakes() == Mistakes(found=0, missed=1, wrong=1)


def test_the_kinds_are_those_of_tide_on_random_images() -> None:
    """The numbers were computed with tidecv 1.0.1 from the same images."""
    rng = np.random.default_rng(1)
    total: Counter[Kind] = Counter()
    for _ in range(600):
        objects, detections = rng.integers(0, 6), rng.integers(0, 12)
        first = rng.uniform(0, 60, (objects, 2))
        boxes = np.hstack((first, first + rng.uniform(8, 50, (objects, 2)))).astype(np.float32)
        truth = TrueBoxes(boxes, rng.integers(0, 3, objects).astype(np.int32))
        if objects:
            moved = boxes[rng.integers(0, objects, detections)] + rng.normal(0, 7, (detections, 4)).astype(np.float32)
            found = np.sort(moved.reshape(-1, 2, 2), axis=1).reshape(-1, 4).astype(np.float32)
        else:
            found = np.tile(np.array([[0, 0, 20, 20]], np.float32), (detections, 1))
        scores = np.sort(rng.random(detections).astype(np.float32))[::-1]
        total += match_boxes(
            Detections(found, scores, rng.integers(0, 3, detections).astype(np.int32)), truth, 0.0
        ).count_kinds()
    assert total == {
        Kind.WRONG_CLASS: 625,
        Kind.BADLY_PLACED: 742,
        Kind.BOTH_WRONG: 804,
        Kind.DOUBLE: 69,
        Kind.BACKGROUND: 791,
        Kind.MISSED: 653,
    }


def test_the_confusion_matrix_counts_each_object_and_each_detection_once() -> None:
    images = [
        matched([(A, CAT), (B, DOG)], [(A, CAT), (A_CLOSE, CAT), (B, CAT), (ELSEWHERE, COW)]),
        matched([(A, COW)], []),
        matched([(A, DOG)], [(A_PART, DOG)]),
        matched([], [(A, DOG)]),
    ]
    assert confusion_matrix(images, 3).tolist() == [
        [1, 0, 0, 0],  # cat
        [1, 0, 0, 1],  # dog
        [0, 0, 0, 1],  # cow
        [1, 2, 1, 0],  # background
    ]


def test_a_found_object_is_on_the_diagonal_even_if_a_more_confident_detection_of_another_class_overlaps_it() -> None:
    assert confusion_matrix([matched([(A, CAT)], [(A, DOG), (A_CLOSE, CAT)])], 2).tolist() == [
        [1, 0, 0],
        [0, 0, 0],
        [0, 1, 0],
    ]


def test_the_worst_image_has_many_mistakes_and_little_that_is_right() -> None:
    """Three missed of three come before four missed of twenty, and after twenty missed of thirty."""
    far_apart: list[tuple[Box, int]] = [((300 * n, 0, 300 * n + 100, 100), CAT) for n in range(30)]
    all_missed = matched(far_apart[:3], [])
    crowded_good = matched(far_apart[:20], far_apart[:16])
    crowded_bad = matched(far_apart, far_apart[:10])
    assert crowded_bad.severity() > all_missed.severity() > crowded_good.severity()
    assert matched(far_apart, far_apart).severity() == 0
    assert matched([], []).severity() == 0
