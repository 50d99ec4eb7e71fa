"""Seconds of mAP: boxes of a whole validation split that are in memory already, as after the last batch.

    python -m benchmarks.mean_ap [--images 1000] [--detections 100] [--classes 20] [--runs 5]

Detections are true boxes that were moved a little, and random ones. The time is the processor's, which is valid on a busy machine too;
the ratio is to a matrix product, which says how fast the machine is.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from engine.evaluation.detect import Detections
from engine.evaluation.metrics import DetectionMetrics

SIZE = (640, 480)
TRUE_BOXES = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--detections", type=int, default=100, help="in each image")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    adding, scoring, details = [], [], []
    for run in range(arguments.runs):
        images = [
            draw(seed, arguments.detections, arguments.classes)
            for seed in range(run * 10_000, run * 10_000 + arguments.images)
        ]
        start = time.process_time()
        metrics = DetectionMetrics([f"class {number}" for number in range(arguments.classes)])
        for boxes, labels, found in images:
            metrics.add(SIZE, boxes, labels, found)
        added = time.process_time()
        metrics.result()
        scored = time.process_time()
        metrics.details()
        adding.append(added - start)
        scoring.append(scored - added)
        details.append(time.process_time() - scored)
    print(
        f"{arguments.images} images, {arguments.detections} detections each, {arguments.classes} classes; seconds of processor time"
    )
    for name, seconds in (("collect", adding), ("mAP", scoring), ("mAP by size, curves", details)):
        print(f"{name:22}{statistics.median(seconds):8.2f}   best {min(seconds):.2f}")


def draw(seed: int, detections: int, classes: int) -> tuple[np.ndarray, np.ndarray, Detections]:
    """True boxes, their labels, and detections of one image."""
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, TRUE_BOXES)
    labels = rng.integers(0, classes, TRUE_BOXES).astype(np.int32)
    near = rng.integers(0, TRUE_BOXES, detections // 3)
    moved = boxes[near] + rng.normal(0, 4, (len(near), 4)).astype(np.float32)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    found = np.concatenate((moved, random_boxes(rng, detections - len(near))))
    found_labels = np.concatenate((labels[near], rng.integers(0, classes, detections - len(near)))).astype(np.int64)
    scores = np.sort(rng.random(detections).astype(np.float32))[::-1].copy()
    return boxes, labels, Detections(found, scores, found_labels)


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) x1 y1 x2 y2."""
    sides = rng.uniform(8, 200, (count, 2))
    corners = rng.uniform(0, 1, (count, 2)) * (np.array(SIZE) - sides)
    return np.concatenate((corners, corners + sides), axis=1).astype(np.float32)


if __name__ == "__main__":
    main()
