"""The wizard of one tab: a process of its own, which draws into a websocket."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence

from aiohttp.web import WebSocketResponse
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

_FOREIGN = ("TMUX", "STY", "TERM_PROGRAM", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WEZTERM_PANE", "WT_SESSION", "LINES")
"""What describes the terminal in which the server was started, not the browser."""

_NEW_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""On Windows, what a session of its own is elsewhere."""


class WizardProcess(AppService):
    """Lives until its tab is closed or the user quits. A closed tab is to it what a closed terminal is."""

    def __init__(self, words: Sequence[str], socket: WebSocketResponse) -> None:
        """Prepare to run the wizard with `words` after `freezetui`; `start` starts it."""
        super().__init__(
            "freezetui",
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=self._close_socket,
            download_manager=DownloadManager(),
        )
        self._words = words
        self._socket = socket

    async def _close_socket(self) -> None:
        await self._socket.close()

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        environment = super()._build_environment(width, height)
        return wizard_environment(environment)

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # Not through a shell; and apart from the terminal of the server, whose Ctrl+C would reach the wizard too: it is the server
        # that ends its wizards, as a closed tab does.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "tui",
            *self._words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._build_environment(width, height),
            start_new_session=sys.platform != "win32",
            creationflags=_NEW_GROUP,
        )
        self._process, self._stdin = process, process.stdin
        return process

    async def run(self) -> None:
        """Pass on what the wizard draws, until it ends; then close the websocket."""
        await super().run()
        sys.stdout.flush()  # textual-serve has printed what the wizard said at its end
        assert self._process is not None
        await self._process.wait()
        await self._close_socket()

    async def on_data(self, payload: bytes) -> None:
        """Send what the wizard draws to the tab. After that was closed the wizard draws on while it saves: read and forget it."""
        if not self._socket.closed:
            try:
                await super().on_data(payload)
            except ConnectionError:
                return

    async def on_meta(self, data: bytes) -> None:
        """Send a title to the tab; textual-serve handles the rest."""
        meta = json.loads(data)
        if meta.get("type") != "title":
            await super().on_meta(data)
        elif not self._socket.closed:
            try:
                await self.remote_write_str(json.dumps(["title", meta]))
            except ConnectionError:
                return

    def kill(self) -> None:
        """End the process at once. A training loses its steps since the last checkpoint."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


def wizard_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a wizard in a browser, from that of the server."""
    kept = {name: value for name, value in environment.items() if name not in _FOREIGN}
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
