"""Pictures on disk to pixels: any path, any format OpenCV reads, turned as the labels mean them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.index import Dataset
from engine.files import write_whole
from engine.messages import Message, bad_input

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".jp2", ".pgm", ".ppm", ".pbm", ".pnm"}
)
Pixels = NDArray[np.uint8]


class UnreadableImage(Exception):
    """A picture that cannot be read; `message` says why."""

    def __init__(self, path: Path, message: Message) -> None:
        super().__init__(str(message))
        self.path = path
        self.message = message


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is a picture OpenCV reads."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def read_image(path: Path, *, honour_exif: bool = True) -> Pixels:
    """(height, width, 3) uint8 RGB, turned as EXIF says where that is honoured; grey, alpha and 16 bit are converted.

    Raises:
        UnreadableImage: the file is missing, empty, truncated or no picture.
    """
    try:
        # Bytes, not cv2.imread: on Windows that fails on paths beyond the system's code page.
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(
            path, _message("image.missing", "cannot be read ({reason})", path, error.strerror)
        ) from error
    return decode_image(path, content, honour_exif=honour_exif)


def decode_image(path: Path, content: bytes, *, honour_exif: bool = True) -> Pixels:
    """As `read_image`, from the bytes of the file.

    Raises:
        UnreadableImage: see there.
    """
    if (cut := _what_is_cut(content)) is not None:
        raise UnreadableImage(path, _message("image.truncated", "{reason}", path, cut))
    flags = cv2.IMREAD_COLOR if honour_exif else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # an empty buffer, or a size beyond OpenCV's limit
        pixels = None
    if pixels is None:
        raise UnreadableImage(path, _message("image.unreadable", "is no picture that can be decoded", path))
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
    write_whole(path, lambda file: file.write(buffer.tobytes()))


def load(dataset: Dataset, image: int) -> tuple[Pixels, NDArray[np.float32], NDArray[np.int32]]:
    """Pixels (h, w, 3) RGB of an image, its boxes (n, 4) x1 y1 x2 y2 in those pixels, clipped, and their classes (n,).

    EXIF is honoured unless the label's own size says that the boxes were drawn on the unturned picture.

    Raises:
        UnreadableImage: the picture cannot be read.
    """
    boxes, labels = dataset.boxes_of(image)
    pixels = read_image(dataset.path(image))
    height, width = pixels.shape[:2]
    stated = tuple(int(side) for side in dataset.sizes[image])
    if stated == (height, width) and height != width:
        pixels = read_image(dataset.path(image), honour_exif=False)
        height, width = pixels.shape[:2]
    scale = np.array([width, height, width, height], np.float32)
    if dataset.unit == "fraction":
        boxes = boxes * scale
    clipped = np.clip(boxes, 0, scale)
    left = (clipped[:, 2:] - clipped[:, :2] > 0).all(axis=1)
    return pixels, clipped[left], labels[left]


def _message(code: str, what: str, path: Path, reason: str | None = None) -> Message:
    return Message(code, "{path}: the image " + what + ".", {"path": path, "reason": reason})


def _what_is_cut(content: bytes) -> str | None:
    """What a truncated JPEG or PNG lacks; OpenCV decodes such files without a word, grey below the cut."""
    if content.startswith(b"\xff\xd8") and b"\xff\xd9" not in content[-4096:]:
        return "is cut off: its end is missing"
    if content.startswith(b"\x89PNG") and b"IEND" not in content[-4096:]:
        return "is cut off: its end is missing"
    return None
