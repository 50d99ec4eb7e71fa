"""A download over HTTP that goes on where the last one broke off and knows when to give up."""

from __future__ import annotations

import contextlib
import http.client
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from engine.messages import phrase

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes that there will be."""

_CHUNK = 1 << 16
_TICK = 0.1  # seconds between two looks at the clock and at whether the user wants to stop
_MOST_BREAKS = 5


class SourceFailed(Exception):
    """A source did not give the file; `reason` says why, without a full stop. What came is kept for another attempt."""

    def __init__(self, template: str, **values: object) -> None:
        self.reason = phrase(template, **values)
        super().__init__(str(self.reason))


class Cancelled(Exception):
    """The user stopped a download. What came is kept and the next attempt goes on from there."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """When to give up: seconds without a byte, or fewer than `least` bytes a second over `window` seconds."""

    silence: float = 20.0
    window: float = 30.0
    least: float = 10_000.0


class _BrokenOff(Exception):
    """The connection ended early."""


def download(
    url: str, part: Path, size: int, *, progress: Progress, cancelled: Callable[[], bool], patience: Timeouts
) -> None:
    """Fill `part` up to `size` bytes from `url`; what it holds already is asked for no more.

    Raises:
        SourceFailed: the server cannot be reached, refuses, offers something else, is silent or crawls.
        Cancelled: `cancelled` said so.
        OSError: `part` cannot be written.
    """
    for breaks in range(_MOST_BREAKS + 1):
        have = part.stat().st_size if part.exists() else 0
        if have > size:
            part.unlink()
            have = 0
        if have == size:
            return
        try:
            _go_on(url, part, have, size, progress, cancelled, patience)
        except _BrokenOff as broken:
            if breaks == _MOST_BREAKS or part.stat().st_size <= have:
                raise SourceFailed(
                    "{source} broke off at {done} of {size} bytes",
                    source=_host(url),
                    done=f"{part.stat().st_size:,}",
                    size=f"{size:,}",
                ) from broken


def _go_on(
    url: str,
    part: Path,
    have: int,
    size: int,
    progress: Progress,
    cancelled: Callable[[], bool],
    patience: Timeouts,
) -> None:
    stream = _Stream(url, have, patience.silence)
    try:
        start = stream.start(cancelled, size)
        with part.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            _pour(stream, file, start, size, progress, cancelled, patience)
    finally:
        stream.abandon()


def _pour(
    stream: _Stream,
    file: BinaryIO,
    done: int,
    size: int,
    progress: Progress,
    cancelled: Callable[[], bool],
    patience: Timeouts,
) -> None:
    """Write what comes until `size` bytes are there."""
    progress(done, size)
    window_began, window_done = time.monotonic(), done
    while done < size:
        chunk = stream.next(cancelled)
        if not chunk:
            raise _BrokenOff
        chunk = chunk[: size - done]
        file.write(chunk)
        done += len(chunk)
        progress(done, size)
        elapsed = time.monotonic() - window_began
        if elapsed >= patience.window:
            if (done - window_done) / elapsed < patience.least and done < size:
                speed = f"{(done - window_done) / elapsed:,.0f}"
                raise SourceFailed("{source} crawls at {speed} bytes a second", source=stream.host, speed=speed)
            window_began, window_done = time.monotonic(), done


class _Stream:
    """The answer to one request, read by a thread of its own.

    Looking up a name, connecting and reading may each block for longer than a user waits; so a daemon thread does them,
    and who consumes the stream looks at the clock meanwhile.
    """

    def __init__(self, url: str, have: int, silence: float) -> None:
        self.host = _host(url)
        self._url = url
        self._have = have
        self._silence = silence
        self._arrived: queue.Queue[http.client.HTTPResponse | bytes | Exception] = queue.Queue(maxsize=32)
        self._abandoned = threading.Event()
        self._answered = False
        threading.Thread(target=self._read, name="download", daemon=True).start()

    def start(self, cancelled: Callable[[], bool], size: int) -> int:
        """Where the answer begins: 0, or the byte that was asked for."""
        answer = self._wait(cancelled)
        if not isinstance(answer, http.client.HTTPResponse):
            raise SourceFailed("{source} gave no answer", source=self.host)
        begins = self._have if answer.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        if begins:
            held = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if held is None or int(held[1]) != begins or held[2] not in (str(size), "*"):
                raise SourceFailed("{source} offers another file than the known one", source=self.host)
        elif (length := answer.headers.get("Content-Length")) is not None and length != str(size):
            raise SourceFailed(
                "{source} offers {offered} bytes instead of {size}", source=self.host, offered=length, size=f"{size:,}"
            )
        return begins

    def next(self, cancelled: Callable[[], bool]) -> bytes:
        """The bytes that came next; none at the end."""
        arrived = self._wait(cancelled)
        return arrived if isinstance(arrived, bytes) else b""

    def abandon(self) -> None:
        """Let the thread end at its next byte or time-out."""
        self._abandoned.set()

    def _wait(self, cancelled: Callable[[], bool]) -> http.client.HTTPResponse | bytes:
        deadline = time.monotonic() + self._silence
        while True:
            if cancelled():
                raise Cancelled
            try:
                arrived = self._arrived.get(timeout=_TICK)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise SourceFailed(
                        "{source} was silent for {seconds} seconds", source=self.host, seconds=f"{self._silence:g}"
                    ) from None
                continue
            if isinstance(arrived, http.client.IncompleteRead | ConnectionError) and self._answered:
                raise _BrokenOff from arrived
            if isinstance(arrived, Exception):
                raise _failure(self.host, arrived) from arrived
            self._answered = True
            return arrived

    def _read(self) -> None:
        headers = {"User-Agent": "freezetui", "Accept-Encoding": "identity"}
        if self._have:
            headers["Range"] = f"bytes={self._have}-"
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - only known addresses
        try:
            with urllib.request.urlopen(request, timeout=self._silence) as answer:  # noqa: S310
                self._hand_over(answer)
                while not self._abandoned.is_set():
                    chunk = answer.read1(_CHUNK)
                    self._hand_over(chunk)
                    if not chunk:
                        return
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._hand_over(error)

    def _hand_over(self, item: http.client.HTTPResponse | bytes | Exception) -> None:
        while not self._abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._arrived.put(item, timeout=_TICK)
                return


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _failure(host: str, error: Exception) -> SourceFailed:
    """Why a request failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return SourceFailed("{source} answers {code} {reason}", source=host, code=error.code, reason=error.reason)
    if isinstance(error, TimeoutError):
        return SourceFailed("{source} was silent for too long", source=host)
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return SourceFailed("{source} was silent for too long", source=host)
    words = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return SourceFailed("{source} cannot be reached: {reason}", source=host, reason=words or type(inner).__name__)
