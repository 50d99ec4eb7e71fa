"""Puts the image of a data set into a written one: as a copy or as a link."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from engine.dataset.images import decode_image, encode_image
from engine.dataset.jpeg_header import read_jpeg_header

ImageMode = Literal["copy", "link", "refer"]
"""copy; link: a link where the file system allows one; refer: the labels name the original image."""
Placement = Literal["copy", "hard_link", "symbolic_link", "refer"]
"""What became of an image."""


def place_image(source: Path, target: Path, mode: ImageMode) -> Placement:
    """Copy or link `source` to `target`; the content of `source` is never changed.

    Raises:
        OSError: `source` cannot be read, or `target` not written.
    """
    if mode == "link":
        original = source.resolve()
        # A hard link remains when the original is moved; it needs the same disk.
        for link, placement in ((os.link, "hard_link"), (os.symlink, "symbolic_link")):
            try:
                link(original, target)
            except (OSError, NotImplementedError):
                continue
            return "hard_link" if placement == "hard_link" else "symbolic_link"
    shutil.copyfile(source, target)
    return "copy"


def place_unrotated_image(source: Path, target: Path) -> None:
    """Copy an image without its EXIF rotation, for labels that cannot say that they were drawn on the unrotated image.

    Raises:
        OSError: see `place_image`.
        UnreadableImage: the image is no JPEG and cannot be decoded.
        BadInput: OpenCV does not write its format.
    """
    content = _without_exif(source.read_bytes())
    header = read_jpeg_header(content)
    if header is not None and header.orientation == 1:
        target.write_bytes(content)
    else:
        encode_image(target, decode_image(source, content, apply_exif=False).pixels)


def _without_exif(content: bytes) -> bytes:
    """A JPEG without its EXIF segments; anything else as it is."""
    kept, offset = content[:2], 2
    while content.startswith(b"\xff\xd8") and content[offset : offset + 1] == b"\xff":
        if content[offset + 1] == 0xDA:  # the pixels begin
            break
        end = offset + 2 + int.from_bytes(content[offset + 2 : offset + 4])
        if not (content[offset + 1] == 0xE1 and content.startswith(b"Exif\0\0", offset + 4)):
            kept += content[offset:end]
        offset = end
    return kept + content[offset:]
