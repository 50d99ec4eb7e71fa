"""What a JPEG says about itself before it is decoded."""

from __future__ import annotations

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1
_NO_HEADER_BEYOND = frozenset({0xD9, 0xDA})


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height as stored, before any turning; None where `content` is no JPEG or its header is broken."""
    if not content.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
        elif marker in _START_OF_FRAME:
            height, width = (int.from_bytes(content[at + i : at + i + 2]) for i in (5, 7))
            return (width, height) if width and height else None
        elif marker in _NO_HEADER_BEYOND:
            return None
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return None
