"""The sample set: drawn images of three kinds of objects on a textured background, in VOC layout, reproducible by seed.

It is for users who have no labelled images yet, and for trying a training from end to end in minutes. The class of an object
is its shape; its colour is random.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from engine.dataset.images import Pixels, encode_image
from engine.dataset.sample_folder import (
    IMAGE_FOLDER,
    LABEL_FOLDER,
    LIST_FOLDER,
    MARKER_FILE,
    is_sample,
    is_whole_sample,
    sample_root,
)
from engine.dataset.splits import SPLITS, draw_splits
from engine.files import error_reason, remove_abandoned, temporary_name, write_text
from engine.messages import bad_input

SAMPLE_CLASSES = ("ball", "crate", "star")
WIDTH, HEIGHT = 480, 360
OBJECT_COUNT = (3, 7)
"""Fewest and most objects in an image."""
OBJECT_WIDTH = (0.05, 0.5)
"""Smallest and largest width of an object, as a fraction of the image's width."""
MAX_HIDDEN = 0.4
"""At most this fraction of an object is hidden by the objects over it."""
OPAQUE = 127
"""A pixel with an opacity above this belongs to the object; the box is drawn around those."""
_ATTEMPTS = 20
"""To put the set in its place while other processes do the same."""
_SUPERSAMPLING = 3
Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A drawn image with its labels."""

    pixels: Pixels
    """(HEIGHT, WIDTH, 3) RGB."""
    boxes: NDArray[np.int32]
    """(n, 4) x1 y1 x2 y2: the first pixel and one past the last of each object, hidden parts included."""
    labels: NDArray[np.int32]
    """(n,) indices into SAMPLE_CLASSES."""
    masks: tuple[Mask, ...]
    """(HEIGHT, WIDTH) opacity 0 to 255 of each object, hidden parts included; the bottom one first."""


def draw_sample_dataset(folder: Path, images: int = 160, seed: int = 0, *, replace: bool = True) -> Path:
    """Draw the sample set into `folder`/VOCdevkit/VOC2007 and return that path.

    It is drawn in a folder beside and renamed when it is whole: an interrupted drawing leaves no set, and several processes may
    draw at once.

    Args:
        folder: where to draw it.
        images: the number of images.
        seed: the same seed draws the same images.
        replace: whether to replace an earlier sample set there, too, if it is whole. Other files beside its own are kept.

    Raises:
        BadInput: the folder cannot be written, or contains another data set.
    """
    root = sample_root(folder)
    try:
        _require_sample_or_nothing(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(root.parent)
        drawn = root.with_name(temporary_name(root.name))
        try:
            _draw(drawn, images, seed)
            _put_in_place(drawn, root, replace=replace)
        finally:
            shutil.rmtree(drawn, ignore_errors=True)
    except OSError as error:
        raise bad_input(
            "sample.folder", "{path}: cannot be written to ({reason}).", path=root, reason=error_reason(error)
        ) from error
    return root


def _draw(root: Path, images: int, seed: int) -> None:
    for name in (IMAGE_FOLDER, LABEL_FOLDER, LIST_FOLDER):
        (root / name).mkdir(parents=True)
    write_text(root / MARKER_FILE, f"{images} images drawn by freezetui, seed {seed}; drawing again replaces them.\n")

    def draw(number: int) -> None:
        image = draw_image(Generator(PCG64(SeedSequence([seed, number]))))
        encode_image(root / IMAGE_FOLDER / f"{number:06d}.jpg", image.pixels)
        write_text(root / LABEL_FOLDER / f"{number:06d}.xml", _annotation(f"{number:06d}.jpg", image))

    pool = ThreadPoolExecutor()
    try:
        for _ in pool.map(draw, range(images)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    splits = draw_splits(images, seed)
    for name in SPLITS:
        write_text(root / LIST_FOLDER / f"{name}.txt", "".join(f"{i:06d}\n" for i in splits[name]))


def _put_in_place(drawn: Path, root: Path, *, replace: bool) -> None:
    """Rename `drawn` to `root`; an earlier sample set there is moved aside first, then removed."""
    for attempts_left in reversed(range(_ATTEMPTS)):
        if is_whole_sample(root) and not replace:
            return  # another process was faster
        _require_sample_or_nothing(root)
        earlier = root.with_name(temporary_name(root.name))
        try:
            if root.exists():
                _copy_foreign_files(root, drawn)
                root.rename(earlier)
            drawn.rename(root)
        except OSError:
            # Another process took the earlier set away, or put its own there; or one of its files is open (Windows).
            if earlier.exists() and not root.exists():
                earlier.rename(root)
            if not attempts_left:
                raise
            time.sleep(0.05)
        else:
            return
        finally:
            shutil.rmtree(earlier, ignore_errors=True)


def _copy_foreign_files(earlier: Path, drawn: Path) -> None:
    """Keep what is in an earlier sample set but is not part of it."""
    for folder, names, files in os.walk(earlier):
        relative = Path(folder).relative_to(earlier)
        for name in names:
            (drawn / relative / name).mkdir(exist_ok=True)
        for name in files:
            path = Path(folder, name)
            if not _is_own_file(relative, path) and not (drawn / relative / name).exists():
                shutil.copy2(path, drawn / relative / name, follow_symlinks=False)


def _is_own_file(folder: Path, path: Path) -> bool:
    """Whether a file has a name that this module gives: six digits, or a split."""
    suffixes = {IMAGE_FOLDER: ".jpg", LABEL_FOLDER: ".xml", LIST_FOLDER: ".txt"}
    is_numbered = len(path.stem) == 6 and path.stem.isdigit()
    return suffixes.get(folder.as_posix()) == path.suffix and (is_numbered or path.stem in SPLITS)


def _require_sample_or_nothing(root: Path) -> None:
    if root.exists() and not is_sample(root) and (not root.is_dir() or any(root.iterdir())):
        raise bad_input(
            "sample.occupied",
            "{path}: this folder contains another data set, which would be overwritten; choose an empty folder.",
            path=root,
        )


def draw_image(rng: Generator) -> DrawnImage:
    """Draw one image; `rng` is the only source of randomness."""
    pixels = _background(rng)
    masks: list[Mask] = []
    visible: list[NDArray[np.bool_]] = []
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    object_count = int(rng.integers(*OBJECT_COUNT, endpoint=True))
    tries = 0
    while len(boxes) < object_count and (tries < 40 or len(boxes) < OBJECT_COUNT[0]):
        tries += 1
        # Widths are uniform on a logarithmic scale; after many tries only small objects still fit.
        max_width = OBJECT_WIDTH[1] if tries < 20 else 0.12
        label = int(rng.integers(len(SAMPLE_CLASSES)))
        shape = _SHAPES[label](rng, WIDTH * math.exp(rng.uniform(math.log(OBJECT_WIDTH[0]), math.log(max_width))))
        height, width = shape.shape
        if height > HEIGHT or not OBJECT_WIDTH[0] * WIDTH <= width <= OBJECT_WIDTH[1] * WIDTH:
            continue
        left = int(rng.integers(WIDTH - width, endpoint=True))
        top = int(rng.integers(HEIGHT - height, endpoint=True))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[top : top + height, left : left + width] = shape
        still_visible = [seen & (mask <= OPAQUE) for seen in visible]
        if any(
            np.count_nonzero(seen) < (1 - MAX_HIDDEN) * np.count_nonzero(below > OPAQUE)
            for seen, below in zip(still_visible, masks, strict=True)
        ):
            continue
        _paint(pixels, mask, (left, top, width, height), rng)
        masks.append(mask)
        visible = [*still_visible, mask > OPAQUE]
        boxes.append((left, top, left + width, top + height))
        labels.append(label)
    return DrawnImage(pixels, np.array(boxes, np.int32), np.array(labels, np.int32), tuple(masks))


def _background(rng: Generator) -> Pixels:
    """A gradient with soft blotches, stripes and noise."""
    corners = rng.integers(30, 226, (2, 2, 3)).astype(np.float32)
    background: NDArray[np.float32] = np.asarray(
        cv2.resize(corners, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.float32
    )
    for cells in (6, 24):
        blotches = rng.normal(0, 18, (cells, cells, 1)).astype(np.float32)
        background += np.asarray(cv2.resize(blotches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)[
            ..., None
        ]
    if rng.random() < 0.5:
        angle, length = rng.uniform(0, math.pi), rng.uniform(8, 40)
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / length))
        background += rng.uniform(5, 18) * wave[..., None]
    background += np.float32(rng.uniform(3, 9)) * rng.standard_normal(background.shape, np.float32)
    return np.clip(background, 0, 255).astype(np.uint8)


def _paint(pixels: Pixels, mask: Mask, box: tuple[int, int, int, int], rng: Generator) -> None:
    """Colour an object, lit from one side, with a rim of another brightness, so that it stands out from a background of its own colour."""
    left, top, width, height = box
    part = (slice(top, top + height), slice(left, left + width))
    colour = rng.integers(20, 236, 3).astype(np.float32)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * math.pi)
    light = 1 + 0.35 * ((x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle)) * 2
    shaded = np.clip(colour * light[..., None] + rng.normal(0, 4, (height, width, 1)), 0, 255)
    size = max(3, round(min(width, height) * 0.08)) | 1
    inner = cv2.erode(mask[part], np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    rim = 0.35 if colour.mean() > 110 else 1.9
    shaded = np.where(inner[..., None] > OPAQUE, shaded, np.clip(shaded * rim + (40 if rim > 1 else 0), 0, 255))
    opacity = mask[part].astype(np.float32)[..., None] / 255
    pixels[part] = (pixels[part] * (1 - opacity) + shaded * opacity).astype(np.uint8)


def _ball(rng: Generator, width: float) -> Mask:
    """An ellipse, nearly round."""
    height = width * rng.uniform(0.85, 1.15)
    return _render(
        width,
        height,
        lambda canvas, w, h: cv2.ellipse(canvas, ((w / 2, h / 2), (w - 2, h - 2), 0), 255, -1, cv2.LINE_AA),
    )


def _crate(rng: Generator, width: float) -> Mask:
    """A rectangle with a cross cut out, slightly rotated."""
    height = width * rng.uniform(0.6, 1.2)
    turn = rng.uniform(-15, 15)

    def draw(canvas: Mask, w: int, h: int) -> None:
        corners = cv2.boxPoints(((w / 2, h / 2), (w * 0.8, h * 0.8), turn))
        cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], 255, cv2.LINE_AA)
        a, b, c, d = (corners + (np.array([w, h]) / 2 - corners) * 0.28).round().astype(int)
        for start, end in ((a, c), (b, d)):
            cv2.line(
                canvas, tuple(map(int, start)), tuple(map(int, end)), 0, max(2, round(min(w, h) * 0.07)), cv2.LINE_AA
            )

    return _render(width, height, draw)


def _star(rng: Generator, width: float) -> Mask:
    """A five-pointed star, rotated at random."""
    turn = rng.uniform(0, 2 * math.pi)

    def draw(canvas: Mask, w: int, h: int) -> None:
        angles = turn + np.arange(10) * math.pi / 5
        radii = np.where(np.arange(10) % 2 == 0, 0.5, 0.22)
        points = np.stack((w * (0.5 + radii * np.cos(angles)), h * (0.5 + radii * np.sin(angles))), -1)
        cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)

    return _render(width, width, draw)


def _render(width: float, height: float, draw: Callable[[Mask, int, int], object]) -> Mask:
    """The shape that `draw` paints: drawn at a larger scale, shrunk (antialiasing), and cropped, so that boxes are exact."""
    w, h = max(8, round(width * _SUPERSAMPLING)), max(8, round(height * _SUPERSAMPLING))
    canvas = np.zeros((h, w), np.uint8)
    draw(canvas, w, h)
    small = cv2.resize(canvas, (max(4, w // _SUPERSAMPLING), max(4, h // _SUPERSAMPLING)), interpolation=cv2.INTER_AREA)
    rows, columns = np.flatnonzero((small > OPAQUE).any(axis=1)), np.flatnonzero((small > OPAQUE).any(axis=0))
    return np.ascontiguousarray(small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


_SHAPES: tuple[Callable[[Generator, float], Mask], ...] = (_ball, _crate, _star)


def _annotation(name: str, image: DrawnImage) -> str:
    """A VOC annotation with corners as the usual labelling programs write them: from 0, the last one exclusive."""
    objects = "".join(
        f"\t<object>\n\t\t<name>{SAMPLE_CLASSES[label]}</name>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>"
        f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\n\t</object>\n"
        for (x1, y1, x2, y2), label in zip(image.boxes, image.labels, strict=True)
    )
    size = f"\t<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>\n"
    return f"<annotation>\n\t<filename>{name}</filename>\n{size}{objects}</annotation>\n"
