"""Frames of video files, cameras and network streams."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg prints on standard error, which a screen may be using

import cv2

from engine.dataset.images import Pixels, UnreadableImage
from engine.messages import Message, bad_input

_DEFAULT_FPS = 25.0
_MAX_FPS = 1000.0
_MISSING_SHARE = 0.02
"""Containers estimate the number of frames; a smaller difference means nothing."""
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Video:
    """A video or a camera that images come from."""

    path: Path
    fps: float
    """Images per second; 25 where the source does not say."""
    is_live: bool
    """A camera does not wait: what cannot be processed in time is left out."""
    source_name: str
    """A file name without suffix for its results."""


class VideoReader:
    """An open video. As a context manager it closes itself."""

    def __init__(self, path: Path, address: int | str | None = None) -> None:
        """Open the file `path`, or the camera or stream with this address, which `path` then only names."""
        self._address = address
        self._path = path
        self._capture = (
            cv2.VideoCapture(str(path), cv2.CAP_FFMPEG) if address is None else _open_camera(address)
        )  # FFmpeg alone: other readers take a % in a name for the number of an image
        fps = self._capture.get(cv2.CAP_PROP_FPS) if self._capture.isOpened() else 0.0
        self.video = Video(
            path=path,
            fps=fps if math.isfinite(fps) and 0 < fps <= _MAX_FPS else _DEFAULT_FPS,
            is_live=address is not None,
            source_name=path.stem if address is None else _name_of(address),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def frames(self) -> Iterator[Pixels | UnreadableImage]:
        """(height, width, 3) RGB of each frame, upright; at the end an error if the video cannot be read, or not to its end."""
        if not self._capture.isOpened():
            yield self._unreadable()
            return
        expected = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        count = 0
        while True:
            is_read, frame = self._capture.read()
            if not is_read or frame is None:
                break
            count += 1
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)  # type: ignore[misc]  # OpenCV says any array
        if count == 0:
            yield self._unreadable()
        elif self._address is None and math.isfinite(expected) and expected - count > max(5, _MISSING_SHARE * expected):
            yield UnreadableImage(
                self._path,
                Message(
                    "video.cut_off",
                    "{path}: only {count} of {expected} frames of the video can be read.",
                    {"path": self._path, "count": count, "expected": round(expected)},
                ),
            )

    def _unreadable(self) -> UnreadableImage:
        if self._address is not None:
            shown = self._address if isinstance(self._address, int) else _PASSWORD.sub("", self._address)
            no_image = Message(
                "video.no_camera",
                "Camera {address}: no image comes from it; is it connected, and used by no other program?",
                {"address": shown},
            )
            return UnreadableImage(self._path, no_image)
        if not self._path.is_file():
            return UnreadableImage(
                self._path, Message("video.missing", "{path}: there is no such video.", {"path": self._path})
            )
        return UnreadableImage(
            self._path, Message("video.unreadable", "{path}: this video cannot be read.", {"path": self._path})
        )


def _open_camera(address: int | str) -> cv2.VideoCapture:
    return cv2.VideoCapture(address) if isinstance(address, int) else cv2.VideoCapture(address, cv2.CAP_FFMPEG)


def _name_of(address: int | str) -> str:
    """The name of a camera's files; a password in its address does not become part of it."""
    if isinstance(address, int):
        return f"camera_{address}"
    return re.sub(r"\W+", "_", _PASSWORD.sub("", address).partition("://")[2]).strip("_")[:80] or "stream"


class VideoWriter:
    """A new video file. It replaces the empty file at `path`; without a frame it removes it."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        """For frames of `size` (width, height).

        Raises:
            BadInput: such a video cannot be written.
        """
        self.path = path
        self._size = size
        self._frames = 0
        code = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix.lower() == ".avi" else "mp4v"))
        self._writer = cv2.VideoWriter(str(path), code, fps, size)
        if not self._writer.isOpened():
            self.close()
            raise bad_input(
                "video.not_written",
                "{path}: a video of {width}x{height} pixels cannot be written there.",
                path=path,
                width=size[0],
                height=size[1],
            )

    def write(self, pixels: Pixels) -> None:
        """Append a frame (height, width, 3) RGB; one of another size is scaled to that of the first."""
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            pixels = cv2.resize(pixels, self._size)  # type: ignore[assignment]  # OpenCV says any array
        self._writer.write(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        self._frames += 1

    def close(self) -> None:
        """End the file."""
        self._writer.release()
        if self._frames == 0:
            self.path.unlink(missing_ok=True)
