"""Which files are images and videos, by their names; without OpenCV, whose import is slow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.messages import bad_input

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".png", ".apng", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".jp2", ".j2k",
        ".avif", ".gif", ".pgm", ".ppm", ".pbm", ".pnm",
    }
)  # fmt: skip
"""What OpenCV reads; of an animation the first image."""

UNREAD_IMAGE_SUFFIXES = frozenset(
    {
        ".heic", ".heif", ".jxl", ".psd", ".svg", ".tga", ".dds", ".exr", ".hdr", ".pfm", ".pcx", ".xcf",
        ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dcm",
    }
)  # fmt: skip
"""Images that are not read; they are counted and named."""


VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".flv", ".mpg", ".mpeg", ".m2ts", ".3gp", ".ogv"}
)
"""What OpenCV's FFmpeg reads; `.ts` is not one of them, since in most folders it is TypeScript."""


def is_image_file(path: Path) -> bool:
    """Whether a file's name says that it is an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_video_file(path: Path) -> bool:
    """Whether a file's name says that it is a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def images_below(folder: Path) -> Iterator[Path]:
    """Every image in `folder` and its subfolders, sorted; linked folders are followed, each once."""
    return _files_below(folder, is_image_file)


def media_below(folder: Path) -> Iterator[Path]:
    """As `images_below`, videos too."""
    return _files_below(folder, lambda path: is_image_file(path) or is_video_file(path))


def _files_below(folder: Path, is_wanted: Callable[[Path], bool]) -> Iterator[Path]:
    seen: set[str] = set()
    for current, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(current)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(current) / name for name in sorted(files) if is_wanted(Path(name)))


def find_images(sources: Sequence[Path]) -> list[Path]:
    """The images that `sources` name: files as they are, folders with everything below them.

    Raises:
        BadInput: a source does not exist or is no image, or a folder contains none.
    """
    images: list[Path] = []
    for source in sources:
        if source.is_dir():
            in_folder = list(images_below(source))
            if not in_folder:
                raise bad_input("predict.no_pictures", "{path}: there is no image in this folder.", path=source)
            images.extend(in_folder)
        elif not source.exists():
            raise bad_input("predict.missing", "{path}: there is no such image or folder.", path=source)
        elif not is_image_file(source):
            raise bad_input("predict.no_picture", "{path}: this is no image that can be read.", path=source)
        else:
            images.append(source)
    return images
