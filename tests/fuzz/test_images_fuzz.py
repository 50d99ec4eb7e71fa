"""Whatever bytes an image file has: pixels, or one sentence why not."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.dataset.images import MAX_PIXELS, UnreadableImage, decode_image
from tests.fuzz.settings import examples

KINDS = (
    "jpeg",
    "progressive",
    "exif",
    "cmyk",
    "png",
    "png 16 bit",
    "bmp",
    "tiff",
    "float tiff",
    "webp",
    "gif",
    "jp2",
    "ppm",
    "avif",
)


@cache
def seed_image(kind: str) -> bytes:
    """A small good image."""
    small = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    pixels = np.asarray(cv2.resize(small, (37, 29), interpolation=cv2.INTER_CUBIC))
    image, file = Image.fromarray(pixels), io.BytesIO()
    match kind:
        case "jpeg":
            image.save(file, "JPEG")
        case "progressive":
            image.save(file, "JPEG", progressive=True)
        case "exif":
            exif = Image.Exif()
            exif[0x0112] = 6
            image.save(file, "JPEG", exif=exif)
        case "cmyk":
            image.convert("CMYK").save(file, "JPEG")
        case "png 16 bit":
            return _encoded(".png", pixels.astype(np.uint16) * 9)
        case "float tiff":
            return _encoded(".tif", pixels.astype(np.float32) / 255)
        case "jp2":
            return _encoded(".jp2", pixels)
        case _:
            image.save(file, kind.upper())
    return file.getvalue()


def _encoded(suffix: str, pixels: np.ndarray) -> bytes:
    return bytes(np.asarray(cv2.imencode(suffix, pixels)[1]).tobytes())


@st.composite
def broken_images(draw: st.DrawFn) -> bytes:
    """A good image with bytes changed, inserted, removed, repeated or cut off; mostly in its header, where the sizes are."""
    content = bytearray(seed_image(draw(st.sampled_from(KINDS))))
    for _ in range(draw(st.integers(1, 6))):
        end = draw(st.sampled_from((32, 256, len(content))))
        start = draw(st.integers(0, max(0, min(end, len(content)) - 1)))
        match draw(st.sampled_from(("change", "extreme", "insert", "remove", "repeat", "cut"))):
            case "change":
                content[start : start + 1] = draw(st.binary(min_size=1, max_size=1))
            case "extreme":
                content[start : start + 4] = draw(
                    st.sampled_from((b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\x80\0"))
                )
            case "insert":
                content[start:start] = draw(st.binary(max_size=12))
            case "remove":
                del content[start : start + draw(st.integers(1, 40))]
            case "repeat":
                content[start:start] = content[start : start + draw(st.integers(1, 40))] * draw(st.integers(1, 20))
            case _:
                del content[start:]
    return bytes(content)


@examples()
@given(broken_images() | st.binary(max_size=64), st.sampled_from((1, 2, 8)), st.booleans())
def test_any_bytes_are_an_image_or_unreadable(content: bytes, divisor: int, apply_exif: bool) -> None:
    try:
        pixels, stored, _ = decode_image(Path("a.jpg"), content, divisor=divisor, apply_exif=apply_exif)
    except (UnreadableImage, MemoryError):  # the second where a header claims more pixels than fit into the free memory
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert 0 < stored.width * stored.height <= MAX_PIXELS
    assert sorted(pixels.shape[:2]) in (
        sorted((-(-stored.height // factor), -(-stored.width // factor))) for factor in (1, divisor)
    )
