"""Images of all sources, decoded ahead in threads and handed out in batches.

One thread walks through the sources, which may wait for a camera or for a line on standard input, and reads files; a pool decodes.
A batch is full, or holds what came within a short wait: with a slow source each image is a batch of its own.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2

from engine.dataset.image_header import image_size
from engine.dataset.images import MAX_PIXELS, Pixels, UnreadableImage, decode_image, read_image_file
from engine.evaluation.sources.inputs import InputImage
from engine.hardware.machine import read_memory

MAX_WAIT = 0.05
"""Seconds that an image waits for others of its batch."""
_POLL = 0.2
"""Seconds. On Windows Ctrl+C does not end a wait without a limit."""
_MAX_WORKERS = 8
_MAX_BYTES = 2**30

T = TypeVar("T")
_Prepare = Callable[[InputImage, Pixels], T]


@dataclass(frozen=True, slots=True)
class Prepared(Generic[T]):
    """What was made of an image, or why it cannot be read."""

    result: T | UnreadableImage
    held_bytes: int


class _Stopped(Exception):
    """The reader of the batches wants no more."""


class _Room:
    """How many images, and how many bytes of pixels, may be there at a time. One image is always let in."""

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self._max_images, self._max_bytes = max_images, max_bytes
        self._images = self._bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def enter(self, size: int, *, wait: bool = True) -> bool:
        """Take the room of an image of `size` bytes; False where there is none and `wait` is False.

        Raises:
            _Stopped: the room was closed.
        """
        with self._changed:
            while not self._is_closed and not self._has_room(size):
                if not wait:
                    return False
                self._changed.wait()
            if self._is_closed:
                raise _Stopped
            self._images += 1
            self._bytes += size
            return True

    def leave(self, size: int) -> None:
        """Give the room of an image back."""
        with self._changed:
            self._images -= 1
            self._bytes -= size
            self._changed.notify()

    def close(self) -> None:
        """Let nobody in any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return self._images == 0 or (self._images < self._max_images and self._bytes + size <= self._max_bytes)


class _Walk(Generic[T]):
    """The thread that walks through the sources and gives each image to the pool."""

    def __init__(
        self,
        inputs: Iterable[InputImage | UnreadableImage],
        prepare: _Prepare[T],
        room: _Room,
        pool: ThreadPoolExecutor,
        on_decoded: Callable[[float], None],
    ) -> None:
        self._inputs, self._prepare, self._room, self._pool = inputs, prepare, room, pool
        self._on_decoded = on_decoded
        self.queue: queue.SimpleQueue[Future[Prepared[T]] | BaseException | None] = queue.SimpleQueue()
        """None at the end; an exception where a source failed."""
        self._thread = threading.Thread(target=self._run, name="sources", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the thread, but not for a source that is silent."""
        self._thread.join(_POLL)

    def _run(self) -> None:
        inputs = iter(self._inputs)
        try:
            start = time.perf_counter()
            for item in inputs:
                if isinstance(item, InputImage) and item.pixels is not None and not _is_live(item):
                    self._on_decoded(time.perf_counter() - start)  # a frame was decoded
                self._add(item)
                start = time.perf_counter()
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  # raised again by the reader of the batches
            self.queue.put(error)
        finally:
            if isinstance(inputs, Generator):
                inputs.close()  # an open video
            self.queue.put(None)

    def _add(self, item: InputImage | UnreadableImage) -> None:
        if isinstance(item, UnreadableImage):
            self._add_error(item)
        elif item.pixels is not None:
            if self._room.enter(item.pixels.nbytes, wait=not _is_live(item)):
                self._submit(item, item.pixels.nbytes, b"")
        else:
            try:
                content = read_image_file(item.path)
            except UnreadableImage as error:
                self._add_error(error)
                return
            size = image_size(content)
            pixels = 0 if size is None else min(size.width * size.height, MAX_PIXELS)
            self._room.enter(3 * pixels)
            self._submit(item, 3 * pixels, content)

    def _submit(self, item: InputImage, held_bytes: int, content: bytes) -> None:
        def prepare() -> Prepared[T]:
            start = time.perf_counter()
            try:
                pixels = decode_image(item.path, content).pixels if item.pixels is None else item.pixels
                return Prepared(self._prepare(item, pixels), held_bytes)
            except UnreadableImage as error:
                return Prepared(error, held_bytes)
            finally:
                self._on_decoded(time.perf_counter() - start)

        with suppress(RuntimeError):  # the pool was shut down meanwhile
            self.queue.put(self._pool.submit(prepare))

    def _add_error(self, error: UnreadableImage) -> None:
        self._room.enter(0)
        done: Future[Prepared[T]] = Future()
        done.set_result(Prepared(error, 0))
        self.queue.put(done)


def _is_live(item: InputImage) -> bool:
    return item.video is not None and item.video.is_live


def read_ahead(
    inputs: Iterable[InputImage | UnreadableImage],
    prepare: _Prepare[T],
    batch_size: int,
    on_decoded: Callable[[float], None] = lambda _: None,
) -> Generator[list[T | UnreadableImage], None, None]:
    """`prepare` of each image, in order and in batches, while the next ones are decoded.

    Args:
        inputs: walked through in a thread of its own.
        prepare: takes an image and its pixels; called in threads.
        batch_size: the largest number of images in a batch. Its memory counts as free when the next one is asked for.
        on_decoded: told the seconds that decoding and `prepare` took for an image; called in threads.

    Raises:
        MemoryError: there is no memory for an image.
    """
    cv2.setNumThreads(1)  # threads of OpenCV inside each of ours would only compete for the same cores
    room = _Room(2 * batch_size, min(_MAX_BYTES, read_memory().available // 8))
    pool = ThreadPoolExecutor(min(_MAX_WORKERS, os.cpu_count() or 1), thread_name_prefix="decoding")
    walk = _Walk(inputs, prepare, room, pool, on_decoded)
    try:
        is_last = False
        while not is_last:
            futures, is_last = _next_batch(walk.queue, batch_size)
            batch = [_result(future) for future in futures]
            if batch:
                yield [prepared.result for prepared in batch]
            for prepared in batch:
                room.leave(prepared.held_bytes)
            del batch
    finally:
        room.close()
        pool.shutdown(wait=True, cancel_futures=True)
        walk.join()


def _next_batch(
    items: queue.SimpleQueue[Future[Prepared[T]] | BaseException | None], batch_size: int
) -> tuple[list[Future[Prepared[T]]], bool]:
    """The images that are there, and whether they are the last ones."""
    futures: list[Future[Prepared[T]]] = []
    until = float("inf")
    while len(futures) < batch_size:
        try:
            item = items.get(timeout=max(0.0, min(_POLL, until - time.monotonic())))
        except queue.Empty:
            if time.monotonic() >= until:
                break
            continue
        if item is None:
            return futures, True
        if isinstance(item, BaseException):
            raise item
        futures.append(item)
        until = min(until, time.monotonic() + MAX_WAIT)
    return futures, False


def _result(future: Future[T]) -> T:
    while True:
        try:
            return future.result(timeout=_POLL)
        except TimeoutError:
            if future.done():
                raise
