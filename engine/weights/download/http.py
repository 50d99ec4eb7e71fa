"""A download over HTTP that resumes an incomplete one, can be cancelled at any moment, and has timeouts.

urllib's own timeout is not enough: name lookup ignores it, and a server that sends a byte now and then never reaches it.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import queue
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from engine.messages import Message, phrase

Progress = Callable[[int, int], None]
"""Called with the bytes that are downloaded and the size of the file."""

POLL_SECONDS = 0.1
"""How often cancellation and timeouts are checked."""
_CHUNK_BYTES = 1 << 16
_MAX_RETRIES = 5


class SourceFailed(Exception):
    """A source did not provide the file; `reason` says why, without a full stop. The part that was downloaded is kept."""

    def __init__(self, template: str, **values: object) -> None:
        self.reason = phrase(template, **values)
        super().__init__(str(self.reason))


class Cancelled(Exception):
    """The user cancelled a download. The part that was downloaded is kept, and the next attempt resumes it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When to give up: `read` seconds without data, or less than `min_speed` bytes a second over `window` seconds."""

    read: float = 20.0
    window: float = 30.0
    min_speed: float = 10_000.0


class _ConnectionLost(Exception):
    """The connection ended before the file was complete."""


def download(
    url: str, part: Path, size: int, *, progress: Progress, is_cancelled: Callable[[], bool], timeouts: Timeouts
) -> None:
    """Download `url` into `part` up to `size` bytes; only the bytes that `part` lacks are requested.

    Raises:
        SourceFailed: the server cannot be reached, refuses, offers another file, sends no data or is too slow.
        Cancelled: `is_cancelled` returned True.
        OSError: `part` cannot be written.
    """
    for retries in range(_MAX_RETRIES + 1):
        offset = part.stat().st_size if part.exists() else 0
        if offset > size:
            part.unlink()
            offset = 0
        if offset == size:
            return
        try:
            _resume(url, part, offset, size, progress, is_cancelled, timeouts)
        except _ConnectionLost as lost:
            if retries == _MAX_RETRIES or part.stat().st_size <= offset:
                raise SourceFailed(
                    "{source} closed the connection after {done} of {size} bytes",
                    source=_host(url),
                    done=f"{part.stat().st_size:,}",
                    size=f"{size:,}",
                ) from lost


def _resume(
    url: str,
    part: Path,
    offset: int,
    size: int,
    progress: Progress,
    is_cancelled: Callable[[], bool],
    timeouts: Timeouts,
) -> None:
    stream = _Stream(url, offset, timeouts.read)
    try:
        start = stream.start(is_cancelled, size)
        with part.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            _write_chunks(stream, file, start, size, progress, is_cancelled, timeouts)
    finally:
        stream.close()


def _write_chunks(
    stream: _Stream,
    file: BinaryIO,
    done: int,
    size: int,
    progress: Progress,
    is_cancelled: Callable[[], bool],
    timeouts: Timeouts,
) -> None:
    """Write chunks until the file has `size` bytes."""
    progress(done, size)
    window_start, window_done = time.monotonic(), done
    while done < size:
        chunk = stream.next(is_cancelled)
        if not chunk:
            raise _ConnectionLost
        chunk = chunk[: size - done]
        file.write(chunk)
        done += len(chunk)
        progress(done, size)
        elapsed = time.monotonic() - window_start
        if elapsed >= timeouts.window:
            if (done - window_done) / elapsed < timeouts.min_speed and done < size:
                speed = f"{(done - window_done) / elapsed:,.0f}"
                raise SourceFailed("{source} is too slow ({speed} bytes a second)", source=stream.host, speed=speed)
            window_start, window_done = time.monotonic(), done


class _Stream:
    """The response to one request, read by a daemon thread.

    Name lookup, connecting and reading may each block for longer than a user waits, so the consumer polls a queue and checks
    cancellation and timeouts meanwhile.
    """

    def __init__(self, url: str, offset: int, read_timeout: float) -> None:
        self.host = _host(url)
        self._url = url
        self._offset = offset
        self._read_timeout = read_timeout
        self._queue: queue.Queue[http.client.HTTPResponse | bytes | Exception] = queue.Queue(maxsize=32)
        self._closed = threading.Event()
        self._has_response = False
        threading.Thread(target=self._read, name="download", daemon=True).start()

    def start(self, is_cancelled: Callable[[], bool], size: int) -> int:
        """The offset at which the response starts: 0, or the one that was requested."""
        response = self._wait(is_cancelled)
        if not isinstance(response, http.client.HTTPResponse):
            raise SourceFailed("{source} sent no response", source=self.host)
        start = self._offset if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        if start:
            content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if content_range is None or int(content_range[1]) != start or content_range[2] not in (str(size), "*"):
                raise SourceFailed("{source} offers another file than the published one", source=self.host)
        elif (length := response.headers.get("Content-Length")) is not None and length != str(size):
            raise SourceFailed(
                "{source} offers {offered} bytes instead of {size}", source=self.host, offered=length, size=f"{size:,}"
            )
        return start

    def next(self, is_cancelled: Callable[[], bool]) -> bytes:
        """The next bytes; empty at the end."""
        item = self._wait(is_cancelled)
        return item if isinstance(item, bytes) else b""

    def close(self) -> None:
        """Let the thread end at its next chunk or timeout."""
        self._closed.set()

    def _wait(self, is_cancelled: Callable[[], bool]) -> http.client.HTTPResponse | bytes:
        deadline = time.monotonic() + self._read_timeout
        while True:
            if is_cancelled():
                raise Cancelled
            try:
                item = self._queue.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise SourceFailed(
                        "{source} sent no data for {seconds} seconds",
                        source=self.host,
                        seconds=f"{self._read_timeout:g}",
                    ) from None
                continue
            if isinstance(item, http.client.IncompleteRead | ConnectionError) and self._has_response:
                raise _ConnectionLost from item
            if isinstance(item, Exception):
                raise _failure(self.host, item) from item
            self._has_response = True
            return item

    def _read(self) -> None:
        headers = {"User-Agent": "freezetui", "Accept-Encoding": "identity"}
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - only known addresses
        try:
            with urllib.request.urlopen(request, timeout=self._read_timeout) as response:  # noqa: S310
                self._put(response)
                while not self._closed.is_set():
                    chunk = response.read1(_CHUNK_BYTES)
                    self._put(chunk)
                    if not chunk:
                        return
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._put(error)

    def _put(self, item: http.client.HTTPResponse | bytes | Exception) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=POLL_SECONDS)
                return


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _failure(host: str, error: Exception) -> SourceFailed:
    """Why a request failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return SourceFailed("{source} answers {code} {reason}", source=host, code=error.code, reason=error.reason)
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, TimeoutError) or isinstance(cause, TimeoutError):
        return SourceFailed("{source} sent no data for too long", source=host)
    return SourceFailed("{source} cannot be reached: {reason}", source=host, reason=_connection_reason(cause))


def _connection_reason(cause: BaseException | str) -> Message | str:
    """Why there is no connection, as a phrase that can be translated; the system's own text where it is a rare reason."""
    if isinstance(cause, socket.gaierror):
        return phrase("its address was not found")
    if isinstance(cause, ConnectionRefusedError):
        return phrase("it refuses the connection")
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return phrase("there is no network")
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return text or type(cause).__name__
