"""A drawn data set: three kinds of objects on textured ground, in VOC layout, the same for the same seed.

It stands in where a newcomer has no labelled images yet, and measures a training from end to end in minutes. Colour tells
nothing about the class; shape does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from engine.dataset.images import Pixels, encode_image
from engine.dataset.index import SPLITS, draw_splits
from engine.files import write_text
from engine.messages import bad_input

SAMPLE_CLASSES = ("ball", "crate", "star")
WIDTH, HEIGHT = 480, 360
OBJECTS = (3, 7)
SIZES = (0.05, 0.5)
"""An object's width as a share of the image's."""
HIDDEN = 0.4
"""At most this share of an object is hidden, by all that lie over it together."""
EDGE = 127
"""Where an object is more opaque than this it is there; its box is drawn around that."""
MARK = "drawn-by-freezetui.txt"
"""The file by which a sample set is known, so that nothing else is ever overwritten."""

_SUPERSAMPLING = 3
Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A drawn picture and what is known of it."""

    pixels: Pixels
    """(HEIGHT, WIDTH, 3) RGB."""
    boxes: NDArray[np.int32]
    """(n, 4) x1 y1 x2 y2: the first pixel and one past the last of each whole object, hidden parts included."""
    labels: NDArray[np.int32]
    """(n,) numbers of SAMPLE_CLASSES."""
    masks: tuple[Mask, ...]
    """(HEIGHT, WIDTH) opacity 0 to 255 of each whole object, the lowest first."""


def draw_sample(folder: Path, images: int = 160, seed: int = 0) -> Path:
    """Draw the sample set into `folder`/VOCdevkit/VOC2007 and return that path. An earlier sample set there is replaced.

    Raises:
        BadInput: the folder cannot be written, or holds another data set.
    """
    root = folder / "VOCdevkit" / "VOC2007"
    _make_room(root, images, seed)

    def draw(number: int) -> None:
        picture = draw_image(Generator(PCG64(SeedSequence([seed, number]))))
        encode_image(root / "JPEGImages" / f"{number:06d}.jpg", picture.pixels)
        write_text(root / "Annotations" / f"{number:06d}.xml", _annotation(f"{number:06d}.jpg", picture))

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(draw, range(images)):
            pass
    splits = draw_splits(images, seed)
    for name in SPLITS:
        write_text(root / "ImageSets" / "Main" / f"{name}.txt", "".join(f"{i:06d}\n" for i in splits[name]))
    return root


def _make_room(root: Path, images: int, seed: int) -> None:
    """The folders of the set, without an earlier sample set; never over pictures that were not drawn here."""
    marked = root / MARK
    try:
        if root.exists() and not marked.exists() and (not root.is_dir() or any(root.iterdir())):
            raise bad_input(
                "sample.occupied",
                "{path}: another data set lies there, and drawing would overwrite it; choose an empty folder.",
                path=root,
            )
        for name, pattern in (("JPEGImages", "*.jpg"), ("Annotations", "*.xml"), ("ImageSets/Main", "*.txt")):
            (root / name).mkdir(parents=True, exist_ok=True)
            # Only what this function's own files are called: six digits, or a split.
            for path in (root / name).glob(pattern):
                if path.stem in SPLITS or (len(path.stem) == 6 and path.stem.isdigit()):
                    path.unlink()
    except OSError as error:
        raise bad_input(
            "sample.folder", "{path}: cannot be drawn into ({reason}).", path=root, reason=error.strerror
        ) from error
    write_text(marked, f"{images} pictures drawn by freezetui, seed {seed}; drawing again replaces them.\n")


def draw_image(rng: Generator) -> DrawnImage:
    """One picture; all chance comes from `rng`."""
    pixels = _ground(rng)
    whole: list[Mask] = []
    visible: list[NDArray[np.bool_]] = []
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    wanted = int(rng.integers(*OBJECTS, endpoint=True))
    tries = 0
    while len(boxes) < wanted and (tries < 40 or len(boxes) < OBJECTS[0]):
        tries += 1
        # Sizes are even on a logarithmic scale; after many tries only small ones still find a place.
        largest = SIZES[1] if tries < 20 else 0.12
        label = int(rng.integers(len(SAMPLE_CLASSES)))
        shape = _SHAPES[label](rng, WIDTH * math.exp(rng.uniform(math.log(SIZES[0]), math.log(largest))))
        height, width = shape.shape
        if height > HEIGHT or not SIZES[0] * WIDTH <= width <= SIZES[1] * WIDTH:
            continue
        left = int(rng.integers(WIDTH - width, endpoint=True))
        top = int(rng.integers(HEIGHT - height, endpoint=True))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[top : top + height, left : left + width] = shape
        left_of_others = [seen & (mask <= EDGE) for seen in visible]
        if any(
            np.count_nonzero(left_over) < (1 - HIDDEN) * np.count_nonzero(below > EDGE)
            for left_over, below in zip(left_of_others, whole, strict=True)
        ):
            continue
        _paint(pixels, mask, (left, top, width, height), rng)
        whole.append(mask)
        visible = [*left_of_others, mask > EDGE]
        boxes.append((left, top, left + width, top + height))
        labels.append(label)
    return DrawnImage(pixels, np.array(boxes, np.int32), np.array(labels, np.int32), tuple(whole))


def _ground(rng: Generator) -> Pixels:
    """A gradient with soft blotches, stripes and grain."""
    corners = rng.integers(30, 226, (2, 2, 3)).astype(np.float32)
    ground: NDArray[np.float32] = np.asarray(
        cv2.resize(corners, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.float32
    )
    for cells in (6, 24):
        blotches = rng.normal(0, 18, (cells, cells, 1)).astype(np.float32)
        ground += np.asarray(cv2.resize(blotches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)[
            ..., None
        ]
    if rng.random() < 0.5:
        angle, length = rng.uniform(0, math.pi), rng.uniform(8, 40)
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / length))
        ground += rng.uniform(5, 18) * wave[..., None]
    ground += np.float32(rng.uniform(3, 9)) * rng.standard_normal(ground.shape, np.float32)
    return np.clip(ground, 0, 255).astype(np.uint8)


def _paint(pixels: Pixels, mask: Mask, box: tuple[int, int, int, int], rng: Generator) -> None:
    """Colour an object lit from a side, with a darker rim, so that it stands out from ground of its own colour."""
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
    shaded = np.where(inner[..., None] > EDGE, shaded, np.clip(shaded * rim + (40 if rim > 1 else 0), 0, 255))
    opacity = mask[part].astype(np.float32)[..., None] / 255
    pixels[part] = (pixels[part] * (1 - opacity) + shaded * opacity).astype(np.uint8)


def _ball(rng: Generator, width: float) -> Mask:
    """An ellipse, nearly round."""
    height = width * rng.uniform(0.85, 1.15)
    return _drawn(
        width,
        height,
        lambda canvas, w, h: cv2.ellipse(canvas, ((w / 2, h / 2), (w - 2, h - 2), 0), 255, -1, cv2.LINE_AA),
    )


def _crate(rng: Generator, width: float) -> Mask:
    """A rectangle with a cross cut out, a little turned."""
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

    return _drawn(width, height, draw)


def _star(rng: Generator, width: float) -> Mask:
    """A star of five points, turned anyhow."""
    turn = rng.uniform(0, 2 * math.pi)

    def draw(canvas: Mask, w: int, h: int) -> None:
        angles = turn + np.arange(10) * math.pi / 5
        radii = np.where(np.arange(10) % 2 == 0, 0.5, 0.22)
        points = np.stack((w * (0.5 + radii * np.cos(angles)), h * (0.5 + radii * np.sin(angles))), -1)
        cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)

    return _drawn(width, width, draw)


def _drawn(width: float, height: float, draw: Callable[[Mask, int, int], object]) -> Mask:
    """What `draw` paints, drawn larger, shrunk, and cut to its own edges, so that boxes are exact."""
    w, h = max(8, round(width * _SUPERSAMPLING)), max(8, round(height * _SUPERSAMPLING))
    canvas = np.zeros((h, w), np.uint8)
    draw(canvas, w, h)
    small = cv2.resize(canvas, (max(4, w // _SUPERSAMPLING), max(4, h // _SUPERSAMPLING)), interpolation=cv2.INTER_AREA)
    rows, columns = np.flatnonzero((small > EDGE).any(axis=1)), np.flatnonzero((small > EDGE).any(axis=0))
    return np.ascontiguousarray(small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


_SHAPES: tuple[Callable[[Generator, float], Mask], ...] = (_ball, _crate, _star)


def _annotation(name: str, picture: DrawnImage) -> str:
    """A VOC annotation, its corners as the usual labelling programs write them: counted from 0, the last one outside."""
    objects = "".join(
        f"\t<object>\n\t\t<name>{SAMPLE_CLASSES[label]}</name>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>"
        f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\n\t</object>\n"
        for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
    )
    size = f"\t<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>\n"
    return f"<annotation>\n\t<filename>{name}</filename>\n{size}{objects}</annotation>\n"
