"""A local server that is the only place of the official tiny weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest

from engine.weights.download.registry import KNOWN
from tests.local_server import LocalServer, Quiet

OFFICIAL = KNOWN["yolov4-tiny.weights"]


def darknet_bytes() -> bytes:
    """A file of the size and form of the official yolov4-tiny.weights, with numbers of no use."""
    header = np.array([0, 2, 5, 0, 0], "<i4").tobytes()
    return header + np.full((OFFICIAL.bytes - len(header)) // 4, 0.5, "<f4").tobytes()


class WeightsServer(LocalServer):
    """Gives one file, whole or only its first half until it closes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(Handler)
        self.content = content
        self.halting = False


class Handler(Quiet, BaseHTTPRequestHandler):
    server: WeightsServer

    def do_GET(self) -> None:
        content = self.server.content
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.halting:
            self.wfile.write(content[: len(content) // 2])
            self.server.closing.wait(60)
        else:
            self.wfile.write(content)


@pytest.fixture
def weights_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightsServer]:
    """The only place that the official tiny weights can be had from."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = darknet_bytes()
    server = WeightsServer(content)
    served = replace(
        OFFICIAL, sha256=hashlib.sha256(content).hexdigest(), sources=(server.address("yolov4-tiny.weights"),)
    )
    monkeypatch.setitem(KNOWN, OFFICIAL.name, served)  # type: ignore[arg-type]
    with server.serving():
        yield server
