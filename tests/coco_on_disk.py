"""COCO files written to disk for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.dataset_on_disk import SIZE, write_image, write_text

BBOX = [10, 20, 20, 30]
CORNERS = [10, 20, 30, 50]
"""The same box as x1 y1 x2 y2."""


def coco_content(*names: str, **changes: Any) -> dict[str, Any]:
    """The content of a file with one cat on each image; image ids count from 1. `changes` replace the values of keys."""
    images = [
        {"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]} for number, name in enumerate(names, 1)
    ]
    annotations = [
        {"id": number, "image_id": number, "category_id": 7, "bbox": BBOX, "iscrowd": 0}
        for number in range(1, len(names) + 1)
    ]
    categories = [{"id": 7, "name": "cat"}, {"id": 90, "name": "dog"}]
    return {"images": images, "annotations": annotations, "categories": categories, **changes}


def write_json(path: Path, content: object) -> Path:
    """Write `content` as JSON."""
    return write_text(path, json.dumps(content))


def write_coco(root: Path, file: str, *names: str, folder: str = "images", **changes: Any) -> Path:
    """A file of `coco_content` and its images, which lie in `folder` below the root."""
    for name in names:
        write_image(root / folder / name)
    return write_json(root / file, coco_content(*names, **changes))
