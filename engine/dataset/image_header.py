"""The size of an image from its header, so that its memory is known before it is decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from engine.dataset.jpeg_header import read_jpeg_header

_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_HEADER_BYTES = 2**16
_TIFF_NUMBERS = {3: "H", 4: "I", 16: "Q"}  # TIFF 6.0, section 2; 16 is BigTIFF's
_MAX_CHANNELS = 4


class ImageSize(NamedTuple):
    """As stored, before EXIF rotation."""

    width: int
    height: int


def image_size(content: bytes) -> ImageSize | None:
    """The size of the image in a file; None where it is of no format that is read, or its header is broken."""
    for pattern, read in _READERS:
        if pattern.match(content):
            try:
                width, height = read(content)
            except (struct.error, ValueError, IndexError):
                return None
            return ImageSize(width, height) if width > 0 and height > 0 else None
    return None


def _jpeg(content: bytes) -> tuple[int, int]:
    header = read_jpeg_header(content)
    return (0, 0) if header is None else (header.width, header.height)


def _png(content: bytes) -> tuple[int, int]:
    return _unpack(">II", content, 16)


def _gif(content: bytes) -> tuple[int, int]:
    return _unpack("<HH", content, 6)


def _bmp(content: bytes) -> tuple[int, int]:
    (header_size,) = struct.unpack_from("<I", content, 14)
    if header_size == 12:  # OS/2
        return _unpack("<HH", content, 18)
    width, height = _unpack("<ii", content, 18)
    return width, abs(height)  # negative: the first row is at the top


def _webp(content: bytes) -> tuple[int, int]:
    chunk = content[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = _unpack("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff(content: bytes) -> tuple[int, int]:
    """From the first directory. The tags 256 and 257 are width and height, 277 the number of channels."""
    order = "<" if content.startswith(b"II") else ">"
    is_big = struct.unpack_from(order + "H", content, 2)[0] == 43
    offset_format, count_format, entry_bytes, value_offset = ("Q", "Q", 20, 12) if is_big else ("I", "H", 12, 8)
    (directory,) = struct.unpack_from(order + offset_format, content, 8 if is_big else 4)
    (count,) = struct.unpack_from(order + count_format, content, directory)
    values: dict[int, int] = {}
    for index in range(min(count, 4096)):
        entry = directory + struct.calcsize(count_format) + index * entry_bytes
        tag, kind = struct.unpack_from(order + "HH", content, entry)
        if tag in (256, 257, 277) and kind in _TIFF_NUMBERS:
            (values[tag],) = struct.unpack_from(order + _TIFF_NUMBERS[kind], content, entry + value_offset)
    if values.get(277, 1) > _MAX_CHANNELS:
        raise ValueError
    return values.get(256, 0), values.get(257, 0)


def _pnm(content: bytes) -> tuple[int, int]:
    match = _PNM.match(content[:_HEADER_BYTES])
    return (0, 0) if match is None else (int(match[1]), int(match[2]))


def _jp2(content: bytes) -> tuple[int, int]:
    """From the image header box (ISO 15444-1, I.5.3.1), which files have, or from the SIZ marker of a bare stream."""
    box = content.find(b"ihdr", 0, _HEADER_BYTES)
    if box >= 0:
        height, width, channels = struct.unpack_from(">IIH", content, box + 4)
    else:
        right, bottom, left, top = struct.unpack_from(">IIII", content, 8)
        (channels,) = struct.unpack_from(">H", content, 40)
        width, height = right - left, bottom - top
    if channels > _MAX_CHANNELS:
        raise ValueError
    return width, height


def _avif(content: bytes) -> tuple[int, int]:
    """The largest of the sizes in the properties (`ispe`): a file holds smaller images beside the main one."""
    start = content[:_HEADER_BYTES]
    sizes = [_unpack(">II", start, found.end() + 4) for found in re.finditer(b"ispe", start)]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def _unpack(layout: str, content: bytes, offset: int) -> tuple[int, int]:
    width, height = struct.unpack_from(layout, content, offset)
    return width, height


_READERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], tuple[int, int]]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), read)
    for pattern, read in (
        (rb"\xff\xd8", _jpeg),
        (rb"\x89PNG\r\n\x1a\n", _png),
        (rb"BM", _bmp),
        (rb"RIFF....WEBP", _webp),
        (rb"II[*+]\0|MM\0[*+]", _tiff),
        (rb"GIF8[79]a", _gif),
        (rb"P[1-6]\s", _pnm),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", _jp2),
        (rb"....ftypavi[fs]", _avif),
    )
)
"""By the first bytes: names lie."""
