"""`freezetui serve`: the wizard in a browser."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

import typer

from engine.messages import BadInput, bad_input
from tui.cli.completion import complete_preset
from tui.cli.console import print_line
from tui.cli.errors import print_error
from tui.cli.options import DATA_PATH, HERE, Workspace
from tui.cli.wizard_options import check_wizard_options
from tui.text import N_, _

DEFAULT_PORT = 8000
PORTS = range(DEFAULT_PORT, DEFAULT_PORT + 20)
"""Tried one after the other if the user names none."""
LOOPBACK = "127.0.0.1"


def serve(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="N",
            min=0,
            max=65535,
            help=N_("The port to listen on; 0: any that is free."),
            show_default=N_("8000, or the next that is free"),
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help=N_("The address to listen on. Another than this machine's own lets other machines open the wizard."),
        ),
    ] = LOOPBACK,
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url", metavar="URL", help=N_("The address under which a proxy publishes the server, if one does.")
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar=DATA_PATH, help=N_("Start the wizard with this data set."))
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help=N_("Start the wizard with this preset."),
            autocompletion=complete_preset,
        ),
    ] = None,
    workspace: Workspace = HERE,
) -> int:
    """Serve the wizard until Ctrl+C."""
    _require_packages()
    _check_public_url(public_url)
    check_wizard_options(data, preset, workspace)
    from tui.serve.access import is_loopback, make_access
    from tui.serve.host import require_host
    from tui.serve.server import WizardServer
    from tui.serve.server import serve as serve_forever

    language = None if context.parent is None else context.parent.params.get("lang")
    words = [
        *([] if language is None else ["--lang", str(language)]),
        *("--workspace", str(workspace.absolute())),
        *([] if data is None else ["--data", data]),
        *([] if preset is None else ["--preset", preset]),
    ]
    require_host(host)
    access = make_access(host, public_url)

    def announce(bound: int) -> None:
        if not is_loopback(host):
            print_error(
                _(
                    "--host {host}: other machines can reach the wizard. Everyone who has its address, or reads the network on the way, can use "
                    "your files through it. A tunnel is safer: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE",
                    host=host,
                    port=bound,
                )
            )
        base = public_url.rstrip("/") if public_url else f"http://{_in_address(host)}:{bound}"
        print_line(_("Open this address in your browser: {address}", address=f"{base}/{access.token}/"))
        print_error(_("The address is the key: keep it to yourself. Ctrl+C ends the server and its wizards."))

    ports: Sequence[int] = PORTS if port is None else [port]
    try:
        asyncio.run(serve_forever(WizardServer(words, access), host, ports, announce, print_error))
    except OSError as error:
        raise _cannot_listen(error, host, ports) from error
    except KeyboardInterrupt:
        print_error(_("The wizards were ended at once."))
    return 0


def _require_packages() -> None:
    missing = [name for name in ("textual_serve", "aiohttp") if find_spec(name) is None]
    if missing:
        raise bad_input(
            "serve.packages",
            "serve: {packages} is not installed; install it with: pip install textual-serve",
            packages=" ".join(name.replace("_", "-") for name in missing),
        )


def _check_public_url(public_url: str | None) -> None:
    if public_url is None:
        return
    try:
        parts = urlsplit(public_url)
        is_usable = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        raise bad_input(
            "serve.public_url",
            "--public-url {url}: this is not the address of a page; write it as in https://gpu.example.org/freezetui",
            url=public_url,
        )


def _cannot_listen(error: OSError, host: str, ports: Sequence[int]) -> BadInput:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if len(ports) > 1:
        return bad_input(
            "serve.ports",
            "--port: none of {first} to {last} can be used on {host} ({reason}); --port 0 takes any that is free.",
            first=ports[0],
            last=ports[-1],
            host=host,
            reason=reason,
        )
    return bad_input(
        "serve.port",
        "--port {port}: it cannot be used on {host} ({reason}); --port 0 takes any that is free.",
        port=ports[0],
        host=host,
        reason=reason,
    )


def _in_address(host: str) -> str:
    """`host` as it stands in the address of a page: of a machine's own name where it listens on all of its addresses."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  compared, not bound
        import socket

        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
