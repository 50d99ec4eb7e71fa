"""JPEG: pixels together with what is wrong with them.

OpenCV decodes with the same library (libjpeg-turbo, same pixels), but what that library finds damaged it only prints on standard
error. simplejpeg returns it, in the thread that decodes.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from engine.dataset.jpeg_header import JpegHeader

Damage = Literal["none", "stray_bytes", "damaged", "cut_off"]
"""stray_bytes: every pixel is there, but bytes are left over: harmless padding, or the decoder lost its place in damaged data."""

_END_OF_IMAGE = b"\xff\xd9"
_NO_END = "Premature end of JPEG file"
_STRAY_BYTES = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0x(\w+)")
_DAMAGE = re.compile(r"Corrupt JPEG data|Premature end|Inconsistent progression")
_HEADER_MARKERS = re.compile(r"e[0-9a-f]|fe|db|dd|c0|c1|c2|c4|da")


class DecodedJpeg(NamedTuple):
    """Pixels, and whether they are all that was stored."""

    pixels: NDArray[np.uint8] | None
    """(height, width, 3) RGB, not rotated; None where nothing can be decoded, or only a part."""
    damage: Damage


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
