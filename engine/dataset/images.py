"""Pictures on disk to pixels: any path, any format OpenCV reads, turned as the labels mean them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.index import Dataset
from engine.dataset.jpeg import jpeg_size
from engine.files import atomic_write
from engine.messages import Message, bad_input

Pixels = NDArray[np.uint8]

_DECODED_SIZE = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


class UnreadableImage(Exception):
    """A picture that cannot be read; `message` says why."""

    def __init__(self, path: Path, message: Message) -> None:
        super().__init__(str(message))
        self.path = path
        self.message = message


def read_image(path: Path, *, honour_exif: bool = True) -> Pixels:
    """(height, width, 3) uint8 RGB, turned as EXIF says where that is honoured; grey, alpha and 16 bit are converted.

    Raises:
        UnreadableImage: the file is missing, empty, truncated or no picture.
    """
    return decode_image(path, _content(path), honour_exif=honour_exif)


def _content(path: Path) -> bytes:
    try:
        # Bytes, not cv2.imread: on Windows that fails on paths beyond the system's code page.
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(
            path,
            Message(
                "image.missing",
                "{path}: the image cannot be read ({reason}).",
                {"path": path, "reason": error.strerror},
            ),
        ) from error


def decode_image(path: Path, content: bytes, *, honour_exif: bool = True, divided_by: int = 1) -> Pixels:
    """As `read_image`, from the bytes of the file; a JPEG at a half, a quarter or an eighth of its size if asked to.

    Raises:
        UnreadableImage: see there.
    """
    if _is_cut(content):
        raise UnreadableImage(
            path, Message("image.truncated", "{path}: the image is cut off: its end is missing.", {"path": path})
        )
    flags = _DECODED_SIZE[divided_by]
    if not honour_exif:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # an empty buffer, or a size beyond OpenCV's limit
        pixels = None
    if pixels is None:
        raise UnreadableImage(
            path, Message("image.unreadable", "{path}: the image is no picture that can be decoded.", {"path": path})
        )
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)  # type: ignore[return-value]  # OpenCV says any array


def encode_image(path: Path, pixels: Pixels) -> None:
    """Write (height, width, 3) uint8 RGB in the format of the path's suffix.

    Raises:
        BadInput: the suffix is not one OpenCV writes, or the disk refuses.
    """
    try:
        done, buffer = cv2.imencode(path.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    except cv2.error:
        done = False
    if not done:
        raise bad_input("image.suffix", "{path}: pictures of this kind cannot be written; use .jpg or .png.", path=path)
    atomic_write(path, lambda file: file.write(buffer.tobytes()))


def load(
    dataset: Dataset, image: int, *, enough: int | None = None
) -> tuple[Pixels, NDArray[np.float32], NDArray[np.int32]]:
    """Pixels (h, w, 3) RGB of an image, its boxes (n, 4) x1 y1 x2 y2 in those pixels, clipped, and their classes (n,).

    EXIF is honoured unless the label's own size says that the boxes were drawn on the unturned picture.

    Args:
        dataset: whose image it is.
        image: its number.
        enough: a longer side that will do, in pixels: a JPEG at least twice as large is decoded at a half, a quarter or
            an eighth, which takes a fraction of the time and the memory. None: as large as it is.

    Raises:
        UnreadableImage: the picture cannot be read.
    """
    boxes, labels = dataset.boxes_of(image)
    path = dataset.path(image)
    content = _content(path)
    divided_by, size = _reduction(content, enough)
    pixels = decode_image(path, content, divided_by=divided_by)
    width, height = _turned(size, pixels)
    stated = tuple(int(side) for side in dataset.sizes[image])
    if stated == (height, width) and height != width:
        pixels = decode_image(path, content, honour_exif=False, divided_by=divided_by)
        width, height = _turned(size, pixels)
    if dataset.unit == "fraction":
        boxes = boxes * np.array([width, height, width, height], np.float32)
    edges = np.array([width, height, width, height], np.float32) / divided_by
    clipped = np.clip(boxes / divided_by, 0, edges).astype(np.float32)
    left = (clipped[:, 2:] - clipped[:, :2] > 0).all(axis=1)
    return pixels, clipped[left], labels[left]


def _reduction(content: bytes, enough: int | None) -> tuple[int, tuple[int, int] | None]:
    """By how much to divide a picture's sides on decoding, and its stored (width, height) where that is not by 1."""
    size = None if enough is None else jpeg_size(content)
    if size is None or enough is None:
        return 1, None
    for divided_by in (8, 4, 2):
        sides = [-(-side // divided_by) for side in size]  # the decoder rounds up
        # Sides that differ only before the rounding would hide whether the picture was turned.
        if max(size) >= divided_by * enough and (sides[0] != sides[1] or size[0] == size[1]):
            return divided_by, size
    return 1, None


def _turned(stored: tuple[int, int] | None, pixels: Pixels) -> tuple[int, int]:
    """Full width and height of a picture as it was turned on decoding; `stored` where it was decoded smaller."""
    height, width = pixels.shape[:2]
    if stored is None:
        return width, height
    return stored if (stored[0] > stored[1]) == (width > height) else (stored[1], stored[0])


def _is_cut(content: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end; OpenCV decodes such files without a word, grey below the cut."""
    end = content[-4096:]
    return (content.startswith(b"\xff\xd8") and b"\xff\xd9" not in end) or (
        content.startswith(b"\x89PNG") and b"IEND" not in end
    )
