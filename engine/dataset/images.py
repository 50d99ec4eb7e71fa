"""Images on disk to pixels: any path, any format that OpenCV reads, in the orientation that the labels refer to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.index import Dataset
from engine.dataset.jpeg import jpeg_size
from engine.files import atomic_write, error_reason
from engine.messages import Message, bad_input

Pixels = NDArray[np.uint8]

_IMREAD_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""By the divisor of the image's sides."""


class LabelledImage(NamedTuple):
    """A decoded image with its labels."""

    pixels: Pixels
    """(height, width, 3) RGB."""
    boxes: NDArray[np.float32]
    """(n, 4) x1 y1 x2 y2 in those pixels."""
    labels: NDArray[np.int32]
    """(n,) class ids."""


class UnreadableImage(Exception):
    """An image that cannot be read; `message` gives the reason."""

    def __init__(self, path: Path, message: Message) -> None:
        super().__init__(str(message))
        self.path = path
        self.message = message


def read_image(path: Path) -> Pixels:
    """(height, width, 3) uint8 RGB, rotated as EXIF says; grey, alpha and 16 bit are converted.

    Raises:
        UnreadableImage: the file is missing, empty, truncated or no image.
    """
    return decode_image(path, _read_bytes(path))


def _read_bytes(path: Path) -> bytes:
    try:
        # Bytes, not cv2.imread: on Windows that fails on paths beyond the system's code page.
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(
            path,
            Message(
                "image.missing",
                "{path}: the image cannot be read ({reason}).",
                {"path": path, "reason": error_reason(error)},
            ),
        ) from error


def decode_image(path: Path, content: bytes, *, apply_exif: bool = True, divisor: int = 1) -> Pixels:
    """As `read_image`, from the bytes of the file.

    Args:
        path: for the error message.
        content: the bytes of the file.
        apply_exif: whether to rotate as EXIF says.
        divisor: 2, 4 or 8 decodes a JPEG at that fraction of its width and height.

    Raises:
        UnreadableImage: see `read_image`.
    """
    if _is_truncated(content):
        raise UnreadableImage(
            path, Message("image.truncated", "{path}: the image is cut off: its end is missing.", {"path": path})
        )
    flags = _IMREAD_FLAGS[divisor]
    if not apply_exif:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # an empty buffer, or a size beyond OpenCV's limit
        pixels = None
    if pixels is None:
        raise UnreadableImage(
            path, Message("image.unreadable", "{path}: this file is no image that can be decoded.", {"path": path})
        )
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)  # type: ignore[return-value]  # OpenCV says any array


def encode_image(path: Path, pixels: Pixels) -> None:
    """Write (height, width, 3) uint8 RGB in the format of the path's suffix.

    Raises:
        BadInput: OpenCV does not write this format, or the file cannot be written.
    """
    try:
        encoded, buffer = cv2.imencode(path.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    except cv2.error:
        encoded = False
    if not encoded:
        raise bad_input("image.suffix", "{path}: images of this format cannot be written; use .jpg or .png.", path=path)
    atomic_write(path, lambda file: file.write(buffer.tobytes()))


def load_image(dataset: Dataset, image_index: int, *, min_long_side: int | None = None) -> LabelledImage:
    """An image of a data set with its boxes, clipped to the image.

    EXIF rotation is applied, unless the size in the label says that the boxes were drawn on the unrotated image.

    Args:
        dataset: the data set.
        image_index: which of its images.
        min_long_side: pixels that the longer side needs at least: a JPEG of twice the size or more is decoded at 1/2, 1/4 or 1/8,
            which takes a fraction of the time and the memory. None: at full size.

    Raises:
        UnreadableImage: the image cannot be read.
    """
    path = dataset.image_path(image_index)
    content = _read_bytes(path)
    divisor, stored_size = _decode_divisor(content, min_long_side)
    pixels = decode_image(path, content, divisor=divisor)
    width, height = _full_size(stored_size, pixels)
    stated = tuple(int(side) for side in dataset.sizes[image_index])
    if stated == (height, width) and height != width:
        pixels = decode_image(path, content, apply_exif=False, divisor=divisor)
        width, height = _full_size(stored_size, pixels)
    clipped, labels = clipped_boxes(dataset, image_index, (width, height), divisor)
    return LabelledImage(pixels, clipped, labels)


def clipped_boxes(
    dataset: Dataset, image_index: int, size: tuple[int, int], divisor: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """(n, 4) boxes in pixels of an image of `size` (width, height), clipped to it, and (n,) class ids.

    `divisor` divides the coordinates. Boxes that have no area inside the image are left out.
    """
    boxes, labels = dataset.boxes_of(image_index)
    scale = np.array([*size, *size], np.float32)
    if dataset.unit == "fraction":
        boxes = boxes * scale
    clipped = np.clip(boxes / divisor, 0, scale / divisor).astype(np.float32)
    has_area = (clipped[:, 2:] - clipped[:, :2] > 0).all(axis=1)
    return clipped[has_area], labels[has_area]


def _decode_divisor(content: bytes, min_long_side: int | None) -> tuple[int, tuple[int, int] | None]:
    """The divisor of the sides for decoding, and the stored (width, height) where the divisor is not 1."""
    size = None if min_long_side is None else jpeg_size(content)
    if size is None or min_long_side is None:
        return 1, None
    for divisor in (8, 4, 2):
        sides = [-(-side // divisor) for side in size]  # the decoder rounds up
        # Sides that are equal only after rounding would hide whether the image was rotated.
        if max(size) >= divisor * min_long_side and (sides[0] != sides[1] or size[0] == size[1]):
            return divisor, size
    return 1, None


def _full_size(stored: tuple[int, int] | None, pixels: Pixels) -> tuple[int, int]:
    """Width and height of the image in the orientation of `pixels`; `stored` is its size in the file if it was decoded smaller."""
    height, width = pixels.shape[:2]
    if stored is None:
        return width, height
    return stored if (stored[0] > stored[1]) == (width > height) else (stored[1], stored[0])


def _is_truncated(content: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end; OpenCV decodes such files without an error, grey below the cut."""
    end = content[-4096:]
    return (content.startswith(b"\xff\xd8") and b"\xff\xd9" not in end) or (
        content.startswith(b"\x89PNG") and b"IEND" not in end
    )
