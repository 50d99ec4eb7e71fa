"""Who may use the server: only a browser that was given its token, and that shows the server's own page."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Access:
    """The token, and the names under which the server may be addressed."""

    names: frozenset[str]
    """Host names and addresses, in lower case, without a port: a tunnel may use another one."""
    any_address: bool = False
    """Whether every IP address is one of ours. A rebound DNS name, which is what `names` is for, is not an address."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES), repr=False)

    def has_token(self, path: str) -> bool:
        """Whether the first part of a path is the token. The time it takes does not depend on how much of it is right."""
        given = path.removeprefix("/").partition("/")[0]
        return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    def is_own_host(self, host: str | None) -> bool:
        """Whether the header Host names this server.

        Another name that leads here is one that a foreign page has pointed to this machine (DNS rebinding).
        """
        name = _host_name(host or "")
        return name in self.names or (self.any_address and _is_address(name))

    def is_own_origin(self, origin: str | None, host: str | None, *, required: bool) -> bool:
        """Whether a request comes from a page of this server, by its headers Origin and Host.

        Args:
            origin: None: the header is absent, as it is when a page is opened.
            host: of the same request.
            required: whether an absent header is refused. Browsers always send it with a websocket.
        """
        if origin is None:
            return not required
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == str(host).lower()


def make_access(host: str, public_url: str | None = None) -> Access:
    """The access to a server that is bound to `host`, and that a proxy publishes as `public_url`."""
    names = {*LOOPBACK, host.lower()}
    if public_url is not None and (name := urlsplit(public_url).hostname):
        names.add(name)
    is_wide = not is_loopback(host)
    if is_wide:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return Access(frozenset(names), any_address=is_wide)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
