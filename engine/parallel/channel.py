"""JSON messages between the process that starts a training and the processes that train, over a local connection.

`multiprocessing.connection` carries them: each message is one packet, and a random key keeps strangers out. When a process
dies, however it dies, the system closes its end, and the other end learns of it.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, wait
from typing import Any

MAX_WAITING = 2_000
"""Messages that wait for a slow reader; of more, the oldest that may be lost are lost."""
_CLOSED = (EOFError, OSError, ValueError)
_LOOPBACK = "127.0.0.1"


class Channel:
    """The end of a connection in a process that trains. `send` never waits for the reader."""

    def __init__(self, port: int, key: str) -> None:
        """Connect to the `Hub` at `port`.

        Raises:
            OSError, AuthenticationError: there is none, or it has another key.
        """
        self._connection = Client((_LOOPBACK, port), authkey=key.encode())
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._sender = threading.Thread(target=self._send_waiting, name="channel-sender", daemon=True)
        self._sender.start()

    def send(self, message: dict[str, Any], *, may_be_lost: bool = False) -> None:
        """Send a message soon; one that `may_be_lost` is dropped if the reader is far behind."""
        packet = json.dumps(message).encode()
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                for index, (_packet, is_droppable) in enumerate(self._waiting):
                    if is_droppable:
                        del self._waiting[index]
                        break
            self._waiting.append((packet, may_be_lost))
            self._changed.notify()

    def receive(self) -> dict[str, Any]:
        """The next message; waits for it.

        Raises:
            EOFError: the other process has closed its end or has died.
        """
        try:
            received: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except _CLOSED as error:
            raise EOFError from error
        return received

    def follow(self, on_message: Callable[[dict[str, Any]], None], on_closed: Callable[[], None]) -> None:
        """From now on a thread calls `on_message` with every message, and `on_closed` at the end of the connection."""

        def read() -> None:
            while True:
                try:
                    message = self.receive()
                except EOFError:
                    on_closed()
                    return
                on_message(message)

        threading.Thread(target=read, name="channel-reader", daemon=True).start()

    def close(self, timeout: float = 5.0) -> None:
        """Send what waits, for at most `timeout` seconds, and close the connection."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._sender.join(timeout)
        with suppress(OSError):
            self._connection.close()

    def _send_waiting(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                packet, _is_droppable = self._waiting.popleft()
            try:
                self._connection.send_bytes(packet)
            except _CLOSED:  # the reader is gone, which its end of the connection tells
                return


class Hub:
    """Accepts the channels of other processes and reads their messages."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(32)
        self._listener = Listener((_LOOPBACK, 0), backlog=64, authkey=self.key.encode())
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._is_closed = False
        threading.Thread(target=self._accept, name="channel-accept", daemon=True).start()

    @property
    def port(self) -> int:
        """The port on the loopback interface that channels connect to."""
        address = self._listener.address
        return int(address[1]) if isinstance(address, tuple) else 0

    def read(self, timeout: float) -> list[tuple[Connection, dict[str, Any] | None]]:
        """The messages that arrive within `timeout` seconds, None where a connection has ended."""
        with self._lock:
            connections = list(self._connections)
        received: list[tuple[Connection, dict[str, Any] | None]] = []
        if not connections:
            time.sleep(timeout)
        for ready in wait(connections, timeout):
            connection = next(one for one in connections if one is ready)
            try:
                received.append((connection, json.loads(connection.recv_bytes())))
            except _CLOSED:
                received.append((connection, None))
                self.drop(connection)
        return received

    def drop(self, connection: Connection) -> None:
        """Close a connection: the process at its other end takes it for the death of this one."""
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
        with suppress(OSError):
            connection.close()

    def close(self) -> None:
        """Close all connections; the processes at their other ends take it for the death of this one."""
        self._is_closed = True
        with suppress(*_CLOSED, AuthenticationError):
            Client((_LOOPBACK, self.port), authkey=self.key.encode()).close()  # ends `accept`
        self._listener.close()
        for connection in list(self._connections):
            self.drop(connection)

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                connection = self._listener.accept()
            except AuthenticationError:
                continue
            except _CLOSED:
                if self._is_closed:
                    return
                continue
            with self._lock:
                if self._is_closed:
                    connection.close()
                    return
                self._connections.append(connection)


def send(connection: Connection, message: dict[str, Any]) -> None:
    """Send a short message from the hub; nothing happens where the other process is gone."""
    with suppress(*_CLOSED):
        connection.send_bytes(json.dumps(message).encode())
