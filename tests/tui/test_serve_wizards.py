"""`freezetui serve` with real wizards: how they begin and end, and what a browser makes of them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

pytest.importorskip("textual_serve", reason="needs the extra `serve`")

import aiohttp

from tests.small_training import start_freezetui
from tests.tui.browser import CHROMIUM, browser
from tui.wizard.state import load_state

FIRST = "Hardware of this machine"


@contextmanager
def served(workspace: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`freezetui serve` as a process of its own: the address that it prints, and the process."""
    process = start_freezetui("--lang", "en", "serve", "--port", "0", "--workspace", str(workspace), *words)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1], process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def origin_of(address: str) -> str:
    """What a browser says in the header Origin of a page's requests."""
    return address.removesuffix("/").rpartition("/")[0]


def ended(process: subprocess.Popen[str]) -> int:
    """End the server as `kill` does, and wait."""
    process.send_signal(signal.SIGTERM)
    return process.wait(120)


async def shows(socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
    """Read until the wizard has drawn a text."""
    drawn = b""
    async with asyncio.timeout(120):
        while text.encode() not in drawn:
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), (message, drawn)
            if message.type == aiohttp.WSMsgType.BINARY:
                drawn += message.data


def test_a_closed_tab_a_quit_and_the_end_of_the_server_end_the_wizards(tmp_path: Path) -> None:
    async def use(address: str, server: psutil.Process) -> None:
        async with aiohttp.ClientSession() as client:
            sockets = [
                await client.ws_connect(f"{address}ws?width=100&height=30", headers={"Origin": origin_of(address)})
                for _ in range(3)
            ]
            for socket in sockets:
                await shows(socket, FIRST)
            wizards = server.children()
            assert len(wizards) == 3
            assert all(address.split("/")[-2] not in " ".join(wizard.cmdline()) for wizard in wizards)
            await sockets[0].send_str(json.dumps(["stdin", "\x11"]))
            while (await sockets[0].receive()).type != aiohttp.WSMsgType.CLOSED:
                pass
            await sockets[1].close()
            async with asyncio.timeout(120):
                while len(server.children()) > 1:
                    await asyncio.sleep(0.05)

    data = tmp_path / "some [where]"
    data.mkdir()
    with served(tmp_path, "--data", str(data)) as (address, process):
        server = psutil.Process(process.pid)
        asyncio.run(use(address, server))
        [last] = server.children() or [None]
        assert ended(process) == 0
        assert last is None or not last.is_running()
    assert load_state(tmp_path).data == str(data)


def test_a_wizard_ends_when_its_server_was_killed(tmp_path: Path) -> None:
    async def use(address: str, process: subprocess.Popen[str]) -> psutil.Process:
        async with aiohttp.ClientSession() as client:
            socket = await client.ws_connect(f"{address}ws", headers={"Origin": origin_of(address)})
            await shows(socket, FIRST)
            [wizard] = psutil.Process(process.pid).children()
            process.kill()
            return wizard

    with served(tmp_path) as (address, process):
        wizard = asyncio.run(use(address, process))
        assert psutil.wait_procs([wizard], 120)[0]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_wizard_and_sends_it_keys(tmp_path: Path) -> None:
    async def use(address: str) -> None:
        async with browser(tmp_path / "browser") as tab:
            await tab.open(address)
            await tab.until("document.body.classList.contains('-first-byte')")
            await tab.until("document.activeElement.classList.contains('xterm-helper-textarea')")
            await tab.press_enter()
            async with asyncio.timeout(120):
                while load_state(workspace).screen_name != "data":
                    await asyncio.sleep(0.1)
            assert len(tab.requests) > 4
            assert all(url.startswith((address, f"ws{address[4:]}", "data:")) for url in tab.requests)
            assert tab.problems == []

    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with served(workspace) as (address, _process):
        asyncio.run(use(address))
