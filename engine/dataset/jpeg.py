"""JPEG: the header, and pixels together with what is wrong with them.

OpenCV decodes with the same library (libjpeg-turbo, same pixels), but what that library finds damaged it only prints on standard
error. simplejpeg returns it, in the thread that decodes.
"""

from __future__ import annotations

import re
import struct
from typing import Literal, NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

Damage = Literal["none", "stray_bytes", "damaged", "cut_off"]
"""stray_bytes: every pixel is there, but bytes are left over: harmless padding, or the decoder lost its place in damaged data."""

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_END_OF_HEADER = frozenset({0xD9, 0xDA})  # EOI, SOS
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTn, SOI
_END_OF_IMAGE, _START_OF_SCAN = b"\xff\xd9", b"\xff\xda"
_ORIENTATION_TAG = 0x0112
_NO_END = "Premature end of JPEG file"
_STRAY_BYTES = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0x(\w+)")
_DAMAGE = re.compile(r"Corrupt JPEG data|Premature end|Inconsistent progression")
_HEADER_MARKERS = re.compile(r"e[0-9a-f]|fe|db|dd|c0|c1|c2|c4|da")


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


class DecodedJpeg(NamedTuple):
    """Pixels, and whether they are all that was stored."""

    pixels: NDArray[np.uint8] | None
    """(height, width, 3) RGB, not rotated; None where nothing can be decoded, or only a part."""
    damage: Damage


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


def decode_jpeg(content: bytes, header: JpegHeader, divisor: int = 1) -> DecodedJpeg:
    """The pixels of a JPEG.

    Bytes behind the end (the video of a motion photo, further images, padding) do not matter, nor does a missing end marker
    where every pixel is there.

    Args:
        content: the bytes of the file.
        header: its header.
        divisor: 2, 4 or 8 decodes at that fraction of the width and height.

    Raises:
        MemoryError: there was no memory to decode it.
    """
    pixels, warning = _decode(content, header, divisor)
    has_end = warning != _NO_END
    if not has_end:
        # Padding in place of the marker would be left over; but a zero byte that belongs to 0xFF is data.
        stripped = content.rstrip(b"\0")
        stripped += b"\0" * (stripped.endswith(b"\xff") and len(stripped) < len(content))
        for candidate in (content, stripped):
            content = candidate + _END_OF_IMAGE
            pixels, warning = _decode(content, header, divisor)
            if not warning:
                break
    if pixels is not None:
        return DecodedJpeg(pixels, "none")
    stray = _STRAY_BYTES.match(warning)
    if stray or not _DAMAGE.match(warning):
        is_harmless = stray is None or (_HEADER_MARKERS.fullmatch(stray[1]) is not None and header.scans == 1)
        pixels, _ = _decode(content, header, divisor, strict=False)
        return DecodedJpeg(pixels, "none" if is_harmless else "stray_bytes")
    return DecodedJpeg(None, "damaged" if has_end else "cut_off")


def turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The image as a viewer shows it, from its EXIF orientation (1 to 8)."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)  # type: ignore[assignment]  # OpenCV says any array
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return pixels if flip is None else cv2.flip(pixels, flip)  # type: ignore[return-value]


def _decode(
    content: bytes, header: JpegHeader, divisor: int, *, strict: bool = True
) -> tuple[NDArray[np.uint8] | None, str]:
    """The pixels, or the decoder's complaint."""
    sides = (-(-header.height // divisor), -(-header.width // divisor)) if divisor > 1 else (0, 0)
    try:
        pixels = simplejpeg.decode_jpeg(content, "RGB", min_height=sides[0], min_width=sides[1], strict=strict)
    except ValueError as error:
        if "nsufficient memory" in str(error):
            raise MemoryError(str(error)) from error
        return None, str(error) or "?"
    return pixels, ""


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
