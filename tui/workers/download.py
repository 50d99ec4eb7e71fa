"""One download at a time, in a thread, that can be watched and stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from textual.message_pump import MessagePump
from textual.widget import Widget
from textual.worker import get_current_worker

from engine.messages import BadInput
from engine.weights.download.registry import KnownFile


class Download:
    """Fetches known weights for one screen. What came before a stop is kept, and the next attempt goes on from there."""

    def __init__(self, owner: Widget, ended: Callable[[Path | BadInput | None], None]) -> None:
        """`ended` runs in the screen's thread: with the file, with why it could not be had, or with None for a stop."""
        self._owner = owner
        self._ended = ended
        self._stop = threading.Event()
        self.file: KnownFile | None = None
        """What is being fetched; None: nothing."""
        self.progress: tuple[int, int] = (0, 0)
        """Bytes that are there, and that there will be."""

    def begin(self, file: KnownFile, folder: Path) -> None:
        """Fetch `file` into `folder`; returns at once."""
        if self.file is not None:
            return
        self.file, self.progress = file, (0, file.bytes)
        self._stop.clear()
        self._owner.run_worker(lambda: self._fetch(file, folder), thread=True, group="fetching")

    def stop(self) -> None:
        """Stop; `ended` hears of it within a fraction of a second."""
        self._stop.set()

    def _fetch(self, file: KnownFile, folder: Path) -> None:
        from engine.weights.download.fetch import Cancelled, fetch

        worker = get_current_worker()
        result: Path | BadInput | None
        try:
            result = fetch(
                file, folder, progress=self._heard, cancelled=lambda: self._stop.is_set() or worker.is_cancelled
            )
        except BadInput as error:
            result = error
        except Cancelled:
            result = None
        pump: MessagePump = self._owner
        pump.call_later(self._over, result)  # posts a message, which is safe from any thread

    def _heard(self, done: int, size: int) -> None:
        self.progress = done, size

    def _over(self, result: Path | BadInput | None) -> None:
        self.file = None
        if self._owner.is_attached:
            self._ended(result)
