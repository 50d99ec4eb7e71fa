"""The wizard in a browser: the driver that talks to `freezetui serve` through standard input and output."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver

    from tui.terminal.announcer import Announcer

WEB_DRIVER = "textual.drivers.web_driver:WebDriver"
"""What textual-serve sets TEXTUAL_DRIVER to."""


def is_web(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process was started by `freezetui serve`, to be shown in a browser."""
    return environment.get("TEXTUAL_DRIVER") == WEB_DRIVER


def web_driver_class(on_disconnect: Callable[[], object], announcer: Announcer) -> type[Driver]:
    """The driver for a browser.

    Args:
        on_disconnect: called in the app's thread when the browser's tab was closed, or the server has ended.
        announcer: its title becomes that of the browser's tab while the app runs.
    """
    from textual.drivers.web_driver import WebDriver

    class WebWizardDriver(WebDriver):
        """A closed tab is handled as a closed terminal is: a running training saves its checkpoint."""

        def __init__(
            self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
        ) -> None:
            super().__init__(app, debug=debug, mouse=mouse, size=size)
            self._write = partial(_write_all, self.fileno)
            announcer.attach(self.write, self._show_title)

        def _show_title(self, title: str) -> None:
            # The page asks before it is closed while a training runs in it.
            self.write_meta({"type": "title", "title": title, "training": getattr(self._app, "is_training", False)})

        def stop_application_mode(self) -> None:
            announcer.detach()
            super().stop_application_mode()

        def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
            if packet_type == "quit":
                self._app.call_later(on_disconnect)
            else:
                super().on_meta(packet_type, payload)

        def run_input_thread(self) -> None:
            super().run_input_thread()
            if not self.exit_event.is_set():  # the server has ended without a word
                self._app.call_later(on_disconnect)

    return WebWizardDriver


def _write_all(descriptor: int, data: bytes) -> int:
    """Write all of `data`: a signal may interrupt a write, and half a packet would garble all that follow.

    A server that has ended is no error: the app must still save its checkpoint.
    """
    rest = memoryview(data)
    with suppress(OSError):
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return len(data)
