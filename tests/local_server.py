"""A server on this machine for tests of downloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.network.registry import Address


class LocalServer(ThreadingHTTPServer):
    """Listens on any free port of the loopback interface. Handlers that delay a response wait for `closing`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.closing = threading.Event()

    def address(self, path: str) -> Address:
        return Address(f"http://127.0.0.1:{self.server_port}/{path}")

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Respond to requests until the block ends."""
        thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        with self:
            thread.start()
            try:
                yield
            finally:
                self.closing.set()
                self.shutdown()
                thread.join()


class Quiet:
    """Mixin for a handler that writes no log to standard error."""

    def log_message(self, *args: object) -> None:
        pass
