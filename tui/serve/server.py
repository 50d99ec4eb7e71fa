"""The web server: a page with a terminal, and a websocket to the wizard that it shows."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import textual_serve
from aiohttp import WSMsgType, web

from tui.serve.access import Access
from tui.serve.wizard_process import WizardProcess
from tui.text import _, language

STATIC = Path(__file__).with_name("static")
TEXTUAL_STATIC = Path(textual_serve.__file__).with_name("static")
HEARTBEAT = 15.0
"""Seconds between two pings. A browser that is gone without a word is noticed after one and a half of them."""
MAX_MESSAGE = 1 << 20
"""Bytes of one message from a browser; the longest is a pasted text."""
MAX_SIDE = 1000
"""Columns or rows of a terminal."""
HEADERS = {
    "Referrer-Policy": "no-referrer",  # the token is part of the address
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WizardServer:
    """Serves one page under /TOKEN/ and starts a wizard for each websocket. A request without the token gets an empty answer."""

    def __init__(self, words: Sequence[str], access: Access) -> None:
        """Start wizards with `words` after `freezetui`."""
        self._words = words
        self._access = access
        self._wizards: set[WizardProcess] = set()
        self._files = {**_files(STATIC, "static"), **_files(TEXTUAL_STATIC, "textual")}

    def application(self) -> web.Application:
        """The routes, behind the check of who asks."""
        app = web.Application(middlewares=[self._check_access])
        app.on_response_prepare.append(_remove_server_name)
        app.add_routes(
            [
                web.get("/{token}", self._with_slash),
                web.get("/{token}/", self._page),
                web.get("/{token}/ws", self._websocket),
                web.get("/{token}/{file:.+}", self._file),
            ]
        )
        return app

    async def close(self) -> None:
        """End all wizards, as closing their tabs does, and wait until they have saved."""
        await asyncio.gather(*(wizard.stop() for wizard in self._wizards))

    @property
    def count(self) -> int:
        """How many wizards run."""
        return len(self._wizards)

    def kill(self) -> None:
        """End all wizards at once."""
        for wizard in self._wizards:
            wizard.kill()

    @web.middleware
    async def _check_access(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        is_websocket = "Upgrade" in request.headers
        if not self._access.is_own_host(host) or not self._access.is_own_origin(origin, host, required=is_websocket):
            return web.Response(status=403)
        if not self._access.has_token(request.path):
            return web.Response(status=404)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _with_slash(self, request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": f"{request.match_info['token']}/"})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if (path := self._files.get(request.match_info["file"])) is None:
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def _page(self, request: web.Request) -> web.Response:
        host = request.headers["Host"]
        response = web.Response(text=page(), content_type="text/html", charset="utf-8")
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return response

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_MESSAGE)
        await socket.prepare(request)
        wizard = WizardProcess(self._words, socket)
        self._wizards.add(wizard)
        try:
            await wizard.start(_side(request.query.get("width"), 80), _side(request.query.get("height"), 24))
            await _pass_messages(socket, wizard)
        finally:
            await asyncio.shield(wizard.stop())
            self._wizards.discard(wizard)
        return socket


def page() -> str:
    """The page, in the user's language."""
    texts = {
        "language": language().replace("_", "-"),
        "connecting": _("Opening the wizard ..."),
        "ended": _("The wizard has ended."),
        "restart": _("Open it again"),
    }
    template = Template((STATIC / "page.html").read_text("utf-8"))
    return template.substitute({name: escape(text) for name, text in texts.items()})


async def serve(
    server: WizardServer, host: str, ports: Sequence[int], announce: Callable[[int], None], say: Callable[[str], None]
) -> None:
    """Serve until Ctrl+C, SIGTERM or SIGHUP; then end the wizards.

    Args:
        server: what to serve.
        host: the address to bind to.
        ports: the first that is free is used; 0 is any.
        announce: called with the port, once it is bound.
        say: shows a sentence.

    Raises:
        OSError: none of the ports can be bound.
    """
    task = asyncio.current_task()
    assert task is not None
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        announce(await _bind(runner, host, ports))
        with suppress(asyncio.CancelledError):  # the first Ctrl+C; the second is a KeyboardInterrupt
            await asyncio.Event().wait()
        if server.count:
            say(_("Ending the wizards; a running training saves its checkpoint. Ctrl+C again ends them at once."))
        await server.close()
    finally:
        server.kill()
        await runner.cleanup()


async def _bind(runner: web.AppRunner, host: str, ports: Sequence[int]) -> int:
    for port in ports:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError:
            if port == ports[-1]:
                raise
            continue
        return int(runner.addresses[0][1])
    raise AssertionError("no ports")


async def _pass_messages(socket: web.WebSocketResponse, wizard: WizardProcess) -> None:
    """Pass keys, sizes and focus on to the wizard until the websocket closes."""
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            continue
        kind, *values = message.json()
        value: Any = values[0] if values else None
        match kind:
            case "stdin":
                await wizard.send_bytes(str(value).encode("utf-8", "replace"))
            case "resize":
                await wizard.set_terminal_size(_side(value["width"], 80), _side(value["height"], 24))
            case "ping":
                await socket.send_json(["pong", value])
            case "focus":
                await wizard.focus()
            case "blur":
                await wizard.blur()


def _files(folder: Path, prefix: str) -> dict[str, Path]:
    """The files below a folder, by their addresses. Nothing else can be asked for."""
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}


async def _remove_server_name(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)


def _side(value: object, default: int) -> int:
    try:
        return min(max(1, int(str(value))), MAX_SIDE)
    except ValueError:
        return default
