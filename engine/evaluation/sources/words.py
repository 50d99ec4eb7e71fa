"""What the words of a command name; without OpenCV, whose import is slow."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.dataset.image_files import is_image_file, is_video_file, media_below
from engine.messages import bad_input

STANDARD_INPUT = "-"
_STREAM_SCHEMES = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "tcp://", "rtp://")


@dataclass(frozen=True, slots=True)
class FileSource:
    """An image or a video. `subfolder`: where its results belong below the folder of the results."""

    path: Path
    subfolder: Path = Path()


@dataclass(frozen=True, slots=True)
class CameraSource:
    """A camera of this machine by its number, or a stream by its address."""

    address: int | str

    @property
    def path(self) -> Path:
        """A name for messages and files."""
        return Path(f"camera_{self.address}" if isinstance(self.address, int) else self.address)


@dataclass(frozen=True, slots=True)
class PathListSource:
    """The paths on standard input, one a line."""


Source = FileSource | CameraSource | PathListSource


def find_sources(words: Sequence[str]) -> list[Source]:
    """What each word names: a file, a folder with everything below it, a pattern, a camera, a stream or standard input.

    A folder or a pattern gives its files in the order of their names.

    Raises:
        BadInput: a word names nothing that is read.
    """
    sources: list[Source] = []
    for word in words:
        sources.extend(_sources_of(word))
    if sources.count(PathListSource()) > 1:
        raise bad_input("predict.two_lists", "-: standard input can be read once only.")
    return sources


def count_images(sources: Sequence[Source]) -> int:
    """The number of images; 0 where it is unknown, as with a video."""
    known = all(isinstance(source, FileSource) and not is_video_file(source.path) for source in sources)
    return len(sources) if known else 0


def _sources_of(word: str) -> Iterator[Source]:
    path = Path(word)
    if word == STANDARD_INPUT:
        yield PathListSource()
    elif word.casefold().startswith(_STREAM_SCHEMES):
        yield CameraSource(word)
    elif path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        if not (is_image_file(path) or is_video_file(path)):
            raise bad_input("predict.no_picture", "{path}: this is no image that can be read.", path=path)
        yield FileSource(path)
    elif word.isascii() and word.isdigit():
        yield CameraSource(int(word))
    elif glob.has_magic(word):
        yield from _matching(word)
    else:
        raise bad_input("predict.missing", "{path}: there is no such image or folder.", path=path)


def _in_folder(folder: Path) -> list[FileSource]:
    found = [FileSource(path, path.parent.relative_to(folder)) for path in media_below(folder)]
    if not found:
        raise bad_input("predict.no_pictures", "{path}: there is no image in this folder.", path=folder)
    return found


def _matching(pattern: str) -> list[FileSource]:
    """What a pattern matches that the shell did not expand: every pattern on Windows, and `**` elsewhere."""
    found: dict[Path, FileSource] = {}
    # Path.glob takes no absolute pattern and, before Python 3.13, no `**.jpg`.
    for path in map(Path, sorted(glob.glob(pattern, recursive=True))):  # noqa: PTH207
        inside = media_below(path) if path.is_dir() else [path]
        for file in inside:
            if is_image_file(file) or is_video_file(file):
                subfolder = file.parent.relative_to(path) if path.is_dir() else Path()
                found.setdefault(file, FileSource(file, subfolder))
    if not found:
        raise bad_input(
            "predict.no_match", "{pattern}: no image or video has a name like this pattern.", pattern=pattern
        )
    return list(found.values())
