"""One download at a time in a worker thread, with progress, which can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from textual.message_pump import MessagePump
from textual.widget import Widget
from textual.worker import get_current_worker

from engine.messages import BadInput
from engine.network.registry import KnownFile
from tui.workers.unexpected import unexpected_reported


class Download:
    """Downloads known weights for one screen. A stopped download keeps its bytes, and the next one continues from there."""

    def __init__(self, owner: Widget, on_finished: Callable[[Path | BadInput | None], None]) -> None:
        """`on_finished` runs in the app's thread, with the file, with the error, or with None if it was stopped."""
        self._owner = owner
        self._on_finished = on_finished
        self._stop = threading.Event()
        self.file: KnownFile | None = None
        """The file that is being downloaded, if any."""
        self.progress: tuple[int, int] = (0, 0)
        """Bytes so far, bytes in total."""

    def start(self, file: KnownFile, folder: Path) -> None:
        """Download `file` into `folder`; returns at once."""
        if self.file is not None:
            return
        self.file, self.progress = file, (0, file.bytes)
        self._stop.clear()
        self._owner.run_worker(lambda: self._fetch(file, folder), thread=True, group="download")

    def stop(self) -> None:
        """Stop; `on_finished` is called within a fraction of a second."""
        self._stop.set()

    def _fetch(self, file: KnownFile, folder: Path) -> None:
        from engine.weights.download.fetch import fetch
        from engine.weights.download.http import Cancelled

        worker = get_current_worker()
        results: list[Path | BadInput | None] = []
        with unexpected_reported(results.append):
            try:
                results.append(
                    fetch(
                        file,
                        folder,
                        progress=self._set_progress,
                        is_cancelled=lambda: self._stop.is_set() or worker.is_cancelled,
                    )
                )
            except BadInput as error:
                results.append(error)
            except Cancelled:
                results.append(None)
        pump: MessagePump = self._owner
        pump.call_later(self._finish, results[0])  # posts a message: safe from any thread

    def _set_progress(self, done: int, total: int) -> None:
        self.progress = done, total

    def _finish(self, result: Path | BadInput | None) -> None:
        self.file = None
        if self._owner.is_attached:
            self._on_finished(result)
