"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 120.0
"""Seconds after which a test fails that waits in vain."""


class Tab:
    """A tab: what it has asked for, and what went wrong in it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.problems: list[object] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def read(self) -> None:
        """Take the browser's messages, until it ends."""
        async for message in self._socket:
            content = json.loads(message.data)
            values = content.get("params", {})
            match content.get("method"):
                case None:
                    self._answers.pop(content["id"]).set_result(content)
                case "Network.requestWillBeSent":
                    self.requests.append(values["request"]["url"])
                case "Network.webSocketCreated":
                    self.requests.append(values["url"])
                case "Runtime.exceptionThrown":
                    self.problems.append(values)
                case "Log.entryAdded" if values["entry"]["level"] == "error":
                    self.problems.append(values)

    async def call(self, method: str, **values: object) -> dict[str, Any]:
        """Call a method of the protocol; its result."""
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": values})
        async with asyncio.timeout(PATIENCE):
            content = await answer
        assert "error" not in content, content
        result: dict[str, Any] = content["result"]
        return result

    async def open(self, address: str) -> None:
        """Go to a page."""
        await self.call("Page.navigate", url=address)

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        async with asyncio.timeout(PATIENCE):
            while not (await self.call("Runtime.evaluate", expression=condition))["result"].get("value"):
                await asyncio.sleep(0.1)

    async def press_enter(self) -> None:
        """Press Enter."""
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
            )


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """Start a browser with a profile of its own; its one tab."""
    assert CHROMIUM is not None
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
    ]
    profile.mkdir()
    said = profile / "said"
    with said.open("w") as log:
        process = subprocess.Popen([CHROMIUM, *options, "about:blank"], stderr=log)
    try:
        async with asyncio.timeout(PATIENCE):
            while (port := re.search(r"ws://[^:]+:(\d+)/", said.read_text("utf-8"))) is None:
                await asyncio.sleep(0.05)
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{port[1]}/json") as response:
                page = next(target for target in await response.json() if target["type"] == "page")
            async with client.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                reading = asyncio.create_task(tab.read())
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await tab.call(f"{domain}.enable")
                yield tab
                reading.cancel()
    finally:
        process.terminate()
        process.wait(PATIENCE)
