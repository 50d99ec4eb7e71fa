"""The files that `predict` writes: images and videos with boxes, heatmaps, and a cut-out of each object.

No file that exists is overwritten. Images are drawn and encoded in threads; names are given in the order of the images.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.dataset.images import Pixels, encode_image
from engine.evaluation.draw import draw_detections, image_suffix, reserve_name
from engine.evaluation.heatmap import draw_heatmap
from engine.evaluation.predict import Prediction, WorkTimes
from engine.evaluation.sources.inputs import InputImage
from engine.evaluation.sources.video import Video, VideoWriter
from engine.files import error_reason
from engine.messages import bad_input, printable

HEATMAP = "_heatmap"
"""Behind the name of an image or a video."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
"""What Windows allows in no file name."""
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """The files of one image; of a frame the video that it is in."""

    saved: Path | None = None
    heatmap: Path | None = None
    crops: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Task:
    """An image that a thread draws: for a file of its own, or for the next frame of a video."""

    drawn: Future[Pixels]
    path: Path
    writer: VideoWriter | None


@dataclass(slots=True)
class ResultFiles:
    """Writes what was found in images. A context manager, which ends the videos.

    `save`, `crop`: the folders for drawn images and for cut-outs, which are created; None for none. `heatmaps`: beside the
    drawn images.
    """

    classes: tuple[str, ...]
    save: Path | None = None
    crop: Path | None = None
    heatmaps: bool = False
    times: WorkTimes = field(default_factory=WorkTimes)
    _videos: dict[str, VideoWriter] = field(default_factory=dict)
    _video: Video | None = None
    _ended: list[VideoWriter] = field(default_factory=list)
    """Of videos whose last frames are still being drawn."""
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="drawing")
    )
    _crop_folders: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Create the folders.

        Raises:
            BadInput: one cannot be created.
        """
        if self.save is not None:
            _make_result_folder(self.save, "save")
        if self.crop is not None:
            _make_result_folder(self.crop, "crop")
        self._crop_folders = class_folders(self.classes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._end_videos()
        self._close_ended()

    def write(self, predictions: Sequence[Prediction]) -> list[WrittenFiles]:
        """Write the files of a batch.

        Raises:
            BadInput: a file cannot be written.
        """
        tasks: list[_Task] = []
        try:
            written = [self._start(prediction, tasks) for prediction in predictions]
            for task in tasks:
                pixels = task.drawn.result()
                if task.writer is not None:
                    task.writer.write(pixels)
            self._close_ended()
        except BaseException:
            _discard(tasks)
            raise
        return written

    def _start(self, prediction: Prediction, tasks: list[_Task]) -> WrittenFiles:
        saved = heatmap = None
        if self.save is not None:
            saved = self._start_image(
                prediction,
                "",
                lambda: draw_detections(prediction.pixels, prediction.detections, prediction.classes),
                tasks,
            )
            if self.heatmaps and (heat := prediction.heat) is not None:
                heatmap = self._start_image(
                    prediction,
                    HEATMAP,
                    lambda: draw_heatmap(prediction.pixels, heat.objectness, heat.letterbox),
                    tasks,
                    stem=saved.stem,
                )
        crops = () if self.crop is None else tuple(self._start_crops(self.crop, prediction, tasks))
        return WrittenFiles(saved, heatmap, crops)

    def _start_image(
        self,
        prediction: Prediction,
        ending: str,
        draw: Callable[[], Pixels],
        tasks: list[_Task],
        *,
        stem: str | None = None,
    ) -> Path:
        assert self.save is not None
        source = prediction.source or InputImage(prediction.path)
        folder = self.save / source.subfolder
        if source.subfolder != Path():
            _make_result_folder(folder, "save")
        if source.video is None:
            path = reserve_name(folder, (stem or prediction.path.stem) + ending, image_suffix(prediction.path))
            self._submit(draw, path, tasks)
            return path
        writer = self._video_writer(source.video, folder, ending, prediction.pixels)
        tasks.append(_Task(self._pool.submit(self._timed, draw), writer.path, writer))
        return writer.path

    def _start_crops(self, crop: Path, prediction: Prediction, tasks: list[_Task]) -> list[Path]:
        source, detections = prediction.source or InputImage(prediction.path), prediction.detections
        stem = prediction.path.stem
        if source.video is not None:
            stem = f"{source.video.source_name}_{source.frame:06d}"
        paths: list[Path] = []
        for number, (box, label) in enumerate(zip(detections.boxes, detections.labels.tolist(), strict=True), start=1):
            x1, y1, x2, y2 = (float(corner) for corner in box)
            own = prediction.pixels[math.floor(y1) : math.ceil(y2), math.floor(x1) : math.ceil(x2)]
            if own.size == 0:
                continue
            folder = crop / self._crop_folders[label]
            _make_result_folder(folder, "crop")
            suffix = ".jpg" if source.video is not None else image_suffix(prediction.path)
            path = reserve_name(folder, f"{stem}_{number}", suffix)
            self._submit(own.copy, path, tasks)
            paths.append(path)
        return paths

    def _submit(self, draw: Callable[[], Pixels], path: Path, tasks: list[_Task]) -> None:
        def write() -> Pixels:
            pixels = draw()
            encode_image(path, pixels)
            return pixels

        tasks.append(_Task(self._pool.submit(self._timed, write), path, None))

    def _timed(self, draw: Callable[[], Pixels]) -> Pixels:
        start = time.perf_counter()
        try:
            return draw()
        finally:
            self.times.add(drawing=time.perf_counter() - start)

    def _video_writer(self, video: Video, folder: Path, ending: str, pixels: Pixels) -> VideoWriter:
        """The file for the frames of a video. Frames come in order: those of another video end the last one."""
        if video is not self._video:
            self._end_videos()
            self._video = video
        if ending not in self._videos:
            height, width = pixels.shape[:2]
            # OpenCV's mp4 has no odd sides: it would cut a pixel off.
            is_avi = video.path.suffix.lower() == ".avi" or width % 2 or height % 2
            stem = self._videos[""].path.stem if ending else video.source_name
            path = reserve_name(folder, stem + ending, ".avi" if is_avi else ".mp4")
            self._videos[ending] = VideoWriter(path, video.fps, (width, height))
        return self._videos[ending]

    def _end_videos(self) -> None:
        self._ended.extend(self._videos.values())
        self._videos = {}
        self._video = None

    def _close_ended(self) -> None:
        for writer in self._ended:
            writer.close()
        self._ended.clear()


def class_folders(classes: Sequence[str]) -> tuple[str, ...]:
    """For each class a folder name that every system allows; no two are the same, in whatever letter case."""
    names: list[str] = []
    taken: set[str] = set()
    for label, name in enumerate(classes):
        folder = _FORBIDDEN.sub("_", printable(name).strip()).rstrip(". ")[:100]
        if not folder.strip("._ ") or _DEVICES.fullmatch(folder):
            folder = f"class_{label}"
        while folder.casefold() in taken:
            folder += f"_{label}"
        taken.add(folder.casefold())
        names.append(folder)
    return tuple(names)


def _make_result_folder(folder: Path, option: str) -> None:
    """Create the folder that `option` (save, crop) names.

    Raises:
        BadInput: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise bad_input(
            f"predict.{option}",
            "--{option} {path}: the folder cannot be created ({reason}).",
            option=option,
            path=folder,
            reason=error_reason(error),
        ) from error


def _discard(tasks: Sequence[_Task]) -> None:
    """Remove the empty files of images that no thread will write."""
    for task in tasks:
        if task.writer is None and (task.drawn.cancel() or task.drawn.exception() is not None):
            task.path.unlink(missing_ok=True)
