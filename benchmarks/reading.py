"""Seconds and memory to open a large data set, for the first time and again.

    python -m benchmarks.reading [--images 100000] [--boxes 860000] [--keep FOLDER]

A VOC tree with an annotation for each image and a COCO file are written first. Each opening is a process of its own, so that its
memory is its own; memory is counted beside what torch takes when it is imported. The ratio compares the second opening, which
uses the index in the cache folder, with the first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

_SIZE = (640, 480)
_OPEN = """
import json, sys, time
from pathlib import Path
import torch, cv2
from engine.dataset.formats import open_dataset

def peak():
    if sys.platform == "linux":  # ru_maxrss would count the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    import psutil
    return psutil.Process().memory_info().rss / 1024

before = peak()
start = time.perf_counter()
dataset = open_dataset(Path(sys.argv[1]))
seconds = time.perf_counter() - start
print(json.dumps([len(dataset.images), len(dataset.boxes), seconds, (peak() - before) / 1024]))
"""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--images", type=int, default=100_000)
    arguments.add_argument("--boxes", type=int, default=860_000, help="boxes of the COCO file")
    arguments.add_argument("--keep", type=Path, help="write the data sets here and keep them")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        voc, coco = folder / "voc", folder / "coco"
        if not voc.exists():
            write_voc(voc, options.images)
        if not coco.exists():
            write_coco(coco, options.images, options.boxes)
        with tempfile.TemporaryDirectory() as cache:
            print(f"{'':28}{'images':>8} {'boxes':>8} {'seconds':>8} {'MiB':>6}")
            for name, path in (("VOC", voc), ("COCO", coco)):
                first = measure(f"{name}, first opening", path, cache)
                second = measure(f"{name}, second opening", path, cache)
                print(f"{name}: the second opening takes {second / first:.3f} of the first")


def measure(title: str, path: Path, cache: str) -> float:
    """Open `path` in a process of its own; prints a line, returns seconds."""
    environment = {**os.environ, "FREEZETUI_CACHE": cache, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", _OPEN, str(path)], env=environment, capture_output=True, check=True)
    images, boxes, seconds, mebibytes = json.loads(done.stdout)
    print(f"{title:28}{images:8} {boxes:8} {seconds:8.1f} {mebibytes:6.0f}", flush=True)
    return float(seconds)


def write_voc(root: Path, count: int) -> None:
    """A VOC tree with one to five objects in each of `count` images; nine of ten are for training."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / part).mkdir(parents=True)
    image = _small_image()
    for number in range(count):
        objects = "".join(
            f"<object><name>class {(number + k) % 7}</name><difficult>0</difficult><bndbox><xmin>{10 + k}</xmin>"
            f"<ymin>{20 + k}</ymin><xmax>{100 + 9 * k}</xmax><ymax>{90 + 7 * k}</ymax></bndbox></object>"
            for k in range(number % 5 + 1)
        )
        (root / "JPEGImages" / f"{number:06d}.jpg").write_bytes(image)
        (root / "Annotations" / f"{number:06d}.xml").write_text(
            f"<annotation><filename>{number:06d}.jpg</filename><size><width>{_SIZE[0]}</width><height>{_SIZE[1]}</height>"
            f"<depth>3</depth></size>{objects}</annotation>",
            "utf-8",
        )
    names = [f"{number:06d}" for number in range(count)]
    (root / "ImageSets/Main/train.txt").write_text("\n".join(names[: count * 9 // 10]), "utf-8")
    (root / "ImageSets/Main/val.txt").write_text("\n".join(names[count * 9 // 10 :]), "utf-8")


def write_coco(root: Path, count: int, boxes: int) -> None:
    """A COCO file of `count` images and `boxes` annotations with a polygon each, as in COCO itself."""
    (root / "annotations").mkdir(parents=True)
    (root / "train2017").mkdir()
    image = _small_image()
    for number in range(count):
        (root / "train2017" / f"{number:012d}.jpg").write_bytes(image)
    images = [
        {"id": number, "file_name": f"{number:012d}.jpg", "width": _SIZE[0], "height": _SIZE[1]}
        for number in range(count)
    ]
    annotations = []
    for number in range(boxes):
        x, y = (number + 31 * (number // count)) % 500, number % 400  # no box twice in an image
        annotations.append(
            {
                "id": number,
                "image_id": number % count,
                "category_id": number % 80 + 1,
                "bbox": [x, y, 40.5, 30.25],
                "area": 1225.125,
                "iscrowd": 0,
                "segmentation": [[x, y, x + 40.5, y, x + 40.5, y + 30.25, x, y + 30.25]],
            }
        )
    categories = [{"id": number + 1, "name": f"class {number}"} for number in range(80)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations/instances_train2017.json").write_text(json.dumps(content), "utf-8")


def _small_image() -> bytes:
    return cv2.imencode(".jpg", np.full((48, 64, 3), 120, np.uint8))[1].tobytes()


if __name__ == "__main__":
    main()
