"""Draws boxes and class names onto images."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.images import Pixels, encode_image
from engine.evaluation.box_labels import BoxLabel, draw_labels
from engine.evaluation.colours import Colour, colour_of, text_colour
from engine.evaluation.detect import Detections, TrueBoxes
from engine.evaluation.fonts import font_for
from engine.evaluation.mistakes import Matches
from engine.files import error_reason
from engine.messages import Message, bad_input, join_names, printable

WRONG_MARK = "× "
"""Before the class of a wrong detection, or of an object that was not found. Fonts that have Chinese letters have it too."""
_WHITE: Colour = (255, 255, 255)
_WRITABLE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def draw_detections(
    pixels: Pixels,
    detections: Detections,
    classes: tuple[str, ...],
    truth: TrueBoxes | None = None,
    matches: Matches | None = None,
) -> Pixels:
    """A copy of an image (h, w, 3) with the box, name and confidence of each object; true boxes are thin and white.

    With `matches`, those of the detections and `truth`, wrong detections have a mark, and objects that were not found a mark and their class.
    """
    height, width = pixels.shape[:2]
    image = pixels.copy()
    line_width = max(2, round(min(height, width) / 250))
    names = [_drawable(name, label) for label, name in enumerate(classes)]
    labels: list[BoxLabel] = []
    if truth is not None:
        _draw_boxes(image, truth.boxes, [_WHITE] * len(truth.boxes), 1)
        lost = np.zeros(len(truth.boxes), np.bool_) if matches is None else matches.not_found()
        _draw_boxes(image, truth.boxes[lost], [_WHITE] * int(lost.sum()), line_width)
        labels += [
            _box_label(box, f"{WRONG_MARK}{names[label]}", _WHITE)
            for box, label in zip(truth.boxes[lost], truth.labels[lost].tolist(), strict=True)
        ]
    colours = [colour_of(int(label)) for label in detections.labels]
    _draw_boxes(image, detections.boxes, colours, line_width)
    kinds = [None] * len(colours) if matches is None else matches.kinds[: len(colours)]
    detected = [
        _box_label(box, f"{'' if kind is None else WRONG_MARK}{names[label]} {score:.2f}", colour)
        for box, score, label, colour, kind in zip(
            detections.boxes, detections.scores, detections.labels.tolist(), colours, kinds, strict=True
        )
    ]
    # The most confident is drawn last, on top.
    return draw_labels(image, [*labels, *detected[::-1]], max(12, round(min(height, width) / 32)))


def _box_label(box: NDArray[np.float32], text: str, colour: Colour) -> BoxLabel:
    return BoxLabel(round(float(box[0])), round(float(box[1])), text, colour, text_colour(colour))


def missing_font(classes: Iterable[str]) -> Message | None:
    """What to tell if no font on this system has the letters of some class names; None if all can be drawn."""
    missing = [name for name in map(printable, classes) if font_for(name, 12) is None]
    if not missing:
        return None
    return Message(
        "draw.no_font",
        "No font on this system has all letters of {names}: the numbers of these classes are drawn instead. Install a font "
        "such as Noto Sans CJK to see the names.",
        {"names": join_names(missing)},
    )


def save_drawn(folder: Path, image: Path, pixels: Pixels, detections: Detections, classes: tuple[str, ...]) -> Path:
    """Write an image with its boxes into `folder`; returns its path. No file that exists is overwritten.

    Args:
        folder: exists.
        image: the file gets its name, with a number where that is taken.
        pixels: (h, w, 3) RGB.
        detections: all of them are drawn.
        classes: the names of the classes.

    Raises:
        BadInput: the folder cannot be written.
    """
    path = reserve_name(folder, image.stem, image_suffix(image))
    try:
        encode_image(path, draw_detections(pixels, detections, classes))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def image_suffix(image: Path) -> str:
    """The suffix of an image that is made from `image`: the same, or .png where such a file cannot be written."""
    return image.suffix if image.suffix.lower() in _WRITABLE_SUFFIXES else ".png"


def reserve_name(folder: Path, stem: str, suffix: str) -> Path:
    """An empty new file in `folder`, with a number in its name where that is taken.

    Raises:
        BadInput: the folder cannot be written.
    """
    path = folder / f"{stem}{suffix}"
    for number in itertools.count(2):
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            path = folder / f"{stem}_{number}{suffix}"
        except OSError as error:
            raise bad_input(
                "predict.not_saved",
                "{path}: the image cannot be saved there ({reason}).",
                path=path,
                reason=error_reason(error),
            ) from error
        else:
            break
    return path


def _drawable(name: str, label: int) -> str:
    """The name of a class; its number where no font has all its letters."""
    return printable(name) if font_for(printable(name), 12) is not None else str(label)


def _draw_boxes(image: Pixels, boxes: NDArray[np.float32], colours: Sequence[Colour], line_width: int) -> None:
    for box, colour in zip(boxes, colours, strict=True):
        x1, y1, x2, y2 = (round(float(corner)) for corner in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, line_width, cv2.LINE_AA)
