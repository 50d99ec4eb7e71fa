"""Reading images: orientation, colour depth, reduced size, truncated files."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.dataset import images as images_module
from engine.dataset.doctor import check_dataset
from engine.dataset.formats import open_dataset
from engine.dataset.image_files import IMAGE_SUFFIXES, UNREAD_IMAGE_SUFFIXES
from engine.dataset.image_header import image_size
from engine.dataset.images import MAX_PIXELS, UnreadableImage, decode_image, load_image, read_image
from engine.dataset.jpeg_header import read_jpeg_header
from engine.hardware.machine import Memory
from tests.dataset_on_disk import (
    SIZE,
    annotation,
    cut_off,
    red_box,
    voc_dataset,
    with_orientation,
    write_cat_voc,
    write_text,
    write_yolo,
)


@pytest.mark.parametrize("orientation", [6, 8])
@pytest.mark.parametrize("labelled_as_shown", [True, False])
def test_boxes_of_a_rotated_image_are_where_they_were_drawn(
    tmp_path: Path, orientation: int, labelled_as_shown: bool
) -> None:
    """EXIF rotation is applied, unless the size in the label is that of the unrotated image."""
    write_cat_voc(tmp_path, "a b")
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[5:25, 50:75] = 255
    image_path = tmp_path / "JPEGImages" / "a.jpg"
    cv2.imwrite(str(image_path), pixels)
    with_orientation(image_path, orientation)
    rotated = {6: (SIZE[1] - 25, 50, SIZE[1] - 5, 75), 8: (5, SIZE[0] - 75, 25, SIZE[0] - 50)}[orientation]
    size, box = (SIZE[::-1], rotated) if labelled_as_shown else (SIZE, (50, 5, 75, 25))
    write_text(tmp_path / "Annotations" / "a.xml", annotation("a.jpg", size, [("cat", box)]))
    dataset = open_dataset(tmp_path)
    shown, boxes, _ = load_image(dataset, 0)
    assert shown.shape[:2] == size[::-1]
    x1, y1, x2, y2 = boxes[0].astype(int)
    assert shown[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() > 200
    assert shown.mean() < 50
    (finding,) = [f for f in check_dataset(dataset).findings if f.message.code == "image.turned"]
    assert ("drawn on the rotated one" in str(finding.message)) == labelled_as_shown


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".PNG", ".bmp"])
def test_grey_and_16_bit_images_become_three_channels_of_8_bit(tmp_path: Path, suffix: str) -> None:
    write_yolo(tmp_path, f"a{suffix}", f"b{suffix}")
    has_16_bit = suffix.lower() == ".png"
    grey = np.full((SIZE[1], SIZE[0]), 40_000 if has_16_bit else 156, np.uint16 if has_16_bit else np.uint8)
    (tmp_path / f"a{suffix}").write_bytes(cv2.imencode(suffix.lower(), grey)[1].tobytes())
    pixels, boxes, _ = load_image(open_dataset(tmp_path), 0)
    assert (pixels.shape, pixels.dtype, len(boxes)) == ((SIZE[1], SIZE[0], 3), np.uint8, 1)
    assert abs(int(pixels.mean()) - 156) <= 1
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize(("min_long_side", "divisor"), [(None, 1), (500, 1), (400, 2), (200, 4), (100, 8), (10, 8)])
def test_a_large_jpeg_is_decoded_no_smaller_than_requested_and_its_boxes_are_scaled(
    tmp_path: Path, min_long_side: int | None, divisor: int
) -> None:
    dataset = voc_dataset(tmp_path, train=1, size=(801, 603))
    pixels, boxes, _ = load_image(dataset, 0, min_long_side=min_long_side)
    assert pixels.shape == (-(-603 // divisor), -(-801 // divisor), 3)
    assert min_long_side is None or max(pixels.shape) >= min(min_long_side, 801 // 8)
    np.testing.assert_allclose(boxes * divisor, dataset.boxes)
    np.testing.assert_allclose(boxes[0], red_box(pixels), atol=1)


# Orientations 2 to 4 (mirrored or upside down) keep the size, so that the stated size does not tell how the boxes were drawn.
ORIENTATIONS = [(number, True) for number in (1, 5, 6, 7, 8)] + [(number, False) for number in range(1, 9)]


@pytest.mark.parametrize(("orientation", "stored_size_is_stated"), ORIENTATIONS)
def test_a_rotated_image_decoded_at_a_reduced_size_keeps_its_boxes(
    tmp_path: Path, orientation: int, stored_size_is_stated: bool
) -> None:
    dataset = voc_dataset(tmp_path, train=1, size=(800, 600))
    with_orientation(dataset.image_path(0), orientation)
    if not stored_size_is_stated:  # labelled as a viewer displays it
        shown, _, _ = load_image(replace(dataset, sizes=np.zeros_like(dataset.sizes)), 0)
        dataset = replace(
            dataset, sizes=np.array([[shown.shape[1], shown.shape[0]]], np.int32), boxes=red_box(shown)[None]
        )
    small, boxes, _ = load_image(dataset, 0, min_long_side=200)
    assert max(small.shape) == 200
    np.testing.assert_allclose(boxes[0], red_box(small), atol=1)


def test_a_truncated_image_is_unreadable_at_any_size(tmp_path: Path) -> None:
    dataset = voc_dataset(tmp_path, train=1, size=(800, 600))
    cut_off(dataset.image_path(0))
    with pytest.raises(UnreadableImage, match="cut off"):
        load_image(dataset, 0, min_long_side=100)


NAME = Path("a.jpg")
JPEG = ".jpg"


def scene(width: int = 161, height: int = 123) -> NDArray[np.uint8]:
    """Soft colours, as a photograph has."""
    small = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def encoded(suffix: str, pixels: NDArray[np.generic], *parameters: int) -> bytes:
    _, buffer = cv2.imencode(suffix, pixels, parameters)  # type: ignore[call-overload]
    return bytes(np.asarray(buffer).tobytes())


def opencv_pixels(content: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def reason(content: bytes, path: Path = NAME) -> str:
    with pytest.raises(UnreadableImage) as refused:
        decode_image(path, content)
    return refused.value.message.code


KINDS = {
    "baseline": (),
    "progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restart markers": (cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    "fine colours": (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_jpeg_is_read_whatever_follows_it_and_without_its_last_marker(kind: str) -> None:
    whole = encoded(JPEG, scene(), *KINDS[kind])
    expected = opencv_pixels(whole)
    video = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
    for content in (
        whole,
        whole + video,
        whole + b"\0" * 70_000,
        whole + b"\r\n",
        whole + encoded(JPEG, scene(40, 30)),  # further images, as in MPO
        whole[:-2],
        whole[:-2] + b"\0" * 5000,
    ):
        decoded = decode_image(NAME, content)
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert decoded.remarks == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_is_cut_off_is_found_wherever_it_was_cut(kind: str) -> None:
    whole = encoded(JPEG, scene(), *KINDS[kind])
    start = whole.index(b"\xff\xda") + 20
    for end in (start, start + 100, len(whole) // 2, len(whole) - 20):
        assert reason(whole[:end]) == "image.truncated"
        assert reason(whole[:end] + b"\0" * 9000) in ("image.truncated", "image.damaged")


def test_a_jpeg_that_lost_its_middle_is_damaged(capfd: pytest.CaptureFixture[str]) -> None:
    whole = encoded(JPEG, scene())
    middle = len(whole) // 2
    assert reason(whole[:middle] + whole[-2:]) == "image.damaged"
    assert reason(whole[:middle] + whole[-2:] + b"\0" * 50_000) == "image.damaged"
    assert capfd.readouterr().err == "", "nothing is written past the screen"


def test_bytes_that_the_decoder_leaves_over_are_said_and_the_image_is_used(tmp_path: Path) -> None:
    """Some webcams write such bytes behind the pixels; but a decoder that lost its place leaves some over as well."""
    whole = encoded(JPEG, scene())
    content = whole[:-2] + bytes(range(1, 60)) + whole[-2:]
    decoded = decode_image(NAME, content)
    np.testing.assert_array_equal(decoded.pixels, opencv_pixels(whole))
    assert [remark.message.code for remark in decoded.remarks] == ["image.stray_bytes"]
    write_yolo(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "a.jpg").write_bytes(content)
    assert [
        f.file for f in check_dataset(open_dataset(tmp_path)).findings if f.message.code == "image.stray_bytes"
    ] == ["a.jpg"]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_jpeg_has_the_pixels_that_opencv_decodes(mode: str, orientation: int, order: str) -> None:
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    exif = b"Exif\0\0" + mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    file = io.BytesIO()
    Image.fromarray(scene()).convert(mode).save(file, "JPEG", exif=exif)
    np.testing.assert_array_equal(decode_image(NAME, file.getvalue()).pixels, opencv_pixels(file.getvalue()))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_png_is_read_whole_and_its_damage_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    whole = encoded(".png", scene())
    expected = opencv_pixels(whole)
    broken_comment = b"\0\0\0\x04tEXtabcdxxxx"
    profile = png_chunk(b"iCCP", b"bad\0\0" + b"z" * 9)
    for content in (whole, whole + b"\0" * 9000, whole[:-12], whole[:33] + broken_comment + profile + whole[33:]):
        np.testing.assert_array_equal(decode_image(NAME, content).pixels, expected)
    assert reason(whole[:-40]) == reason(whole[: len(whole) // 2]) == "image.truncated"
    middle = len(whole) // 2
    assert reason(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]) == "image.damaged"
    assert capfd.readouterr().err == "", "nothing is written past the screen"


@pytest.mark.parametrize(
    ("largest", "white"), [(255, 255), (700, 1023), (3680, 4095), (4095, 4095), (16000, 16383), (60000, 65535)]
)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_values_are_scaled_by_what_they_hold(tmp_path: Path, suffix: str, largest: int, white: int) -> None:
    """A 12-bit image in a 16-bit file was nearly black."""
    values = (scene().astype(np.float64) / scene().max() * largest).round().astype(np.uint16)
    decoded = decode_image(NAME, encoded(suffix, values))
    assert abs(int(decoded.pixels.max()) - 255 * largest / white) <= 1
    assert [remark.message.code for remark in decoded.remarks] == ["image.depth"] * (white < 65535)


@pytest.mark.parametrize("top", [1.0, 255.0, 4.5e6])
def test_decimal_numbers_become_pixels_and_what_is_no_number_is_black(top: float) -> None:
    values = (scene() / np.float32(255) * np.float32(top)).astype(np.float32)
    values[0, 0] = np.nan
    values[0, 1] = -np.inf
    values[5, 5] = top
    pixels = decode_image(NAME, encoded(".tif", values)).pixels
    expected = cv2.cvtColor(scene(), cv2.COLOR_BGR2RGB)
    assert np.abs(pixels[10:].astype(int) - expected[10:]).max() <= 2
    assert pixels[0, 0].max() == pixels[0, 1].max() == 0


def test_every_suffix_is_read_by_the_installed_opencv_and_names_lie(tmp_path: Path) -> None:
    assert not IMAGE_SUFFIXES & UNREAD_IMAGE_SUFFIXES
    assert {".jfif", ".gif", ".avif"} <= IMAGE_SUFFIXES
    assert ".heic" in UNREAD_IMAGE_SUFFIXES
    kinds = {".jfif": ".jpg", ".pjpeg": ".jpg", ".pjp": ".jpg", ".apng": ".png", ".j2k": ".jp2", ".pnm": ".ppm"}
    for suffix in IMAGE_SUFFIXES:
        grey = suffix in (".pgm", ".pbm")
        content = encoded(kinds.get(suffix, suffix), scene()[..., 0] // 128 * 255 if grey else scene())
        decoded = decode_image(Path("a.jpg"), content)
        assert decoded.pixels.shape == (123, 161, 3)
        np.testing.assert_array_equal(decoded.pixels, opencv_pixels(content))
        assert image_size(content) == (161, 123)


BOMBS = {
    "png": b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)),
    "bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 100, 0, 54, 40, 20000, -20000, 1, 24, 0, 0, 0, 0, 0, 0),
    "gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(20),
    "webp": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\0" * 2,
    "tiff": b"II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 256, 4, 1, 30000, 257, 4, 1, 30000, 0),
    "jpeg": b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 60000, 60000, 3) + bytes(9),
    "pnm": b"P6\n# a comment\n30000 30000\n255\n",
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + struct.pack(">I4sIIHBBBB", 22, b"ihdr", 30000, 30000, 3, 7, 7, 0, 0),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_few_bytes_that_claim_a_huge_image_are_refused_by_their_header(kind: str) -> None:
    """A PNG of 122 kB with 20,000 pixels a side was decoded into gigabytes."""
    size = image_size(BOMBS[kind])
    assert size is not None
    assert size.width * size.height > MAX_PIXELS
    assert reason(BOMBS[kind]) == "image.too_large"


def test_a_progressive_jpeg_cannot_claim_endless_passes() -> None:
    header = b"\xff\xd8\xff\xc2" + struct.pack(">HBHHB", 17, 8, 16000, 16000, 3) + bytes(9)
    assert reason(header + b"\xff\xda\0\x02" * 500) == "image.damaged"


def test_a_large_image_that_does_not_fit_into_the_free_memory_is_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("L", (5000, 5000)).save(file, "PNG")
    monkeypatch.setattr(images_module, "read_memory", lambda: Memory(2**33, 2**20))
    with pytest.raises(MemoryError, match=r"needs 215 MiB to be decoded, 1\.0 MiB are free"):
        decode_image(NAME, file.getvalue())


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".jp2"])
def test_an_image_for_which_memory_is_short_is_out_of_memory_and_not_unreadable(tmp_path: Path, suffix: str) -> None:
    """Good images were skipped as "no image that can be decoded", and the network learned something else."""
    content = encoded(suffix, scene(2000, 2000), *((cv2.IMWRITE_WEBP_QUALITY, 80) if suffix == ".webp" else ()))
    (tmp_path / "image").write_bytes(content)
    outcome = decode_short_of_memory(tmp_path / "image")
    assert outcome == "MemoryError"


def decode_short_of_memory(path: Path) -> str:
    """What reading an image raises in a process whose address space is used up."""
    code = """
import resource, sys
from pathlib import Path
import numpy as np, psutil
from engine.dataset.images import decode_image, read_image
read_image(Path(sys.argv[2]))
content = Path(sys.argv[1]).read_bytes()
limit = psutil.Process().memory_info().vms + 6 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    decode_image(Path(sys.argv[1]), content)
except BaseException as error:
    print("MemoryError" if isinstance(error, MemoryError) else repr(error))
"""
    small = path.with_name("small.jpg")
    small.write_bytes(encoded(JPEG, scene()))
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(small)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes with names")
def test_a_pipe_a_device_and_a_folder_named_like_images_are_reported_and_do_not_block(tmp_path: Path) -> None:
    write_yolo(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "zero.jpg"):
        with pytest.raises(UnreadableImage, match="it is a pipe, a socket or a device, not a file"):
            read_image(tmp_path / name)
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(UnreadableImage, match="it is a folder"):
        read_image(tmp_path / "folder.jpg")


def test_the_header_of_a_jpeg_is_found_behind_stray_bytes() -> None:
    whole = encoded(JPEG, scene())
    header = read_jpeg_header(whole[:2] + b"\0\0" + whole[2:])
    assert header is not None
    assert (header.width, header.height, header.channels, header.orientation, header.scans) == (161, 123, 3, 1, 1)
