"""The single images of all sources, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.dataset.image_files import is_video_file
from engine.dataset.images import Pixels, UnreadableImage
from engine.evaluation.sources.path_list import paths_in
from engine.evaluation.sources.video import Video, VideoReader
from engine.evaluation.sources.words import CameraSource, FileSource, Source


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image to detect objects in: a file, or a frame of a video, which is decoded already."""

    path: Path
    subfolder: Path = Path()
    """Where its results belong below the folder of the results."""
    video: Video | None = None
    frame: int = 0
    """Its number in the video, from 0."""
    pixels: Pixels | None = None
    """(height, width, 3) RGB of a frame."""


def images_of(sources: Iterable[Source]) -> Iterator[InputImage | UnreadableImage]:
    """Every image of the sources, in order; an error for a video that cannot be read."""
    for source in sources:
        if isinstance(source, FileSource):
            yield from _images_of_file(source)
        elif isinstance(source, CameraSource):
            yield from _frames(source.address, source.path, Path())
        else:
            for path in paths_in():
                yield from _images_of_file(FileSource(path))


def _images_of_file(source: FileSource) -> Iterator[InputImage | UnreadableImage]:
    if is_video_file(source.path):
        yield from _frames(None, source.path, source.subfolder)
    else:
        yield InputImage(source.path, source.subfolder)


def _frames(address: int | str | None, path: Path, subfolder: Path) -> Iterator[InputImage | UnreadableImage]:
    with VideoReader(path, address) as reader:
        for frame, pixels in enumerate(reader.frames()):
            if isinstance(pixels, UnreadableImage):
                yield pixels
            else:
                yield InputImage(path, subfolder, reader.video, frame, pixels)
