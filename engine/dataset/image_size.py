"""The size of an image file, from its header where that settles it: a hundred times faster than decoding the image."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from engine.dataset.images import UnreadableImage, decode_image
from engine.dataset.jpeg import jpeg_size
from engine.files import error_reason
from engine.messages import Message

_HEADER_BYTES = 1 << 16
_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF 2.32, table 6: the orientations that exchange width and height
_ORIENTATION_TAG = 0x0112
_EXIF = b"Exif\x00\x00"
_PNG = b"\x89PNG\r\n\x1a\n"


class ImageSize(NamedTuple):
    """Width and height in pixels, as `load_image` reads the image."""

    width: int
    height: int
    ignores_exif: bool = False
    """Whether EXIF would rotate the image, but its labels were drawn on the unrotated one."""


def read_image_size(path: Path, stated: tuple[int, int] = (0, 0)) -> ImageSize:
    """The size in which `load_image` reads the image at `path`, whose labels state the size `stated` (width, height).

    A JPEG or PNG is decoded only where its header or its end is unusual, every other format always.

    Raises:
        UnreadableImage: the file is missing, empty, truncated or no image.
    """
    try:
        with path.open("rb") as file:
            if (sizes := _sizes_without_decoding(file)) is not None:
                return _as_read(*sizes, stated)
            file.seek(0)
            content = file.read()
    except OSError as error:
        reason = error_reason(error)
        raise UnreadableImage(
            path,
            Message("image.missing", "{path}: the image cannot be read ({reason}).", {"path": path, "reason": reason}),
        ) from error
    height, width = decode_image(path, content).shape[:2]
    stored_height, stored_width = height, width
    if width != height and stated == (height, width):
        stored_height, stored_width = decode_image(path, content, apply_exif=False).shape[:2]
    return _as_read((stored_width, stored_height), (width, height), stated)


def _as_read(stored: tuple[int, int], rotated: tuple[int, int], stated: tuple[int, int]) -> ImageSize:
    """From the sizes before and after EXIF rotation."""
    ignores_exif = stored != rotated and stated == stored
    return ImageSize(*(stored if ignores_exif else rotated), ignores_exif)


def exif_orientation(content: bytes) -> tuple[int, int] | None:
    """The EXIF orientation of a JPEG, 1 to 8, and the offset of its byte in `content`; None where it has none."""
    offset = 2
    while content.startswith(b"\xff\xd8") and offset + 4 <= len(content) and content[offset] == 0xFF:
        marker, length = content[offset + 1], int.from_bytes(content[offset + 2 : offset + 4])
        if marker == 0xFF:  # a fill byte
            offset += 1
        elif marker in (0xD9, 0xDA) or length < 2:  # EOI, SOS
            return None
        elif marker == 0xE1 and content.startswith(_EXIF, offset + 4):
            return _orientation_in_tiff(content, offset + 4 + len(_EXIF), offset + 2 + length)
        else:
            offset += 2 + length
    return None


def _orientation_in_tiff(content: bytes, start: int, end: int) -> tuple[int, int] | None:
    """As `exif_orientation`, from the TIFF structure in content[start:end]."""
    order: Literal["little", "big"] = "big" if content.startswith(b"MM", start) else "little"
    directory = start + int.from_bytes(content[start + 4 : start + 8], order)
    entries = int.from_bytes(content[directory : directory + 2], order)
    for entry in range(directory + 2, min(directory + 2 + 12 * entries, end - 11), 12):
        if int.from_bytes(content[entry : entry + 2], order) == _ORIENTATION_TAG:
            value = int.from_bytes(content[entry + 8 : entry + 10], order)
            return (value, entry + 8 + (order == "big")) if 1 <= value <= 8 else None
    return None


def _sizes_without_decoding(file: BinaryIO) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The sizes of a whole JPEG or PNG before and after EXIF rotation; None where only decoding tells."""
    header = file.read(_HEADER_BYTES)
    if header.startswith(_PNG):
        png_size = _png_size(file, header)
        return None if png_size is None else (png_size, png_size)
    size = jpeg_size(header)
    file.seek(-min(2, len(header)), 2)
    if size is None or file.read() != b"\xff\xd9":
        return None
    orientation = exif_orientation(header)
    is_turned = orientation is not None and orientation[0] in _QUARTER_TURNS
    return size, (size[1], size[0]) if is_turned else size


def _png_size(file: BinaryIO, header: bytes) -> tuple[int, int] | None:
    """The size of a PNG whose chunks are all there and hold no EXIF."""
    offset = len(_PNG)
    while True:
        file.seek(offset)
        chunk = file.read(8)
        length, kind = int.from_bytes(chunk[:4]), chunk[4:]
        if kind == b"IEND":
            return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
        if len(kind) < 4 or kind == b"eXIf":
            return None
        offset += length + 12
