"""The address to listen on: whether this machine has it."""

from __future__ import annotations

import socket
from contextlib import suppress

from engine.messages import bad_input


def require_host(host: str) -> None:
    """Check that a server can listen on `host`.

    Raises:
        BadInput: it is neither an address nor a name of this machine.
    """
    for family, kind, protocol, address in _addresses(host):
        with suppress(OSError), socket.socket(family, kind, protocol) as attempt:
            attempt.bind(address)  # port 0: any that is free, so only the address can be wrong
            return
    raise bad_input(
        "serve.host",
        "--host {host}: this is not an address of this machine; give 127.0.0.1 for this machine alone, or 0.0.0.0 for all of its "
        "addresses.",
        host=host,
    )


def _addresses(host: str) -> list[tuple[socket.AddressFamily, socket.SocketKind, int, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):  # an unknown name; a name that cannot be one
        return []
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]
