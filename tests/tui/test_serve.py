"""`freezetui serve`: who gets an answer, and what the page loads."""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("textual_serve", reason="needs the extra `serve`")

import aiohttp
from aiohttp import web
from yarl import URL

from tests.command import command
from tui.serve.access import Access, is_loopback, make_access
from tui.serve.server import WizardServer

FOREIGN = "http://foreign.example"
PATHS = ("", "ws", "static/page.js", "static/page.css", "textual/js/textual.js", "textual/css/xterm.css")


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[aiohttp.ClientSession, str, Access]]:
    """A server on loopback: a client, its address without a path, and its access. Wizards would fail: they have no such option."""
    access = make_access("127.0.0.1")
    runner = web.AppRunner(WizardServer(["--no-such-option"], access).application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as client:
            yield client, f"http://127.0.0.1:{runner.addresses[0][1]}", access
    finally:
        await runner.cleanup()


async def answer(client: aiohttp.ClientSession, address: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of a GET. The address is sent as it is written."""
    async with client.get(URL(address, encoded=True), headers=headers, allow_redirects=False) as response:
        assert "Server" not in response.headers
        return response.status, await response.read()


async def handshake(client: aiohttp.ClientSession, address: str, **headers: str) -> int:
    """The status with which a websocket is refused."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(address, headers=headers)
    return int(refused.value.status)


def test_without_the_token_there_is_no_answer() -> None:
    async def run() -> None:
        async with serving() as (client, base, access):
            wrong = access.token[:-1] + ("a" if access.token[-1] != "a" else "b")
            for path in PATHS:
                for start in ("", f"{wrong}/", f"{access.token}x/", f"%00/{access.token}/", f"ws/{access.token}/"):
                    assert await answer(client, f"{base}/{start}{path}") == (404, b"")
            assert await answer(client, f"{base}/?token={access.token}") == (404, b"")
            assert await handshake(client, f"{base}/ws", Origin=base) == 404
            assert await handshake(client, f"{base}/{wrong}/ws", Origin=base) == 404

    asyncio.run(run())


def test_with_the_token_there_are_the_page_and_its_files_and_nothing_else() -> None:
    async def run() -> None:
        async with serving() as (client, base, access):
            for path in PATHS:
                if path != "ws":
                    status, body = await answer(client, f"{base}/{access.token}/{path}")
                    assert status == 200
                    assert body
            for path in ("static/../server.py", "static/%2e%2e/server.py", "static//etc/passwd", "static", "textual/"):
                status, body = await answer(client, f"{base}/{access.token}/{path}")
                assert (status // 100, body) == (4, b"")
            async with client.get(f"{base}/{access.token}") as response:  # the slash was not copied
                assert str(response.url) == f"{base}/{access.token}/"

    asyncio.run(run())


def test_the_name_of_another_host_is_refused_even_with_the_token() -> None:
    async def run() -> None:
        async with serving() as (client, base, access):
            port = base.rpartition(":")[2]
            address = f"{base}/{access.token}/"
            for host in (f"foreign.example:{port}", "127.0.0.1.foreign.example", "", "localhost.foreign.example"):
                assert await answer(client, address, Host=host) == (403, b"")
            for host in (f"localhost:{port}", "127.0.0.1:9999", f"[::1]:{port}"):
                assert (await answer(client, address, Host=host))[0] == 200

    asyncio.run(run())


def test_another_origin_is_refused_even_with_the_token() -> None:
    async def run() -> None:
        async with serving() as (client, base, access):
            page, socket = f"{base}/{access.token}/", f"{base}/{access.token}/ws"
            port = int(base.rpartition(":")[2])
            for origin in (FOREIGN, "null", f"http://127.0.0.1:{port + 1}", f"http://localhost:{port}", "file://"):
                assert await answer(client, page, Origin=origin) == (403, b"")
                assert await handshake(client, socket, Origin=origin) == 403
            assert await handshake(client, socket) == 403  # a browser says where the page is from
            assert (await answer(client, page, Origin=base))[0] == 200

    asyncio.run(run())


def test_the_page_loads_nothing_from_elsewhere_and_its_address_stays_here() -> None:
    async def run() -> None:
        async with serving() as (client, base, access):
            async with client.get(f"{base}/{access.token}/") as response:
                text, headers = await response.text(), response.headers
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "//" not in text.replace("<!DOCTYPE html>", "")
            loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
            styles = (await answer(client, f"{base}/{access.token}/static/page.css"))[1].decode()
            loaded += [f"static/{path}" for path in re.findall(r'url\("([^"]+)"\)', styles)]
            assert len(loaded) > 5
            for path in loaded:
                if not path.startswith("data:"):
                    async with client.get(f"{base}/{access.token}/{path}") as response:
                        assert response.status == 200

    asyncio.run(run())


def test_every_address_of_a_wide_server_is_its_own_but_no_foreign_name() -> None:
    wide, behind_proxy = make_access("0.0.0.0"), make_access("127.0.0.1", "https://gpu.example.org/freezetui")
    assert wide.is_own_host("192.168.1.7:8000")
    assert wide.is_own_host("[fe80::1]:8000")
    assert not wide.is_own_host("foreign.example:8000")
    assert behind_proxy.is_own_host("gpu.example.org")
    assert not behind_proxy.is_own_host("192.168.1.7:8000")
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.7", "gpu")] == [
        *(True, True, True),
        *(False, False, False),
    ]
    assert wide.token != behind_proxy.token
    assert len(wide.token) >= 32
    assert wide.token not in repr(wide)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--public-url", "gpu.example.org"], "--public-url gpu.example.org"),
        (["--preset", "qick-cpu"], "quick-cpu"),
        (["--port", "99999"], "--port 99999: it needs a whole number from 0 to 65535; the nearest is 65535."),
        (["--port", "abc"], "--port abc: it needs a whole number from 0 to 65535."),
        (["--host", "192.0.2.1"], "--host 192.0.2.1: this is not an address of this machine; give 127.0.0.1"),
        (["--data", "no such folder"], "no such folder: there is no such folder"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    done = command("serve", "--workspace", str(tmp_path), *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("is_free", [True, False])
def test_that_other_machines_reach_the_wizard_is_said_once_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_free: bool
) -> None:
    async def serve(
        _server: object, _host: str, ports: Sequence[int], announce: Callable[[int], None], _: object
    ) -> None:
        if not is_free:
            raise OSError(errno.EADDRINUSE, "in use")
        announce(ports[0])

    monkeypatch.setattr("tui.serve.server.serve", serve)
    done = command("serve", "--workspace", str(tmp_path), "--host", "0.0.0.0", "--port", "8123")
    assert done.returncode == (0 if is_free else 2)
    assert ("other machines can reach the wizard" in done.stderr) == is_free
    assert ("--port 8123: it cannot be used" in done.stderr) != is_free
    assert ("ssh -L 8123:127.0.0.1:8123" in done.stderr) == is_free
