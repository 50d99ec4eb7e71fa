"""Small data sets written to disk for tests of the loader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from engine.dataset.formats import open_dataset
from engine.dataset.images import encode_image
from engine.dataset.index import Dataset

Box = tuple[int, int, int, int]


def annotation(name: str, size: tuple[int, int], boxes: list[tuple[str, Box]]) -> str:
    """A VOC annotation; `size` is (width, height)."""
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
        "</object>"
        for label, (x1, y1, x2, y2) in boxes
    )
    dimensions = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation><filename>{name}</filename>{dimensions}{objects}</annotation>"


def write_voc(folder: Path, *, train: int, val: int = 0, size: tuple[int, int] = (96, 64)) -> Path:
    """A VOC tree of noise with a red rectangle in each picture, 000.jpg and on: first the training ones, then the others."""
    chance = np.random.Generator(np.random.PCG64(3))
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(train + val):
        pixels = chance.integers(0, 90, (size[1], size[0], 3), dtype=np.uint8)
        x1, y1 = 5 + number % 20, 4 + number % 11
        box = (x1, y1, x1 + 30, y1 + 25)
        pixels[box[1] : box[3], box[0] : box[2]] = (250, 20, 20)
        name = f"{number:03d}"
        encode_image(folder / "JPEGImages" / f"{name}.jpg", pixels)
        text = annotation(f"{name}.jpg", size, [("thing", box)])
        (folder / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
    for split, numbers in (("train", range(train)), ("val", range(train, train + val))):
        lines = "".join(f"{number:03d}\n" for number in numbers)
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text(lines, encoding="utf-8")
    return folder


def voc(folder: Path, *, train: int, val: int = 0, size: tuple[int, int] = (96, 64)) -> Dataset:
    """The data set of `write_voc`."""
    dataset = open_dataset(write_voc(folder, train=train, val=val, size=size))
    # Where nothing validates, a division would be drawn.
    parts = np.split(np.arange(train + val, dtype=np.int32), [train, train + val])
    return replace(dataset, splits=dict(zip(("train", "val", "test"), parts, strict=True)), splits_drawn=False)


def cut_off(path: Path) -> None:
    """Lose the second half of a file, as a broken download does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def with_orientation(path: Path, orientation: int) -> None:
    """Put an EXIF orientation (1 to 8) into a JPEG that has none."""
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([orientation, 0, 0, 0])
    tiff = b"II*\x00\x08\x00\x00\x00" + b"\x01\x00" + entry + b"\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + content[2:])
    assert cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is not None
