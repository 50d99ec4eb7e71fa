"""The size of a JPEG, from its header."""

from __future__ import annotations

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1
_END_OF_HEADER = frozenset({0xD9, 0xDA})  # EOI, SOS


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height as stored, before EXIF rotation; None where `content` is no JPEG or its header is broken."""
    if not content.startswith(b"\xff\xd8"):
        return None
    offset = 2
    while offset + 9 <= len(content) and content[offset] == 0xFF:
        marker = content[offset + 1]
        if marker == 0xFF:  # a fill byte
            offset += 1
        elif marker in _START_OF_FRAME:
            height, width = (int.from_bytes(content[offset + i : offset + i + 2]) for i in (5, 7))
            return (width, height) if width and height else None
        elif marker in _END_OF_HEADER:
            return None
        else:
            offset += 2 + int.from_bytes(content[offset + 2 : offset + 4])
    return None
