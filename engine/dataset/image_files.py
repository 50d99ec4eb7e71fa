"""Which files are pictures, by their names; without OpenCV, which takes its time to import."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.messages import bad_input

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".jp2", ".pgm", ".ppm", ".pbm", ".pnm"}
)
"""What OpenCV reads."""


def is_image_file(path: Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def images_below(folder: Path) -> Iterator[Path]:
    """Every picture in `folder` and below, sorted; linked folders are followed, each once."""
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(here) / name for name in sorted(files) if is_image_file(Path(name)))


def find_images(sources: Sequence[Path]) -> list[Path]:
    """The pictures that are meant: files as they are named, folders with all below them.

    Raises:
        BadInput: a source is not there, is no picture, or a folder holds none.
    """
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            inside = list(images_below(source))
            if not inside:
                raise bad_input("predict.no_pictures", "{path}: there is no picture in this folder.", path=source)
            found.extend(inside)
        elif not source.exists():
            raise bad_input("predict.missing", "{path}: there is no such picture or folder.", path=source)
        elif not is_image_file(source):
            raise bad_input("predict.no_picture", "{path}: this is no picture that can be read.", path=source)
        else:
            found.append(source)
    return found
