"""AP, in total and by size, equals that of pycocotools, the reference program of COCO."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.metrics import DetectionMetrics

BCCD = Path(__file__).parent / "data" / "bccd_detections.json"
"""True boxes of 40 images of BCCD (github.com/Shenggan/BCCD_Dataset, MIT), and what a YOLOv4-tiny detects in them."""
SIZES = ("all", "small", "medium", "large")
TOLERANCE = 1e-6
Image = tuple[TrueBoxes, Detections]


def image(
    truth: list[tuple[float, float, float, float, int]], detected: list[tuple[float, float, float, float, int, float]]
) -> Image:
    """True boxes x y width height class, and detections with their confidence behind it."""
    true_rows = np.array(truth, np.float64).reshape(-1, 5)
    rows = np.array(sorted(detected, key=lambda row: -row[5]), np.float64).reshape(-1, 6)
    return (
        TrueBoxes(_corners(true_rows), true_rows[:, 4].astype(np.int32)),
        Detections(_corners(rows), rows[:, 5].astype(np.float32), rows[:, 4].astype(np.int32)),
    )


def _corners(rows: np.ndarray) -> np.ndarray:
    return np.hstack((rows[:, :2], rows[:, :2] + rows[:, 2:4])).astype(np.float32)


def reference(images: list[Image], classes: int) -> tuple[dict[str, float], list[dict[str, float]]]:
    """pycocotools' AP50 and AP50-95 for each size, as "small AP50": of all classes, and of each. -1: no such objects."""
    annotations, detections = [], []
    for number, (truth, found) in enumerate(images, start=1):
        for (x1, y1, x2, y2), label in zip(truth.boxes.tolist(), truth.labels.tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1, "bbox": box, "iscrowd": 0}
                | {"area": box[2] * box[3]}
            )
        for (x1, y1, x2, y2), label, score in zip(
            found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
        ):
            box = [x1, y1, x2 - x1, y2 - y1]
            detections.append({"image_id": number, "category_id": label + 1, "bbox": box, "score": score})
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(1, len(images) + 1)],
        "annotations": annotations,
        "categories": [{"id": number + 1, "name": str(number)} for number in range(classes)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(detections), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"][..., -1]  # (ious, recalls, classes, sizes)
    total = _averages(precision)
    # The summary that it prints agrees with how this test reads the array.
    printed = [total[key] for key in ("all AP50-95", "all AP50", "small AP50-95", "medium AP50-95", "large AP50-95")]
    assert printed == pytest.approx([run.stats[n] for n in (0, 1, 3, 4, 5)])
    return total, [_averages(precision[:, :, [number]]) for number in range(classes)]


def _averages(precision: np.ndarray) -> dict[str, float]:
    averages = {}
    for number, size in enumerate(SIZES):
        for name, values in (("AP50-95", precision[..., number]), ("AP50", precision[0, ..., number])):
            valid = values[values > -1]
            averages[f"{size} {name}"] = float(valid.mean()) if valid.size else -1.0
    return averages


def ours(images: list[Image], classes: int) -> tuple[dict[str, float], list[dict[str, float]]]:
    """The same of `DetectionMetrics`."""
    names = [str(number) for number in range(classes)]
    metrics = DetectionMetrics(names)
    for truth, found in images:
        metrics.add((640, 480), truth.boxes, truth.labels, found)
    scores, details = metrics.result(), metrics.details()
    has_truth = any(len(truth.labels) for truth, _ in images)
    total = {
        "all AP50": scores.map50 if has_truth else -1.0,
        "all AP50-95": scores.map50_95 if has_truth else -1.0,
    }
    per_class = [
        {
            "all AP50": scores.per_class[name].ap50 if scores.per_class[name].boxes else -1.0,
            "all AP50-95": scores.per_class[name].ap50_95 if scores.per_class[name].boxes else -1.0,
        }
        for name in names
    ]
    for values, sizes in (
        (total, details.sizes),
        *zip(per_class, (details.per_class[n].sizes for n in names), strict=True),
    ):
        for size, score in sizes.items():
            values[f"{size} AP50"] = -1.0 if score.ap50 is None else score.ap50
            values[f"{size} AP50-95"] = -1.0 if score.ap50_95 is None else score.ap50_95
    return total, per_class


def assert_equal(images: list[Image], classes: int) -> None:
    expected, expected_classes = reference(images, classes)
    measured, measured_classes = ours(images, classes)
    assert measured == pytest.approx(expected, abs=TOLERANCE)
    for own, wanted in zip(measured_classes, expected_classes, strict=True):
        assert own == pytest.approx(wanted, abs=TOLERANCE)


def bccd() -> tuple[list[Image], list[str]]:
    stored = json.loads(BCCD.read_text(encoding="utf-8"))
    images = [
        (
            TrueBoxes(np.array(i["true_boxes"], np.float32).reshape(-1, 4), np.array(i["true_labels"], np.int32)),
            Detections(
                np.array(i["boxes"], np.float32).reshape(-1, 4),
                np.array(i["scores"], np.float32),
                np.array(i["labels"], np.int32),
            ),
        )
        for i in stored["images"]
    ]
    return images, stored["classes"]


def test_on_bccd() -> None:
    images, classes = bccd()
    assert sum(len(found.labels) for _, found in images) > 1000
    assert_equal(images, len(classes))


HARD_CASES = {
    "equal confidences": [
        image([(0, 0, 50, 50, 0), (100, 0, 50, 50, 0)], [(0, 0, 50, 30, 0, 0.5), (0, 0, 50, 50, 0, 0.5)]),
        image([(0, 0, 50, 50, 0)], [(200, 0, 50, 50, 0, 0.5), (0, 0, 50, 48, 0, 0.5), (0, 0, 50, 49, 0, 0.5)]),
    ],
    "areas at the borders": [
        image(
            [(0, 0, 32, 32, 0), (100, 0, 96, 96, 0), (300, 0, 31, 33, 1), (0, 200, 95, 97, 1), (200, 200, 1, 1, 1)],
            [(0, 0, 32, 32, 0, 0.9), (100, 0, 96, 96, 0, 0.8), (300, 0, 31, 33, 1, 0.7), (0, 200, 95, 97, 1, 0.6)],
        )
    ],
    "a detection of another size than its object": [
        image(
            [(0, 0, 30, 30, 0), (100, 100, 100, 100, 0)],
            [(0, 0, 34, 34, 0, 0.9), (100, 100, 90, 90, 0, 0.8), (300, 300, 20, 20, 0, 0.95)],
        )
    ],
    "overlaps at the thresholds": [
        image(
            [(0, 0, 100, 100, 0), (200, 0, 100, 100, 0), (400, 0, 100, 100, 0)],
            [(0, 0, 100, 50, 0, 0.9), (200, 0, 100, 75, 0, 0.8), (400, 0, 100, 95, 0, 0.7)],
        )
    ],
    "more than 100 detections": [
        image([(0, 0, 40, 40, 0)], [(n % 7, n % 5, 40, 40, 0, 0.9 - n / 200) for n in range(1, 150)]),
        image(
            [(10, 10, 40, 40, 0)],
            [(300, n, 20, 20, 0, 0.95 - n / 1000) for n in range(120)] + [(10, 10, 40, 40, 0, 0.5)],
        ),
    ],
    "two equal true boxes": [
        image(
            [(0, 0, 50, 50, 0), (0, 0, 50, 50, 0)],
            [(0, 0, 50, 50, 0, 0.9), (1, 1, 50, 50, 0, 0.8), (2, 2, 50, 50, 0, 0.7)],
        )
    ],
    "neighbours that share detections": [
        image(
            [(0, 0, 60, 60, 0), (20, 0, 60, 60, 0), (40, 0, 60, 60, 0)],
            [(10, 0, 60, 60, 0, 0.9), (30, 0, 60, 60, 0, 0.8), (5, 0, 60, 60, 0, 0.7), (45, 0, 60, 60, 0, 0.6)],
        )
    ],
    "images without objects, objects without detections, a class without objects": [
        image([], [(0, 0, 50, 50, 0, 0.9), (0, 0, 20, 20, 1, 0.8)]),
        image([(0, 0, 50, 50, 0)], []),
        image([(0, 0, 50, 50, 0)], [(0, 0, 50, 50, 0, 0.3), (0, 0, 50, 50, 2, 0.99)]),
        image([], []),
    ],
    "boxes without an area and beyond the image": [
        image(
            [(0, 0, 50, 50, 0), (600, 400, 200, 200, 1)],
            [
                (10, 10, 0, 0, 0, 0.9),
                (10, 10, 30, 0, 0, 0.85),
                (-20, -20, 70, 70, 0, 0.8),
                (600, 400, 900, 900, 1, 0.7),
            ],
        )
    ],
    "nothing is right": [image([(0, 0, 50, 50, 0)], [(300, 300, 50, 50, 0, 0.9)])],
    "no object at all": [image([], [(300, 300, 50, 50, 0, 0.9)])],
}


@pytest.mark.parametrize("images", HARD_CASES.values(), ids=HARD_CASES.keys())
def test_in_hard_cases(images: list[Image]) -> None:
    assert_equal(images, 3)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_on_random_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(int(rng.integers(1, 12))):
        truth = [
            (*rng.integers(0, 200, 2).tolist(), *rng.integers(1, 180, 2).tolist(), int(rng.integers(0, 3)))
            for _ in range(int(rng.integers(0, 8)))
        ]
        near = [row for row in truth for _ in range(int(rng.integers(0, 4)))]
        detected = [
            (
                *(np.array(row[:4]) + rng.integers(-8, 9, 4)).clip((-9, -9, 1, 1)).tolist(),
                row[4] if rng.random() < 0.8 else int(rng.integers(0, 3)),
                round(float(rng.random()), 1 if rng.random() < 0.5 else 6),  # many are equal
            )
            for row in [*near, (5, 5, 40, 40, 0)]
        ]
        images.append(image(truth, detected))
    assert_equal(images, 3)
