"""The download of known weights on a screen: a bar while it runs, a message at its end."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from engine.messages import BadInput
from engine.network.registry import KnownFile
from tui.text import _
from tui.text.sizes import format_size
from tui.widgets.meter import Meter
from tui.workers.download import Download


class DownloadBar(Vertical):
    """Invisible until a download starts."""

    DEFAULT_CSS = """
    DownloadBar { height: auto; display: none; }
    """

    class Finished(Message):
        """The download ended."""

        def __init__(self, result: Path | BadInput | None) -> None:
            """`result` is the file, the error, or None if the download was stopped."""
            super().__init__()
            self.result = result

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._download = Download(self, self._finish)
        self._meter = Meter(_("downloading"))

    def compose(self) -> ComposeResult:
        """The bar."""
        yield self._meter

    def on_mount(self) -> None:
        """Follow the download."""
        self.set_interval(0.1, self._show_progress)

    def on_unmount(self) -> None:
        """Stop the download."""
        self._download.stop()

    @property
    def file(self) -> KnownFile | None:
        """The file that is being downloaded, if any."""
        return self._download.file

    def start(self, file: KnownFile, folder: Path) -> None:
        """Download `file` into `folder`; returns at once."""
        self._download.start(file, folder)
        self._show_progress()

    def stop(self) -> None:
        """Stop the download; the next one continues from there."""
        self._download.stop()

    def hint(self) -> str:
        """What is being downloaded and which key stops it; empty if nothing is."""
        file = self._download.file
        if file is None:
            return ""
        return _("Downloading {name}. Esc stops it; the next download continues from there.", name=file.name)

    def _show_progress(self) -> None:
        self.display = self._download.file is not None
        if self.display:
            done, total = self._download.progress
            self._meter.show(done / total if total else None, f"{format_size(done)} / {format_size(total)}")

    def _finish(self, result: Path | BadInput | None) -> None:
        self._show_progress()
        self.post_message(self.Finished(result))
