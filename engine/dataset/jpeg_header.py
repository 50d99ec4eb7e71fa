"""The header of a JPEG file, read without a decoder."""

from __future__ import annotations

import struct
from typing import NamedTuple

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_END_OF_HEADER = frozenset({0xD9, 0xDA})  # EOI, SOS
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTn, SOI
_ORIENTATION_TAG = 0x0112
_START_OF_SCAN = b"\xff\xda"


class JpegHeader(NamedTuple):
    """What stands before the pixels."""

    width: int
    """As stored, before EXIF rotation."""
    height: int
    channels: int
    orientation: int
    """EXIF, 1 to 8; 1 is upright."""
    scans: int
    """How often the decoder passes over the image; 1 where it is not progressive."""


def read_jpeg_header(content: bytes) -> JpegHeader | None:
    """None where `content` is no JPEG or its header is broken."""
    if not content.startswith(b"\xff\xd8"):
        return None
    offset, orientation = 2, 1
    # The decoder skips stray bytes between two segments too.
    while (offset := content.find(b"\xff", offset)) >= 0 and offset + 9 <= len(content):
        marker = content[offset + 1]
        if marker in (0x00, 0xFF):  # a stuffed byte, a fill byte
            offset += 1
        elif marker in _NO_LENGTH:
            offset += 2
        elif marker in _END_OF_HEADER:
            return None
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", content, offset + 5)
            scans = content.count(_START_OF_SCAN, offset) if marker in _PROGRESSIVE else 1
            return JpegHeader(width, height, content[offset + 9], orientation, scans) if width and height else None
        else:
            length = int.from_bytes(content[offset + 2 : offset + 4])
            if marker == 0xE1 and content.startswith(b"Exif\0\0", offset + 4):
                orientation = _exif_orientation(content[offset + 10 : offset + 2 + length])
            offset += 2 + length
    return None


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height as stored, before EXIF rotation; None where `content` is no JPEG or its header is broken."""
    header = read_jpeg_header(content)
    return None if header is None else (header.width, header.height)


def _exif_orientation(exif: bytes) -> int:
    """The orientation in the first directory of EXIF data (a TIFF header without an image)."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, directory)
        for index in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, directory + 2 + 12 * index)
            if tag == _ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
