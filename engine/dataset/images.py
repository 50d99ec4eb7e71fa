"""Images on disk to pixels: any path, any format that OpenCV reads, in the orientation that the labels refer to."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.dataset.depth import to_8_bit
from engine.dataset.image_header import ImageSize, image_size
from engine.dataset.index import Dataset, Severity
from engine.dataset.jpeg import Damage, decode_jpeg, turn_upright
from engine.dataset.jpeg_header import JpegHeader, jpeg_size, read_jpeg_header
from engine.dataset.png import SIGNATURE, check_png
from engine.files import atomic_write, error_reason
from engine.hardware.machine import read_memory
from engine.messages import Message, bad_input, format_bytes
from engine.regular_files import MAX_IMAGE_BYTES, read_regular_file

Pixels = NDArray[np.uint8]

MAX_PIXELS = 2**28
"""More than any camera takes. A file of some kilobytes can claim any size, and would be decoded into gigabytes."""
_MAX_SCANNED_PIXELS = 20 * MAX_PIXELS
"""Of a progressive JPEG, which the decoder passes over as often as the file says."""
_LARGE_PIXELS = 2**24
"""An image with more is decoded while no other large one is, after a look at the free memory."""
_BYTES_PER_PIXEL = 9
"""The most that decoding takes: pixels of 16 bits and of 8, or the coefficients of a progressive JPEG and pixels of 8."""
_large_image = threading.Lock()

# OpenCV writes what it finds wrong with a file on standard error, which a screen may be using.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class LabelledImage(NamedTuple):
    """A decoded image with its labels."""

    pixels: Pixels
    """(height, width, 3) RGB."""
    boxes: NDArray[np.float32]
    """(n, 4) x1 y1 x2 y2 in those pixels."""
    labels: NDArray[np.int32]
    """(n,) class ids."""


class Remark(NamedTuple):
    """What should be known about an image that can be read."""

    severity: Severity
    message: Message


class DecodedImage(NamedTuple):
    """An image with what decoding found out about it."""

    pixels: Pixels
    """(height, width, 3) RGB."""
    stored: ImageSize
    """In the file: before EXIF rotation and at full size."""
    remarks: tuple[Remark, ...] = ()


class UnreadableImage(Exception):
    """An image that cannot be read; `message` gives the reason."""

    def __init__(self, path: Path, message: Message) -> None:
        super().__init__(str(message))
        self.path = path
        self.message = message

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[Path, Message]]:
        return type(self), (self.path, self.message)  # for other processes


def read_image(path: Path) -> Pixels:
    """(height, width, 3) uint8 RGB, rotated as EXIF says; grey, alpha and more than 8 bits are converted.

    Raises:
        UnreadableImage: the file is missing, empty, cut off, damaged, too large or no image.
        MemoryError: there is no memory for its pixels.
    """
    return decode_image(path, read_image_file(path)).pixels


def read_image_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        UnreadableImage: the file cannot be read, is no regular file, or is larger than MAX_IMAGE_BYTES.
        MemoryError: there is no memory for them.
    """
    try:
        # Bytes, not cv2.imread: on Windows that fails on paths beyond the system's code page.
        return read_regular_file(path, MAX_IMAGE_BYTES)
    except (OSError, ValueError) as error:  # a name with a null byte
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise MemoryError(str(error)) from error
        reason = error_reason(error) if isinstance(error, OSError) else str(error)
        raise UnreadableImage(
            path,
            Message("image.missing", "{path}: the image cannot be read ({reason}).", {"path": path, "reason": reason}),
        ) from error


def decode_image(path: Path, content: bytes, *, apply_exif: bool = True, divisor: int = 1) -> DecodedImage:
    """As `read_image`, from the bytes of the file.

    Args:
        path: for the error message.
        content: the bytes of the file.
        apply_exif: whether to rotate as EXIF says.
        divisor: 2, 4 or 8 decodes a JPEG at that fraction of its width and height.

    Raises:
        UnreadableImage: see `read_image`.
        MemoryError: see `read_image`.
    """
    size = image_size(content)
    if size is None:
        raise _not_decoded(path)
    with _room_for(path, size, divisor):
        decoded = _decode(path, content, size, apply_exif=apply_exif, divisor=divisor)
    if decoded is None:
        # Decoders fail in the same way where the file is broken and where an allocation failed. Alone and with memory that is
        # known to be there, only a broken file fails.
        with _large_image:
            np.empty(size.width * size.height * _BYTES_PER_PIXEL, np.uint8)
            decoded = _decode(path, content, size, apply_exif=apply_exif, divisor=divisor)
        if decoded is None:
            raise _not_decoded(path)
    return decoded


@contextmanager
def _room_for(path: Path, size: ImageSize, divisor: int) -> Iterator[None]:
    """Refuses an image that is larger than any camera's, and one whose pixels do not fit into the free memory."""
    pixels = size.width * size.height
    if pixels > MAX_PIXELS:
        raise UnreadableImage(
            path,
            Message(
                "image.too_large",
                "{path}: the image has {width}x{height} pixels; images of up to {limit} million pixels are read. Make it smaller, "
                "or cut it into tiles.",
                {"path": path, "width": size.width, "height": size.height, "limit": MAX_PIXELS // 10**6},
            ),
        )
    if pixels // divisor**2 <= _LARGE_PIXELS:
        yield
        return
    with _large_image:
        needed, free = pixels // divisor**2 * _BYTES_PER_PIXEL, read_memory().available
        if needed > free:
            raise MemoryError(
                f"Insufficient memory: {path} needs {format_bytes(needed)} to be decoded, {format_bytes(free)} are free"
            )
        yield


def _decode(path: Path, content: bytes, size: ImageSize, *, apply_exif: bool, divisor: int) -> DecodedImage | None:
    """The image; None where a decoder failed."""
    header = read_jpeg_header(content)
    if header is not None:
        return _decode_jpeg(path, content, header, apply_exif=apply_exif, divisor=divisor)
    if content.startswith(SIGNATURE):
        content, damage = check_png(content)
        if damage != "none":
            raise _damaged(path, damage)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    if not apply_exif:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        values = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from error
        values = None  # for instance a size beyond OpenCV's limit
    if values is None or values.ndim != 3:
        return None
    if values.dtype == np.uint8:
        return DecodedImage(cv2.cvtColor(values, cv2.COLOR_BGR2RGB, dst=values), size)  # type: ignore[arg-type]  # OpenCV says any array
    pixels, largest, white = to_8_bit(values)
    cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    bits = 8 * values.dtype.itemsize
    if white == 2**bits - 1:
        return DecodedImage(pixels, size)
    depth = Message(
        "image.depth",
        "{path}: its values are stored in {bits} bits and reach {largest}; {white} is taken as white.",
        {"path": path, "bits": bits, "largest": f"{largest:g}", "white": f"{white:g}"},
    )
    return DecodedImage(pixels, size, (Remark("info", depth),))


def _decode_jpeg(
    path: Path, content: bytes, header: JpegHeader, *, apply_exif: bool, divisor: int
) -> DecodedImage | None:
    if header.scans * header.width * header.height > _MAX_SCANNED_PIXELS:
        raise _damaged(path, "damaged")
    pixels, damage = decode_jpeg(content, header, divisor)
    if damage in ("cut_off", "damaged"):
        raise _damaged(path, damage)
    if pixels is None:
        return None
    remarks: tuple[Remark, ...] = ()
    if damage == "stray_bytes":
        stray = Message(
            "image.stray_bytes",
            "{path}: bytes are left over behind the pixels; a part of the image may be damaged.",
            {"path": path},
        )
        remarks = (Remark("warning", stray),)
    pixels = turn_upright(pixels, header.orientation) if apply_exif else pixels
    return DecodedImage(pixels, ImageSize(header.width, header.height), remarks)


def _damaged(path: Path, damage: Damage) -> UnreadableImage:
    if damage == "cut_off":
        return UnreadableImage(
            path, Message("image.truncated", "{path}: the image is cut off: its end is missing.", {"path": path})
        )
    return UnreadableImage(path, Message("image.damaged", "{path}: the image is damaged.", {"path": path}))


def _not_decoded(path: Path) -> UnreadableImage:
    return UnreadableImage(
        path, Message("image.unreadable", "{path}: this file is no image that can be decoded.", {"path": path})
    )


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
    content = read_image_file(path)
    divisor, stored_size = _decode_divisor(content, min_long_side)
    pixels = decode_image(path, content, divisor=divisor).pixels
    width, height = _full_size(stored_size, pixels)
    stated = tuple(int(side) for side in dataset.sizes[image_index])
    if stated == (height, width) and height != width:
        pixels = decode_image(path, content, apply_exif=False, divisor=divisor).pixels
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
        # Fractions of single precision miss whole pixels by less than a thousandth.
        boxes = np.round(boxes * scale, 3)
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
