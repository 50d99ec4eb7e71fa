"""Small data sets written to disk for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from engine.dataset.formats import open_dataset
from engine.dataset.images import encode_image
from engine.dataset.index import Dataset
from engine.dataset.splits import SPLITS

Box = tuple[int, int, int, int]
SIZE = (80, 60)
"""Width and height of the images of `write_image`."""


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
    """A VOC tree of noise images with a red rectangle in each: 000.jpg and so on, the training images first."""
    rng = np.random.Generator(np.random.PCG64(3))
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(train + val):
        pixels = rng.integers(0, 90, (size[1], size[0], 3), dtype=np.uint8)
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


def voc_dataset(folder: Path, *, train: int, val: int = 0, size: tuple[int, int] = (96, 64)) -> Dataset:
    """The data set of `write_voc`, all of whose images are in train or val."""
    dataset = open_dataset(write_voc(folder, train=train, val=val, size=size))
    # Without validation images, open_dataset would draw some from training.
    parts = np.split(np.arange(train + val, dtype=np.int32), [train, train + val])
    return replace(dataset, splits=dict(zip(("train", "val", "test"), parts, strict=True)), splits_drawn=False)


def cut_off(path: Path) -> None:
    """Truncate a file to its first half, as a broken download does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def with_orientation(path: Path, orientation: int) -> None:
    """Add an EXIF orientation (1 to 8) to a JPEG that has none."""
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([orientation, 0, 0, 0])
    tiff = b"II*\x00\x08\x00\x00\x00" + b"\x01\x00" + entry + b"\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + content[2:])
    assert cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is not None


def write_image(path: Path) -> Path:
    """Write a grey image of SIZE, and create its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_image(path, np.full((SIZE[1], SIZE[0], 3), len(path.name), np.uint8))
    return path


def write_text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding=encoding)
    return path


def boxes_of(dataset: Dataset, image: str) -> list[tuple[str, list[float]]]:
    """Class names and boxes in pixels of an image of SIZE."""
    boxes, labels = dataset.boxes_of(dataset.images.index(image))
    scale = np.array([*SIZE, *SIZE]) if dataset.unit == "fraction" else np.ones(4)
    return [(dataset.classes[n], np.round(b * scale, 3).tolist()) for n, b in zip(labels, boxes, strict=True)]


def split_names(dataset: Dataset) -> dict[str, list[str]]:
    return {name: [dataset.images[i] for i in dataset.splits[name]] for name in SPLITS}


def codes(dataset: Dataset) -> list[str]:
    return [finding.message.code for finding in dataset.findings]


def write_cat_voc(root: Path, names: str, **lists: str) -> Path:
    """A VOC tree: an image with one cat for each word of `names`; `lists` are the files of ImageSets/Main."""
    for name in names.split():
        write_image(root / "JPEGImages" / f"{name}.jpg")
        write_text(root / "Annotations" / f"{name}.xml", annotation(f"{name}.jpg", SIZE, [("cat", (10, 20, 30, 50))]))
    for name, lines in lists.items():
        write_text(root / "ImageSets" / "Main" / f"{name}.txt", lines.replace(" ", "\n"))
    return root


def write_yolo(root: Path, *names: str) -> Path:
    """An image and its label, one box of class 1, for each path; the label is in `labels` where the path has `images`."""
    for name in names:
        write_image(root / name)
        label = (root / name.replace("images", "labels")).with_suffix(".txt")
        write_text(label, "1 0.5 0.5 0.25 0.5\n")
    return root


def red_box(pixels: np.ndarray) -> np.ndarray:
    """The box around the red rectangle."""
    strength = pixels[..., 0].astype(int) - pixels[..., 1:].max(axis=-1)
    red = strength > 115
    x, y = np.flatnonzero(red.any(axis=0)), np.flatnonzero(red.any(axis=1))
    return np.array([x[0], y[0], x[-1] + 1, y[-1] + 1], np.float32)
