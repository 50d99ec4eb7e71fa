"""The size of an image from its header alone, without OpenCV: for labels that do not state it."""

from __future__ import annotations

from pathlib import Path

from engine.dataset.image_header import image_size
from engine.dataset.jpeg_header import read_jpeg_header

_HEADER_BYTES = 1 << 16
_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF 2.32, table 6: the orientations that exchange width and height
_PNG = b"\x89PNG"
_SIZED = (b"\xff\xd8", _PNG, b"BM")


def size_in_header(path: Path) -> tuple[int, int]:
    """Width and height of an image as it is read; 0, 0 where only decoding tells."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return 0, 0
    size = image_size(header)
    if size is None or not header.startswith(_SIZED) or (header.startswith(_PNG) and b"eXIf" in header):
        return 0, 0
    jpeg = read_jpeg_header(header)
    is_turned = jpeg is not None and jpeg.orientation in _QUARTER_TURNS
    return (size.height, size.width) if is_turned else (size.width, size.height)
