"""PNG: whether every byte is as it was written, and the chunks that the decoder needs."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from engine.dataset.jpeg import Damage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_KEPT_ANCILLARY = frozenset({b"tRNS", b"eXIf"})
_PIECE_BYTES = 2**16


class CheckedPng(NamedTuple):
    """A PNG to decode, and whether its checksums hold."""

    content: bytes
    damage: Damage


def check_png(content: bytes) -> CheckedPng:
    """The chunks of the image, its transparency and its EXIF, if they are whole (W3C PNG, section 5).

    Comments, colour profiles and the further frames of an animation are left out: the decoder would not use them, but complain
    about some of them on standard error. Bytes behind the end do not matter, nor does a missing end where every pixel is there.
    """
    view = memoryview(content)
    parts: list[memoryview | bytes] = [view[:8]]
    compressed: list[memoryview] = []
    position = 8
    while position + 12 <= len(content):
        end = position + 12 + int.from_bytes(view[position : position + 4])
        kind = content[position + 4 : position + 8]
        if end > len(content):
            break
        is_critical = not kind[0] & 0x20  # the case of the first letter
        if is_critical or kind in _KEPT_ANCILLARY:
            is_right = zlib.crc32(view[position + 4 : end - 4]) == int.from_bytes(view[end - 4 : end])
            if is_critical and not is_right:
                return CheckedPng(content, "damaged")
            if is_right:
                parts.append(view[position:end])
        if kind == b"IDAT":
            compressed.append(view[position + 8 : end - 4])
        if kind == b"IEND":
            return CheckedPng(b"".join(parts), "none")
        position = end
    if _is_complete(compressed):
        return CheckedPng(b"".join([*parts, _END]), "none")
    return CheckedPng(content, "cut_off")


def _is_complete(compressed: list[memoryview]) -> bool:
    """Whether the compressed pixels reach the end of their stream; in pieces, since they may expand a thousandfold."""
    stream = zlib.decompressobj()
    try:
        for chunk in compressed:
            rest = bytes(chunk)
            while rest and not stream.eof:
                stream.decompress(rest, _PIECE_BYTES)
                rest = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof
